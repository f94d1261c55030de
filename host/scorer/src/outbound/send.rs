//! One outgoing request, from the guest's hands to the response's head.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Method, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use scorehost_core::LogLevel;
use tokio::time::{Instant, timeout, timeout_at};
use wasmtime_wasi::runtime::AbortOnDropJoinHandle;
use wasmtime_wasi_http::io::TokioIo;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

use super::Outgoing;
use super::body::{Outgone, Received};
use super::refusal::Refusal;
use super::rules::Target;
use crate::journal::Journal;

/// Bytes of a response's head.
const MAX_HEAD: usize = 64 << 10;

/// The work that goes on while the response's body is read.
type Rest = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// A call's way out.
pub(super) struct Exit {
    pub(super) outgoing: Arc<Outgoing>,
    pub(super) journal: Arc<Journal>,
    pub(super) request_id: Arc<str>,
    /// When the call's time is up.
    pub(super) until: Instant,
}

impl Exit {
    /// Sends the request, counts it, and writes a line about it to the service's log.
    pub(super) async fn send(
        self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Response<WasiBody>, Rest), Error> {
        let started = Instant::now();
        let method = request.method().clone();
        let target = Target::of(request.uri());
        let label = target.as_ref().map_or_else(|_| "an unreadable URL".to_owned(), Target::label);
        let sent = match target {
            Ok(target) => {
                let attempt = self.attempt(&target, request, options.unwrap_or_default());
                timeout_at(self.until, attempt).await.unwrap_or(Err(Refusal::TimeUp))
            }
            Err(refusal) => Err(refusal),
        };
        self.report(&sent, &format!("outbound {method} {label}"), started.elapsed());
        Ok(sent?)
    }

    async fn attempt(
        &self,
        target: &Target,
        mut request: Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<(Response<WasiBody>, Rest), Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal::Method);
        }
        let outgoing = &self.outgoing;
        let config = &outgoing.network.config;
        let covered = outgoing.rules.covers(target).ok_or(Refusal::NotListed)?;
        let place = Arc::clone(&outgoing.places).try_acquire_owned();
        let place = place.map_err(|_| Refusal::Busy(config.max_concurrent))?;
        let within = |asked: Option<Duration>, limit: Duration| asked.map_or(limit, |asked| asked.min(limit));
        let connect = within(options.connect_timeout, config.connect_timeout);
        let stream = outgoing.network.connect(target, covered, connect).await?;
        let mut client = http1::Builder::new();
        let handshake = client.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.map_err(Refusal::Http)?;
        // Nothing of a call survives it: not this connection either.
        let until = self.until;
        let driver = wasmtime_wasi::runtime::spawn(async move {
            let _ = timeout_at(until, connection).await;
        });
        // A server expects the path alone; scheme and host would make it a proxy.
        *request.uri_mut() = path_of(request.uri());
        let request = request.map(|body| Outgone::new(body, config.max_body_bytes));
        let first = within(options.first_byte_timeout, config.idle_timeout);
        let response = timeout(first, sender.send_request(request)).await;
        let response = response.map_err(|_| Refusal::Silent(first.as_millis()))?.map_err(broken)?;
        let idle = within(options.between_bytes_timeout, config.idle_timeout);
        let limits = (config.max_body_bytes, idle);
        let counters = Arc::clone(&outgoing.counters);
        let response = response.map(|body| Received::new(body, limits, until, counters, place).boxed_unsync());
        Ok((response, Box::new(finish(driver))))
    }

    fn report(&self, sent: &Result<(Response<WasiBody>, Rest), Refusal>, what: &str, took: Duration) {
        let counters = &self.outgoing.counters;
        let milliseconds = took.as_millis();
        match sent {
            Ok((response, _)) => {
                counters.answered.fetch_add(1, Ordering::Relaxed);
                self.log(LogLevel::Info, &format!("{what}: {} in {milliseconds} ms", response.status().as_u16()));
            }
            Err(refusal) if refusal.by_rule() => {
                counters.refused.fetch_add(1, Ordering::Relaxed);
                self.log(LogLevel::Warn, &format!("{what}: refused: {refusal}"));
            }
            Err(refusal) => {
                counters.failed.fetch_add(1, Ordering::Relaxed);
                self.log(LogLevel::Warn, &format!("{what}: failed after {milliseconds} ms: {refusal}"));
            }
        }
    }

    fn log(&self, level: LogLevel, line: &str) {
        self.journal.write_for(&self.request_id, level, line);
    }
}

fn path_of(uri: &Uri) -> Uri {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    // A query without a path is valid in a URL, and not in a request line.
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    path.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

/// The error of a body that was too large is inside the client's own.
fn broken(error: hyper::Error) -> Refusal {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Error>());
    match source {
        Some(Error::HttpRequestBodySize(Some(limit))) => Refusal::RequestTooLarge(*limit),
        _ => Refusal::Http(error),
    }
}

async fn finish(driver: AbortOnDropJoinHandle<()>) -> Result<(), Error> {
    driver.await;
    Ok(())
}
