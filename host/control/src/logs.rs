//! `GET /services/{name}/logs`: the last lines of a service's log, and those that follow.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::BodyExt;
use scorehost_core::{BoxFuture, Failure, ServiceName, VersionName};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::ControlError;
use crate::body::{Body, BodyError, Fed, full};
use crate::routes::Query;
use crate::services::Control;

/// The logs of all services; the assembly implements it over telemetry's log book.
pub trait ServiceLogs: Send + Sync {
    /// The last `tail` lines of a service, and the lines that will follow; those of one version where it is given. `None` where
    /// nothing was ever written.
    fn open(&self, service: &ServiceName, version: Option<&str>, tail: usize) -> Option<LogTail>;
}

/// A service's log from some point on.
pub struct LogTail {
    /// Lines so far, oldest first, without line ends.
    pub lines: Vec<String>,
    /// Lines after those.
    pub feed: Box<dyn LogFeed>,
}

/// Lines as they come.
pub trait LogFeed: Send {
    /// The next line, or `None` when there will be no more.
    fn next(&mut self) -> BoxFuture<'_, Option<String>>;
}

/// Lines of `tail` where the request gives none.
const TAIL: usize = 100;

impl Control {
    pub(crate) async fn logs(&self, name: &str, query: &Query) -> Result<Response<Body>, Failure> {
        let service: ServiceName = name.parse()?;
        let tail = query.number("tail", TAIL as u64)?.min(1 << 20) as usize;
        let follow = query.flag("follow")?;
        let version = query.get("version").map(str::parse::<VersionName>).transpose()?;
        let Some(tail) = self.0.logs.open(&service, version.as_ref().map(|version| &**version.as_str()), tail) else {
            // A failed first deployment leaves no service, and its log is wanted most; without lines it must exist.
            self.known_service(&service)?;
            return Ok(text(full(Bytes::new())));
        };
        let lines: String = tail.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
        if !follow {
            return Ok(text(full(lines)));
        }
        let limit = self.0.config.max_followers;
        let permit = Arc::clone(&self.0.followers).try_acquire_owned();
        let permit = permit.map_err(|_| ControlError::Followers { limit })?;
        let (feed, body) = mpsc::channel(64);
        self.0.runtime.spawn(forward(lines, tail.feed, feed, permit));
        Ok(text(Fed(body).boxed_unsync()))
    }
}

/// Copies lines into a response until either side ends.
async fn forward(
    lines: String,
    mut feed: Box<dyn LogFeed>,
    body: mpsc::Sender<Result<Bytes, BodyError>>,
    _permit: OwnedSemaphorePermit,
) {
    let mut next = lines;
    loop {
        if !next.is_empty() && body.send(Ok(next.into())).await.is_err() {
            return;
        }
        let line = tokio::select! {
            line = feed.next() => line,
            () = body.closed() => return,
        };
        match line {
            Some(line) => next = line + "\n",
            None => return,
        }
    }
}

fn text(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
