//! What lies behind the doors: the traits that `ingress` calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use scorehost_auth::Gatekeeper;
use scorehost_core::{BoxFuture, Failure, Plane, Repository, ServiceName};

use crate::{Body, Observe};

/// Everything behind the doors.
#[derive(Clone)]
pub struct Doors {
    /// Looks services up.
    pub plane: Arc<dyn Plane>,
    /// Counts of what services did.
    pub statistics: Arc<dyn StatisticsSource>,
    /// Loads, unloads and lists.
    pub repository: Arc<dyn Repository>,
    /// Answers every path below `/management/`.
    pub management: Arc<dyn Management>,
    /// Says who may call what.
    pub gatekeeper: Arc<Gatekeeper>,
    /// What watches the requests.
    pub observe: Observe,
    /// False while the services of an earlier run are being restored: the host is live, and not yet ready.
    pub ready: Arc<AtomicBool>,
}

impl Doors {
    /// Whether the host answers for everything it should.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

/// The management API behind its path prefix.
pub trait Management: Send + Sync {
    /// Answers one request, whose extensions hold the caller ([`scorehost_auth::Principal`]). Called on an acceptor thread: the implementation moves its work to a runtime of its own.
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Failure>>;
}

/// Counts per service, as the statistics extension of the Open Inference Protocol reports them.
pub trait StatisticsSource: Send + Sync {
    /// Counters of one service and version; `None` before its first request.
    fn counters(&self, service: &ServiceName, version: &str) -> Option<Counters>;
}

/// A number of events and their summed duration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// Events.
    pub count: u64,
    /// Their durations, summed.
    pub total: Duration,
}

/// What one service and version did since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// End of the last inference, milliseconds since the epoch; 0 when there was none.
    pub last_inference_ms: u64,
    /// Inferences: requests answered.
    pub inferences: u64,
    /// Executions of the model or the scorer.
    pub executions: u64,
    /// Requests answered, whole way.
    pub success: Span,
    /// Requests failed, whole way.
    pub fail: Span,
    /// Waiting for admission or a replica.
    pub queue: Span,
    /// Computing.
    pub compute: Span,
    /// Requests answered by a kept answer.
    pub cache_hit: Span,
    /// Looking for an answer and keeping one, for requests without one; zero where no answers are kept, as `cache_hit`.
    pub cache_miss: Span,
    /// Executions by the number of requests that each of them answered, ascending.
    pub batches: Vec<(u64, Span)>,
}
