//! A service as the workers see it: its share of them, and how its line moves.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::order::Flow;
use scorehost_telemetry::Typical;

/// One deployment of a model as a caller: models of one service share its flow, and with it its line and its share.
#[derive(Debug)]
pub(crate) struct Customer {
    pub(crate) flow: Arc<Flow>,
    weight: u32,
    /// How long a call waits for each place of its customer's line.
    pace: Typical,
}

impl Customer {
    pub(crate) fn new(flow: Arc<Flow>, weight: u32) -> Arc<Self> {
        Arc::new(Self { flow, weight, pace: Typical::default() })
    }

    /// Counts the time of a run.
    pub(crate) fn charge(&self, took: Duration) {
        self.flow.charge(took, self.weight);
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
}
