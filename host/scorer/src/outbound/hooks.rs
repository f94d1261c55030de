//! What `wasi:http` asks this host.

use std::future::Future;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response};
use scorehost_core::{CallContext, Clock, Deadline, TraceContext};
use tokio::time::Instant;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpHooks};

use super::Outgoing;
use super::send::Exit;
use crate::journal::Journal;

/// The HTTP side of one replica.
pub(crate) struct Http {
    pub(crate) context: WasiHttpCtx,
    pub(crate) hooks: Hooks,
}

/// Sends for the running call.
pub(crate) struct Hooks {
    outgoing: Arc<Outgoing>,
    journal: Arc<Journal>,
    clock: Arc<dyn Clock>,
    request_id: Arc<str>,
    deadline: Deadline,
    trace: Option<Place>,
}

/// Where outgoing requests stand in a trace (W3C Trace Context).
struct Place {
    parent: TraceContext,
    state: Option<HeaderValue>,
}

impl Place {
    /// Puts the place into the headers of a request, unless the guest did.
    fn write(&self, headers: &mut HeaderMap) {
        let Ok(parent) = HeaderValue::try_from(self.parent.to_string()) else { return };
        if headers.contains_key("traceparent") {
            return;
        }
        headers.insert("traceparent", parent);
        if let Some(state) = &self.state {
            headers.insert("tracestate", state.clone());
        }
    }
}

impl Http {
    pub(crate) fn new(
        outgoing: Arc<Outgoing>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        deadline: Deadline,
    ) -> Self {
        let hooks = Hooks { outgoing, journal, clock, request_id: Arc::from(""), deadline, trace: None };
        Self { context: WasiHttpCtx::new(), hooks }
    }

    /// Begins a call that must end by `deadline`.
    pub(crate) fn begin(&mut self, call: &CallContext, deadline: Deadline) {
        self.hooks.request_id = Arc::clone(&call.request_id);
        self.hooks.deadline = deadline;
        self.hooks.trace = call.trace.map(|trace| Place {
            parent: trace,
            state: call.headers.as_ref().and_then(|headers| headers.first("tracestate")?.parse().ok()),
        });
    }
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        if let Some(place) = &self.trace {
            place.write(request.headers_mut());
        }
        let exit = Exit {
            outgoing: Arc::clone(&self.outgoing),
            journal: Arc::clone(&self.journal),
            request_id: Arc::clone(&self.request_id),
            until: Instant::now() + self.deadline.remaining(self.clock.now()),
        };
        Box::new(exit.send(request, options))
    }

    fn p2_error_from_hyper(&mut self, error: &hyper::Error) -> ErrorCode {
        if error.is_timeout() {
            return ErrorCode::HttpResponseTimeout;
        }
        if error.is_incomplete_message() { ErrorCode::HttpResponseIncomplete } else { ErrorCode::HttpProtocolError }
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn outgoing_requests_continue_the_trace_unless_the_guest_says_otherwise() {
        let parent = TraceContext { trace_id: 7, span_id: 9, sampled: true };
        let place = Place { parent, state: Some(HeaderValue::from_static("vendor=1")) };
        let mut headers = HeaderMap::new();
        place.write(&mut headers);
        assert_eq!(headers["traceparent"], *parent.to_string());
        assert_eq!(headers["tracestate"], "vendor=1");
        let mut own = HeaderMap::new();
        own.insert("traceparent", HeaderValue::from_static("00-own"));
        place.write(&mut own);
        assert_eq!((own["traceparent"].as_bytes(), own.len()), (&b"00-own"[..], 1));
    }
}
