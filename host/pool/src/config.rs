//! Bounds of a pool.

use std::time::Duration;

use scorehost_core::ServiceSpec;

/// How many replicas there are and how callers wait for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Replicas kept alive while idle; 0 lets a pool be empty.
    pub min: usize,
    /// Replicas at most; at least 1.
    pub max: usize,
    /// Callers that wait at once.
    pub max_queue: usize,
    /// Longest wait of a caller.
    pub max_queue_wait: Duration,
    /// Pause after a failed creation; doubles with each further one.
    pub first_back_off: Duration,
    /// Longest pause after failed creations.
    pub max_back_off: Duration,
}

impl PoolConfig {
    /// The bounds of a deployment. A replica handles one call at a time, so a deployment's replica that handles several
    /// requests is as many replicas here.
    #[must_use]
    pub fn of(spec: &ServiceSpec) -> Self {
        let (admission, scaling) = (&spec.admission, &spec.scaling);
        let each = admission.requests_per_replica.max(1) as usize;
        let max = (scaling.max.max(1) as usize).saturating_mul(each);
        Self {
            min: (scaling.min as usize).saturating_mul(each).min(max),
            max,
            max_queue: admission.max_queue as usize,
            max_queue_wait: admission.max_queue_wait,
            ..Self::default()
        }
    }
}

impl Default for PoolConfig {
    /// 1 to 10 replicas, 1000 callers waiting up to 500 ms, pauses of 100 ms to 30 s.
    fn default() -> Self {
        Self {
            min: 1,
            max: 10,
            max_queue: 1000,
            max_queue_wait: Duration::from_millis(500),
            first_back_off: Duration::from_millis(100),
            max_back_off: Duration::from_secs(30),
        }
    }
}
