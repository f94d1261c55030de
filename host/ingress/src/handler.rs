//! Takes a request to its answer. Errors become responses here, each door in its own form.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use scorehost_auth::Role;
use scorehost_core::{Asked, ErrorKind, Failure, Routed, Service};
use scorehost_telemetry::note;

use crate::body::Reply;
use crate::route::{ModelCall, ModelRoute, Route};
use crate::server::{Activity, Tls};
use crate::terms::Terms;
use crate::{Body, Doors, IngressConfig, Observe, access, auth, call, grpc, metrics, observe, oip, score};

/// What the requests of one acceptor thread share.
pub(crate) struct Shared {
    pub(crate) config: Arc<IngressConfig>,
    pub(crate) doors: Doors,
    /// Connections open in all threads.
    pub(crate) connections: Arc<AtomicUsize>,
    /// What the doors speak TLS with; plain where there is none.
    pub(crate) tls: Option<Arc<Tls>>,
}

impl Shared {
    /// The version that answers a scoring request: the one that its path or its header names, or the one that the
    /// service's traffic picks for `caller`.
    pub(crate) fn route(
        &self,
        name: &str,
        version: Option<&str>,
        headers: &HeaderMap,
        caller: Option<&str>,
    ) -> Result<Routed, Failure> {
        let version = wanted_version(version, headers)?;
        let headers = call::Borrowed(headers);
        self.doors.plane.route(name, &Asked { version, headers: Some(&headers), caller }).map_err(hinted)
    }

