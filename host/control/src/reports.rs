//! What the versions of a service did, for comparing them.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{ErrorKind, ServiceName};

use crate::wire;

/// What versions did; the assembly implements it over telemetry's counters.
pub trait Reports: Send + Sync {
    /// Every version of a service that was called since the host started, by version; empty where none was.
    fn versions(&self, service: &ServiceName) -> Vec<VersionReport>;

    /// What is loaded of the models; nothing where nobody keeps account.
    fn memory(&self) -> wire::ModelMemory {
        wire::ModelMemory::default()
    }

    /// Devices that models may run on, and those that cannot be used, with the reason.
    fn devices(&self) -> Vec<wire::Device> {
        Vec::new()
    }

    /// The replicas of every version that has a scorer and is live.
    fn replicas(&self) -> Vec<LiveReplicas> {
        Vec::new()
    }
}

/// The replicas of one version at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveReplicas {
    /// The service.
    pub service: ServiceName,
    /// The version.
    pub version: Arc<str>,
    /// Handling a request.
    pub busy: u64,
    /// Waiting for one.
    pub idle: u64,
    /// Being made.
    pub creating: u64,
    /// As many as the autoscaler asks for.
    pub wanted: u64,
    /// As many as the host allows at the moment.
    pub allowed: u64,
}

/// What one version did since the host started.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionReport {
    /// The version.
    pub version: Arc<str>,
    /// Requests answered; copies made for a shadow version count as its own.
    pub succeeded: u64,
    /// Requests failed, by kind; kinds that did not occur are absent.
    pub failed: Vec<(ErrorKind, u64)>,
    /// Requests whose callers went away.
    pub cancelled: u64,
    /// From admission to answer, of the requests answered; `None` where there was none.
    pub latency: Option<Latency>,
    /// How its answers to copies differ from those that the callers got, by the version that answered them.
    pub differences: Vec<Difference>,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// On average.
    pub mean: Duration,
    /// At most, of half of them.
    pub p50: Duration,
    /// At most, of 95 in 100.
    pub p95: Duration,
    /// At most, of 99 in 100.
    pub p99: Duration,
}

/// How a shadow version's answers differ from those of a version that answered callers.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The version that answered.
    pub with: Arc<str>,
    /// Copies sent; those whose original failed are compared with nothing.
    pub copied: u64,
    /// Copies not sent because too many were under way.
    pub dropped: u64,
    /// Answers that are the same.
    pub equal: u64,
    /// Answers that are not.
    pub differing: u64,
    /// Copies without an answer whose originals had one.
    pub failed: u64,
    /// The largest absolute difference of two numbers; `None` where none of the differing answers compares by numbers.
    pub largest: Option<f64>,
    /// The largest absolute difference within an answer, on average.
    pub mean: Option<f64>,
}
