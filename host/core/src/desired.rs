//! What should run: the one description that `control` writes and the rooms below realise.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Digest, ModelId, ServiceName};

/// A service as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceSpec {
    /// The service's name.
    pub name: ServiceName,
    /// The component that handles requests; `None` for a no-code service, which answers with its only model.
    pub scorer: Option<ScorerRef>,
    /// Models given to the scorer, or the one model of a no-code service.
    pub models: Vec<ModelRef>,
    /// Variables that the scorer can read.
    pub variables: BTreeMap<String, String>,
    /// How many requests run and wait, and for how long.
    pub admission: Admission,
    /// What the sandbox may use.
    pub grants: Grants,
    /// Whether collected data and payloads are stored.
    pub collect: bool,
}

/// A stored component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScorerRef {
    /// SHA-256 of the component's bytes.
    pub component: Digest,
}

/// A registered model, and the file that is its graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelRef {
    /// Name and version.
    pub id: ModelId,
}

/// How a service takes requests in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Admission {
    /// Replicas kept alive; at least 1.
    pub min_replicas: u32,
    /// Replicas at most.
    pub max_replicas: u32,
    /// Requests that one replica handles at a time.
    pub requests_per_replica: u32,
    /// Longest time in the queue before a request is refused.
    pub max_queue_wait: Duration,
    /// Requests that may wait at once.
    pub max_queue: u32,
    /// Longest time of one scoring call, after which the guest is stopped.
    pub scoring_timeout: Duration,
}

impl Default for Admission {
    /// The defaults of `deploymentconfig.json`: 1-10 replicas, 1 request each, 500 ms in the queue, 60 s of scoring.
    fn default() -> Self {
        Self {
            min_replicas: 1,
            max_replicas: 10,
            requests_per_replica: 1,
            max_queue_wait: Duration::from_millis(500),
            max_queue: 1000,
            scoring_timeout: Duration::from_secs(60),
        }
    }
}

/// What the sandbox of a scorer may use. The default grants nothing but memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grants {
    /// Linear memory of one replica, in bytes.
    pub memory_bytes: u64,
    /// The machine's clocks; otherwise the guest's clock stands still.
    pub clock: bool,
    /// Real randomness; otherwise the same seed in every replica.
    pub random: bool,
}

impl Default for Grants {
    /// 512 MiB (`memoryInGB` 0.5), no clock, no randomness.
    fn default() -> Self {
        Self { memory_bytes: 512 << 20, clock: false, random: false }
    }
}