    /// The version that a description is asked of: the default where none is named.
    pub(crate) fn described(
        &self,
        name: &str,
        version: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<Arc<dyn Service>, Failure> {
        let plane = &self.doors.plane;
        let version = wanted_version(version, headers)?;
        match plane.service(name) {
            Some(service) if version.is_none() => Ok(service),
            _ => {
                let routed = plane.route(name, &Asked { version, ..Asked::default() });
                routed.map(|routed| routed.service).map_err(hinted)
            }
        }
    }
}

#[cold]
fn hinted(failure: Failure) -> Failure {
    if failure.kind != ErrorKind::NotFound || failure.hint.is_some() {
        return failure;
    }
    failure.with_hint("POST /v2/repository/index lists what there is")
}

/// The version that a request names, in its path or in its header.
fn wanted_version<'a>(path: Option<&'a str>, headers: &'a HeaderMap) -> Result<Option<&'a str>, Failure> {
    let Some(header) = headers.get(call::X_SCOREHOST_VERSION) else { return Ok(path) };
    let header = header.to_str().map_err(|_| Failure::invalid("the header x-scorehost-version is no text"))?;
    match path {
        Some(path) if path != header => Err(Failure::invalid(format!(
            "the path names version '{}' and the header x-scorehost-version names '{}'",
            shown(path),
            shown(header)
        ))),
        _ => Ok(Some(header)),
    }
}

/// Says which version an answer came from, where a service has several.
pub(crate) fn label(routed: &Routed) -> Option<Arc<str>> {
    routed.several.then(|| Arc::clone(&routed.service.status().version))
}

/// Writes the [`label`].
pub(crate) fn write_label(label: Option<Arc<str>>, headers: &mut HeaderMap) {
    if let Some(value) = label.and_then(|version| HeaderValue::from_str(&version).ok()) {
        headers.insert(call::X_SCOREHOST_VERSION, value);
    }
}

/// A name as a message shows it: names may come from anywhere and be of any length.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// Answers one request of any protocol.
pub(crate) async fn answer(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    mut request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let _in_flight = activity.request();
    let entered = access::enter(request.headers_mut());
    if entered.is_some() || shared.doors.observe.access.is_some() {
        return Ok(Box::pin(access::recorded(shared, activity, request, entered)).await);
    }
    Ok(dispatch(shared, activity, request).await)
}

/// [`answer`] without what surrounds every request.
pub(crate) async fn dispatch(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    request: Request<Incoming>,
) -> Response<Reply> {
    let path = request.uri().path();
    if request.method() == Method::POST && path.ends_with("/infer") {
        return infer(&shared, &activity, request).await.map(Reply::Plain);
    }
    // Everything else is off the hot path of HTTP/1.1 and must not make its future larger.
    let other: Pin<Box<dyn Future<Output = Response<Reply>>>> = if path.starts_with(crate::route::GRPC_SERVICE) {
        Box::pin(grpc::answer(shared, activity, request))
    } else {
        Box::pin(async { other(shared, activity, request).await.map(Reply::Plain) })
    };
    other.await
}

async fn infer(shared: &Shared, activity: &Activity, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Route::Model(ModelRoute { name, version, what: ModelCall::Infer }) = Route::of(parts.uri.path()) else {
        return oip::error(&no_path(parts.uri.path()));
    };
    let caller_id = parts.headers.get(call::X_REQUEST_ID).cloned();
    let routed = match auth::scoring(shared, activity, &name, &parts.headers).await {
        Ok(caller) => {
            let routed = shared.route(&name, version.as_deref(), &parts.headers, caller.as_deref());
            routed.and_then(|routed| Ok((routed, Terms::of(&parts.headers)?.called_by(caller))))
        }
        Err(failure) => Err(failure),
    };
    let (label, result) = match routed {
        Ok((routed, terms)) => {
            let head = oip::infer::Head { headers: parts.headers, terms };
            (label(&routed), oip::infer::infer(shared, activity, routed.service, head, body).await)
        }
        Err(failure) => (None, Err(failure)),
    };
    let mut response = result.unwrap_or_else(|failure| failed(&failure, caller_id, oip::error));
    write_label(label, response.headers_mut());
    response
}

async fn other(shared: Rc<Shared>, activity: Rc<Activity>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let caller_id = request.headers().get(call::X_REQUEST_ID).cloned();
    match Route::of(path) {
        Route::Score(_) | Route::Swagger(_) => score::answer(shared, activity, request).await,
        Route::Management => {
            let result = manage(&shared, &activity, request).await;
            result.unwrap_or_else(|failure| failed(&failure, caller_id, management_error))
        }
        Route::Metrics => {
            let result = measured(&shared, &activity, &request).await;
            result.unwrap_or_else(|failure| failed(&failure, caller_id, oip::error))
        }
        Route::Root if request.method() == Method::GET => healthy(),
        _ => {
            let result = protocol(&shared, &activity, request).await;
            result.unwrap_or_else(|failure| failed(&failure, caller_id, oip::error))
        }
    }
}

/// The management API, which learns who calls and checks itself what each call needs.
async fn manage(
    shared: &Shared,
    activity: &Activity,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let principal = auth::management(shared, activity, request.headers(), Role::Reader)?;
    request.extensions_mut().insert(principal);
    shared.doors.management.call(request).await
}

/// The metrics, for readers unless they are open to everyone.
async fn measured(
    shared: &Shared,
    activity: &Activity,
    request: &Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let Observe { metrics, open_metrics, .. } = &shared.doors.observe;
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return Ok(method_not_allowed(request.method(), request.uri().path(), &Method::GET));
    }
    if !open_metrics {
        auth::management(shared, activity, request.headers(), Role::Reader)?;
    }
    let source = metrics.as_deref().ok_or_else(|| no_path(request.uri().path()))?;
    metrics::answer(source, request.headers()).await
}

