//! What watches the requests of the doors, beside the counters of the services.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use scorehost_core::{BoxFuture, ErrorKind, Failure};
use scorehost_telemetry::access::AccessLog;

/// What watches the requests. By default nothing does: a request then pays two branches.
#[derive(Clone, Default)]
pub struct Observe {
    /// Where a line per request goes.
    pub access: Option<Arc<AccessLog>>,
    /// What `GET /metrics` answers; 404 where there is nothing.
    pub metrics: Option<Arc<dyn MetricsSource>>,
    /// Whether the HTTP door answers `/metrics` without a credential.
    pub open_metrics: bool,
    /// Connections open at all doors.
    pub connections: Arc<AtomicUsize>,
}

/// The text of `/metrics`.
pub trait MetricsSource: Send + Sync {
    /// Collects the metrics in the form that the `Accept` header asks for. Called on an acceptor thread: the implementation
    /// moves its work to a runtime of its own.
    fn scrape(&self, accept: Option<String>) -> BoxFuture<'static, Result<MetricsText, Failure>>;
}

/// One answer of `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricsText {
    /// Value of `content-type`.
    pub content_type: &'static str,
    /// The metrics.
    pub text: Bytes,
}

static ERRORS: [AtomicU64; ErrorKind::ALL.len()] = [const { AtomicU64::new(0) }; ErrorKind::ALL.len()];

/// Counts an error answer of any door of this process.
pub(crate) fn count_error(kind: ErrorKind) {
    ERRORS[kind as usize].fetch_add(1, Relaxed);
}

/// Error answers of all doors of this process so far, by the kind's name.
#[must_use]
pub fn error_answers() -> Vec<(&'static str, u64)> {
    ErrorKind::ALL.into_iter().map(|kind| (kind.name(), ERRORS[kind as usize].load(Relaxed))).collect()
}
