//! What is counted of calls that run together.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::histogram::{Histogram, HistogramSnapshot};

/// Upper ends of the sizes' buckets: 1, 2, 4 … 1024 calls; the last bucket has no end.
const SIZES: usize = 12;

/// What the calls of one run have apart, the widest of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mixed {
    /// Nothing but the request: one version of a service without a scorer.
    Requests,
    /// The replica: sandboxes of one version.
    Replicas,
    /// The version of one service.
    Versions,
    /// The service.
    Services,
}

impl Mixed {
    /// All, in declaration order.
    pub const ALL: [Self; 4] = [Self::Requests, Self::Replicas, Self::Versions, Self::Services];

    /// The metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Replicas => "replicas",
            Self::Versions => "versions",
            Self::Services => "services",
        }
    }
}

/// Why a batch was taken apart and its calls run one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Apart {
    /// The run failed.
    Failed,
    /// An output has not a row for every row of the inputs.
    Rows,
}

impl Apart {
    /// All, in declaration order.
    pub const ALL: [Self; 2] = [Self::Failed, Self::Rows];

    /// The metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Rows => "rows",
        }
    }
}

/// The counters of one loaded model. Recording takes no lock; runs on the callers' own threads are not recorded.
pub struct BatchStatistics {
    model: String,
    sizes: [AtomicU64; SIZES],
    calls: AtomicU64,
    rows: AtomicU64,
    mixed: [AtomicU64; Mixed::ALL.len()],
    apart: [AtomicU64; Apart::ALL.len()],
    waits: Histogram,
    limit: AtomicU64,
}

impl BatchStatistics {
    /// Counters at zero for the model of that name.
    #[must_use]
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            sizes: Default::default(),
            calls: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            mixed: Default::default(),
            apart: Default::default(),
            waits: Histogram::default(),
            limit: AtomicU64::new(0),
        }
    }

    /// Counts a run of so many calls and rows; `mixed` where there were several calls.
    pub fn ran(&self, calls: u64, rows: u64, mixed: Option<Mixed>) {
        let bucket = calls.max(1).next_power_of_two().trailing_zeros() as usize;
        self.sizes[bucket.min(SIZES - 1)].fetch_add(1, Relaxed);
        self.calls.fetch_add(calls, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
        if let Some(mixed) = mixed {
            self.mixed[mixed as usize].fetch_add(1, Relaxed);
        }
    }

    /// Counts a batch that was taken apart.
    pub fn taken_apart(&self, why: Apart) {
        self.apart[why as usize].fetch_add(1, Relaxed);
    }

    /// Counts a call's wait for a worker.
    pub fn waited(&self, wait: Duration) {
        self.waits.record(wait);
    }

    /// Notes the rows that one run may have at the moment.
    pub fn limited_to(&self, rows: u64) {
        self.limit.store(rows, Relaxed);
    }

    /// The sums so far.
    #[must_use]
    pub fn snapshot(&self) -> BatchesSnapshot {
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        let mut waits = HistogramSnapshot::default();
        self.waits.add_to(&mut waits);
        BatchesSnapshot {
            model: self.model.clone(),
            sizes: self.sizes.iter().map(load).collect(),
            calls: load(&self.calls),
            rows: load(&self.rows),
            mixed: Mixed::ALL.map(|mixed| load(&self.mixed[mixed as usize])),
            apart: Apart::ALL.map(|apart| load(&self.apart[apart as usize])),
            waits,
            limit: load(&self.limit),
        }
    }
}

/// Counters of one loaded model at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchesSnapshot {
    /// `name:version` under which it was loaded first.
    pub model: String,
    /// Runs by calls: at most 1, 2, 4 …; the last entry has no end.
    pub sizes: Vec<u64>,
    /// Calls that ran on a worker.
    pub calls: u64,
    /// Their rows; a call that cannot be merged counts as one.
    pub rows: u64,
    /// Runs of several calls, by [`Mixed`].
    pub mixed: [u64; Mixed::ALL.len()],
    /// Batches taken apart, by [`Apart`].
    pub apart: [u64; Apart::ALL.len()],
    /// Waits for a worker.
    pub waits: HistogramSnapshot,
    /// Rows that one run may have at the moment; 0 before the first.
    pub limit: u64,
}

impl BatchesSnapshot {
    /// Runs.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.sizes.iter().sum()
    }

    /// Adds what another model of the same name counted.
    pub fn merge(&mut self, other: &Self) {
        self.sizes.resize(self.sizes.len().max(other.sizes.len()), 0);
        self.sizes.iter_mut().zip(&other.sizes).for_each(|(sum, count)| *sum += count);
        self.calls += other.calls;
        self.rows += other.rows;
        self.mixed.iter_mut().zip(other.mixed).for_each(|(sum, count)| *sum += count);
        self.apart.iter_mut().zip(other.apart).for_each(|(sum, count)| *sum += count);
        self.waits.merge(&other.waits);
        self.limit = self.limit.max(other.limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_by_calls_and_by_what_they_mix() {
        let counted = BatchStatistics::new("m:1");
        for (calls, mixed) in
            [(1, None), (2, Some(Mixed::Replicas)), (3, Some(Mixed::Services)), (5000, Some(Mixed::Services))]
        {
            counted.ran(calls, calls * 2, mixed);
        }
        counted.taken_apart(Apart::Rows);
        counted.waited(Duration::from_millis(2));
        let snapshot = counted.snapshot();
        assert_eq!((snapshot.sizes[..3].to_vec(), snapshot.sizes[SIZES - 1]), (vec![1, 1, 1], 1));
        assert_eq!((snapshot.runs(), snapshot.calls, snapshot.rows), (4, 5006, 10012));
        assert_eq!((snapshot.mixed, snapshot.apart, snapshot.waits.count()), ([0, 1, 0, 2], [0, 1], 1));
        let mut sum = snapshot.clone();
        sum.merge(&snapshot);
        assert_eq!((sum.runs(), sum.mixed, sum.waits.count()), (8, [0, 2, 0, 4], 2));
    }
}