/// The Open Inference Protocol but for `infer`.
async fn protocol(shared: &Shared, activity: &Activity, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let headers: &HeaderMap = &parts.headers;
    let route = Route::of(path);
    let posts = matches!(route, Route::Index | Route::Load(_) | Route::Unload(_));
    let wanted = if posts { Method::POST } else { Method::GET };
    let found = !matches!(route, Route::Unknown | Route::NotOffered);
    if found && parts.method != wanted && !(wanted == Method::GET && parts.method == Method::HEAD) {
        return Ok(method_not_allowed(&parts.method, path, &wanted));
    }
    let plane = &shared.doors.plane;
    match route {
        Route::Server => Ok(oip::metadata::server()),
        Route::Ready if !shared.doors.ready() => Err(restoring()),
        Route::Live => Ok(oip::metadata::live()),
        Route::Ready => Ok(oip::metadata::ready()),
        Route::Jwks => Ok(oip::metadata::jwks(&shared.doors.gatekeeper.jwks())),
        Route::AllStatistics => {
            let services = auth::readable(shared, activity, plane.services(), headers).await?;
            Ok(oip::statistics::of(&services, shared.doors.statistics.as_ref()))
        }
        Route::Model(ModelRoute { name, version, what }) => {
            // Probes have no credential: whether a service is ready is open.
            if what != ModelCall::Ready {
                auth::reading(shared, activity, &name, headers).await?;
            }
            let service = shared.described(&name, version.as_deref(), headers)?;
            match what {
                ModelCall::Metadata => oip::metadata::model(service.status(), &plane.versions(&name)),
                ModelCall::Config => oip::metadata::config(service.status()),
                ModelCall::Ready => Ok(oip::metadata::model_ready(service.status())),
                ModelCall::Statistics if version.is_none() && !headers.contains_key(call::X_SCOREHOST_VERSION) => {
                    Ok(oip::statistics::of(&plane.versions(&name), shared.doors.statistics.as_ref()))
                }
                ModelCall::Statistics => Ok(oip::statistics::of(&[service], shared.doors.statistics.as_ref())),
                ModelCall::Infer => Ok(method_not_allowed(&parts.method, path, &Method::POST)),
            }
        }
        Route::Index => {
            auth::management(shared, activity, headers, Role::Reader)?;
            oip::repository::index(shared, activity, headers, body).await
        }
        Route::Load(name) => {
            auth::management(shared, activity, headers, Role::Deployer)?;
            oip::repository::load(shared, activity, &name, headers, body).await
        }
        Route::Unload(name) => {
            auth::management(shared, activity, headers, Role::Deployer)?;
            oip::repository::unload(shared, activity, &name, headers, body).await
        }
        Route::NotOffered => Err(Failure::new(
            ErrorKind::Unsupported,
            format!("'{}' belongs to an extension that this host does not offer", shown(path)),
        )),
        _ => Err(no_path(path)),
    }
}

#[cold]
fn restoring() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the services of this host are being restored")
        .with_hint("ask again; those that are ready answer already")
}

fn no_path(path: &str) -> Failure {
    Failure::not_found(format!("nothing is served at '{}'", shown(path)))
        .with_hint("see GET /v2, /v2/models/<m>/infer, /api/v1/service/<s>/score")
}

fn healthy() -> Response<Body> {
    let mut response = Response::new(Body::full("Healthy"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn method_not_allowed(method: &Method, path: &str, wanted: &Method) -> Response<Body> {
    let text = format!("method {} is not allowed at '{}'; use {wanted}", shown(method.as_str()), shown(path));
    let mut response = oip::error(&Failure::invalid(text));
    *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    if let Ok(wanted) = HeaderValue::from_str(wanted.as_str()) {
        response.headers_mut().insert(header::ALLOW, wanted);
    }
    response
}

/// Logs what the caller may not see, under an id that the caller does see, and writes the rest in the door's form.
pub(crate) fn failed(
    failure: &Failure,
    caller_id: Option<HeaderValue>,
    form: impl FnOnce(&Failure) -> Response<Body>,
) -> Response<Body> {
    let id = caller_id.filter(|id| id.len() <= call::MAX_ID).or_else(|| HeaderValue::from_str(&call::new_id()).ok());
    log(failure, id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default());
    let mut response = form(failure);
    if let Some(id) = id {
        response.headers_mut().insert(call::X_REQUEST_ID, id);
    }
    if failure.kind.retryable() && response.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub(crate) fn log(failure: &Failure, request_id: &str) {
    observe::count_error(failure.kind);
    note::write(|note| note.kind = Some(failure.kind));
    let (kind, message, detail) = (failure.kind.name(), &*failure.message, failure.detail.as_deref());
    if failure.kind == ErrorKind::Internal {
        tracing::error!(request_id, kind, message, detail, "request failed");
    } else {
        tracing::debug!(request_id, kind, message, detail, "request refused");
    }
}

/// `{"error": {"kind", "message", "hint"}}` with the status of the failure's kind.
fn management_error(failure: &Failure) -> Response<Body> {
    let error = serde_json::json!({
        "kind": failure.kind.name(),
        "message": failure.message,
        "hint": failure.hint,
    });
    let mut response = oip::ok(&serde_json::json!({ "error": error }));
    *response.status_mut() = crate::status_of(failure.kind).http;
    auth::dress(failure, &mut response);
    response
}
