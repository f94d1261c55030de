//! A service as the workers see it: its share of them, and how its line moves.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::order::{Flow, virtual_time};
use scorehost_core::{DeviceKind, ServiceName};
use scorehost_telemetry::{Mixed, ServiceStatistics, Typical};

/// Who calls a model.
#[derive(Clone)]
pub struct Caller {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: Arc<str>,
    /// Whether calls come from replicas of a scorer, each of which has one call at a time.
    pub replicas: bool,
    /// The version's counters; `None` counts nothing.
    pub statistics: Option<Arc<ServiceStatistics>>,
}

/// One deployment of a model as a caller: models of one service share its flow, and with it its line and its share.
pub(crate) struct Customer {
    pub(crate) flow: Arc<Flow>,
    /// Nobody in particular for graphs that a guest brought along.
    caller: Option<Caller>,
    weight: u32,
    /// How long a call waits for each place of its customer's line.
    pace: Typical,
}

impl Customer {
    pub(crate) fn new(flow: Arc<Flow>, weight: u32, caller: Option<Caller>) -> Arc<Self> {
        Arc::new(Self { flow, caller, weight, pace: Typical::default() })
    }

    /// Counts the time of a run.
    pub(crate) fn charge(&self, took: Duration) {
        self.flow.charge(took, self.weight);
    }

    /// Virtual time of `took`.
    pub(crate) fn price(&self, took: Duration) -> u64 {
        virtual_time(took, self.weight)
    }

    /// A call that had so many of its own service `ahead` came to its turn.
    pub(crate) fn moved_on(&self, waited: Duration, ahead: usize) {
        self.pace.record(waited / u32::try_from(ahead + 1).unwrap_or(u32::MAX));
    }

    /// How long a call with so many `ahead` waits. The first one never knows: that it is served is how the pace is learnt.
    pub(crate) fn expected_wait(&self, ahead: usize) -> Option<Duration> {
        let places = u32::try_from(ahead + 1).unwrap_or(u32::MAX);
        if ahead == 0 { None } else { Some(self.pace.mean()?.saturating_mul(places)) }
    }

    /// What two calls in one run have apart.
    pub(crate) fn mixed_with(&self, other: &Self) -> Mixed {
        match (&self.caller, &other.caller) {
            (Some(one), Some(two)) if one.service != two.service => Mixed::Services,
            (Some(one), Some(two)) if one.version != two.version => Mixed::Versions,
            (Some(one), _) if one.replicas => Mixed::Replicas,
            _ => Mixed::Requests,
        }
    }

    /// The counters of a version whose executions the model's runs are: of one without a scorer.
    pub(crate) fn statistics(&self) -> Option<&Arc<ServiceStatistics>> {
        self.caller.as_ref().filter(|caller| !caller.replicas)?.statistics.as_ref()
    }

    /// Counts the part of a run on a device that is this customer's.
    pub(crate) fn occupied(&self, device: DeviceKind, time: Duration) {
        if let Some(statistics) = self.caller.as_ref().and_then(|caller| caller.statistics.as_ref()) {
            statistics.occupied(device, time);
        }
    }
}
