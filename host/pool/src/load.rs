//! What a pool did over time, for whoever decides how many replicas there should be.

use std::time::{Duration, Instant};

use crate::PoolSignals;

/// What a pool is doing, and what it did since the last reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolLoad {
    /// At this moment.
    pub now: PoolSignals,
    /// Time that all replicas spent on calls since the pool was made, the calls under way included. The difference of two
    /// readings, divided by the time between them, is the number of busy replicas on average.
    pub busy_time: Duration,
    /// Calls and callers in line at the same time, at most since the last reading.
    pub peak: usize,
    /// Bytes that the largest replica held so far.
    pub replica_bytes: u64,
}

/// Counts as calls begin and end, in whatever order their moments arrive.
pub(crate) struct Meter {
    origin: Instant,
    /// Ends minus beginnings of all calls, in nanoseconds since the origin; a call under way lacks its end.
    sum: i128,
    peak: usize,
    replica_bytes: u64,
}

impl Meter {
    pub(crate) const fn new(origin: Instant) -> Self {
        Self { origin, sum: 0, peak: 0, replica_bytes: 0 }
    }

    pub(crate) fn began(&mut self, at: Instant) {
        self.sum -= self.since(at);
    }

    pub(crate) fn ended(&mut self, at: Instant) {
        self.sum += self.since(at);
    }

    /// So many calls run or wait.
    pub(crate) const fn loaded(&mut self, load: usize) {
        if load > self.peak {
            self.peak = load;
        }
    }

    /// A replica holds so many bytes.
    pub(crate) const fn holds(&mut self, bytes: u64) {
        if bytes > self.replica_bytes {
            self.replica_bytes = bytes;
        }
    }

    /// Reads everything; the peak begins anew.
    pub(crate) fn read(&mut self, now: PoolSignals, at: Instant) -> PoolLoad {
        let under_way = self.since(at) * now.busy as i128;
        let busy_time = Duration::from_nanos(u64::try_from(self.sum + under_way).unwrap_or_default());
        let peak = std::mem::replace(&mut self.peak, now.busy + now.queued);
        PoolLoad { now, busy_time, peak, replica_bytes: self.replica_bytes }
    }

    fn since(&self, at: Instant) -> i128 {
        at.saturating_duration_since(self.origin).as_nanos() as i128
    }
}
