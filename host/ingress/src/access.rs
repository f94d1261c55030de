//! What surrounds a request that somebody watches: its place in a trace, its span and its line in the access log.

use std::borrow::Cow;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body::Body as _;
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, TraceContext};
use scorehost_telemetry::access::Access;
use scorehost_telemetry::note::{self, Note};
use scorehost_telemetry::trace::{self, Recording};

use crate::body::Reply;
use crate::call::X_REQUEST_ID;
use crate::grpc::GRPC_STATUS;
use crate::handler::{self, Shared};
use crate::route::{GRPC_SERVICE, ModelCall, ModelRoute, Route};
use crate::server::Activity;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest part of a path that a line shows, in bytes.
const PATH: usize = 256;

/// A request's place in a trace, and the span of its caller.
#[derive(Clone, Copy)]
pub(crate) struct Entered {
    trace: TraceContext,
    parent: Option<u64>,
}

/// Gives the request its place in a trace, where traces are recorded: its headers name this host's span from here on, so that
/// everything below reads it there. `None` where there is no trace to go on with and none to begin.
pub(crate) fn enter(headers: &mut HeaderMap) -> Option<Entered> {
    let spans = trace::spans()?;
    let parent = place(headers);
    let trace = spans.enter(parent)?;
    headers.insert(TRACEPARENT, value(trace)?);
    Some(Entered { trace, parent: parent.map(|parent| parent.span_id) })
}

/// The place in a trace that the headers name.
pub(crate) fn place(headers: &HeaderMap) -> Option<TraceContext> {
    headers.get(TRACEPARENT)?.to_str().ok()?.parse().ok()
}

fn value(trace: TraceContext) -> Option<HeaderValue> {
    HeaderValue::try_from(trace.to_string()).ok()
}

/// Answers one request, and writes its line and its span.
pub(crate) async fn recorded(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    request: Request<Incoming>,
    entered: Option<Entered>,
) -> Response<Reply> {
    let head = Head::of(&request, entered, activity.peer());
    let span = entered.map(|entered| Recording::server(entered.trace, entered.parent, head.route()));
    let (watching, connection) = (Rc::clone(&shared), Rc::clone(&activity));
    let (mut response, mut note) = note::keep(Box::pin(handler::dispatch(shared, activity, request))).await;
    if note.caller.is_none() {
        note.caller = connection.peer_name().map(Arc::from);
    }
    if let Some(trace) = entered.and_then(|entered| value(entered.trace)) {
        response.headers_mut().insert(TRACEPARENT, trace);
    }
    if let Some(log) = &watching.doors.observe.access {
        log.record(&head.line(&response, &note));
    }
    if let Some(span) = span.filter(Recording::is_recording) {
        head.finish(span, &response, note);
    }
    response
}

/// What is kept of a request until its answer is there.
struct Head {
    time: SystemTime,
    began: Instant,
    method: Method,
    uri: Uri,
    caller_id: Option<HeaderValue>,
    trace_id: Option<u128>,
    peer: IpAddr,
}

impl Head {
    fn of(request: &Request<Incoming>, entered: Option<Entered>, peer: IpAddr) -> Self {
        let trace = entered.map(|entered| entered.trace).or_else(|| place(request.headers()));
        Self {
            time: SystemTime::now(),
            began: Instant::now(),
            method: request.method().clone(),
            uri: request.uri().clone(),
            caller_id: request.headers().get(X_REQUEST_ID).cloned(),
            trace_id: trace.map(|trace| trace.trace_id),
            peer,
        }
    }

    fn is_grpc(&self) -> bool {
        self.uri.path().starts_with(GRPC_SERVICE)
    }

    fn path(&self) -> &str {
        let path = self.uri.path();
        &path[..path.floor_char_boundary(PATH)]
    }

    /// The request's kind, of few different values.
    fn route(&self) -> Cow<'static, str> {
        let name = match Route::of(self.uri.path()) {
            Route::Grpc(method) if method.len() <= 64 => return format!("{}{method}", &GRPC_SERVICE[1..]).into(),
            Route::Model(ModelRoute { what: ModelCall::Infer, .. }) => "/v2/models/{model}/infer",
            Route::Model(_) => "/v2/models/{model}",
            Route::Score(_) => "/api/v1/service/{service}/score",
            Route::Swagger(_) => "/api/v1/service/{service}/swagger.json",
            Route::Management => "/management",
            Route::Load(_) | Route::Unload(_) | Route::Index => "/v2/repository",
            Route::Metrics => "/metrics",
            Route::Unknown | Route::NotOffered | Route::Grpc(_) => "unknown",
            Route::Root | Route::Server | Route::Live | Route::Ready | Route::AllStatistics | Route::Jwks => "/v2",
        };
        format!("{} {name}", self.method).into()
    }

    fn status(&self, response: &Response<Reply>) -> u16 {
        if self.is_grpc() { grpc_code(response) } else { response.status().as_u16() }
    }

    fn request_id<'a>(&'a self, response: &'a Response<Reply>) -> &'a str {
        let id = response.headers().get(X_REQUEST_ID).or(self.caller_id.as_ref());
        id.and_then(|id| id.to_str().ok()).unwrap_or_default()
    }

    fn line<'a>(&'a self, response: &'a Response<Reply>, note: &'a Note) -> Access<'a> {
        Access {
            time: self.time,
            protocol: if self.is_grpc() { "grpc" } else { "http" },
            method: self.method.as_str(),
            path: self.path(),
            status: self.status(response),
            duration: self.began.elapsed(),
            bytes_in: note.bytes_in,
            bytes_out: response.body().size_hint().exact(),
            request_id: self.request_id(response),
            trace_id: self.trace_id,
            service: note.service.as_ref().map(|(service, version)| (service, &**version)),
            caller: note.caller.as_deref(),
            peer: self.peer,
            kind: note.kind,
            queue: note.queue,
            compute: note.compute,
        }
    }

    /// Ends the span with the attributes of OpenTelemetry's conventions for servers.
    fn finish(&self, mut span: Recording, response: &Response<Reply>, note: Note) {
        span.set("url.path", self.path().to_owned());
        span.set("scorehost.request_id", self.request_id(response).to_owned());
        span.set("client.address", self.peer.to_string());
        let status = u64::from(self.status(response));
        if self.is_grpc() {
            span.set("rpc.system", "grpc");
            span.set("rpc.grpc.status_code", status);
        } else {
            span.set("http.request.method", self.method.to_string());
            span.set("http.response.status_code", status);
        }
        if let Some((service, version)) = note.service {
            span.set("scorehost.service", service.to_string());
            span.set("scorehost.version", version.to_string());
        }
        if let Some(caller) = note.caller {
            span.set("enduser.id", caller.to_string());
        }
        // A caller's mistake is no failure of this server.
        let faulty = |kind: &ErrorKind| crate::status_of(*kind).http.is_server_error();
        if let Some(kind) = note.kind.filter(faulty) {
            span.fail(kind);
        }
    }
}

/// The code of a call that failed before its answer began; 0 for every other.
fn grpc_code(response: &Response<Reply>) -> u16 {
    let code = response.headers().get(GRPC_STATUS).and_then(|code| code.to_str().ok());
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}
