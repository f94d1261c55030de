//! How calls of models are merged.

use std::time::Duration;

/// How calls of a deployment's models are merged into one run. What is `None` or empty is left to the model's own configuration, and
/// where that says nothing either, to the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batching {
    /// Whether calls are merged at all.
    pub enabled: Option<bool>,
    /// Whether calls of this version of the service are kept apart from those of all others.
    pub isolated: bool,
    /// Rows of one run at most; a call with more runs alone.
    pub max_size: Option<u32>,
    /// How long a call waits for others although a worker is free.
    pub max_delay: Option<Duration>,
    /// Sizes in rows that are preferred to others, ascending.
    pub preferred: Vec<u32>,
    /// Wait and run together should take at most this long: batches are made smaller where they would take longer.
    pub latency_target: Option<Duration>,
}
