//! What a version of a service has a right to.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::order::Flow;
use scorehost_telemetry::ServiceStatistics;

/// Whom the time of a call is charged to, and at which weight.
#[derive(Clone)]
pub(crate) struct Share {
    pub(crate) flow: Arc<Flow>,
    pub(crate) weight: u32,
    /// Where the time of a scorer is counted; `None` for a service without one.
    pub(crate) statistics: Option<Arc<ServiceStatistics>>,
}

impl Share {
    /// Counts time against the service's share.
    pub(crate) fn charge(&self, took: Duration) {
        self.flow.charge(took, self.weight);
    }

    /// Counts time in the service's statistics, at once: a call that is stopped has used it, too.
    pub(crate) fn count(&self, took: Duration) {
        if let Some(statistics) = &self.statistics {
            statistics.computed(took);
        }
    }
}
