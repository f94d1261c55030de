//! What `wasi:http` asks this host.

use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use scorehost_core::{Clock, Deadline};
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
}

impl Http {
    pub(crate) fn new(
        outgoing: Arc<Outgoing>,
        journal: Arc<Journal>,
        clock: Arc<dyn Clock>,
        deadline: Deadline,
    ) -> Self {
        let hooks = Hooks { outgoing, journal, clock, request_id: Arc::from(""), deadline };
        Self { context: WasiHttpCtx::new(), hooks }
    }

    /// Begins a call that must end by `deadline`.
    pub(crate) fn begin(&mut self, request_id: &Arc<str>, deadline: Deadline) {
        self.hooks.request_id = Arc::clone(request_id);
        self.hooks.deadline = deadline;
    }
}

type Sent = Result<(Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
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
