//! How durations are distributed: fixed buckets that many threads count into without a lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

mod snapshot;

pub use snapshot::HistogramSnapshot;

/// Buckets of every histogram: one per microsecond below 4 µs, then four per power of two up to 2^27 µs (134 s), then the rest.
pub(crate) const BUCKETS: usize = 4 + 4 * 25 + 1;

/// Counts of durations by bucket. A bucket is at most a quarter as wide as its lower end.
pub struct Histogram {
    counts: [AtomicU64; BUCKETS],
    nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BUCKETS], nanos: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration: two additions to memory.
    pub fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos / 1000)].fetch_add(1, Relaxed);
        self.nanos.fetch_add(nanos, Relaxed);
    }

    /// Adds what was counted so far to `sum`.
    pub fn add_to(&self, sum: &mut HistogramSnapshot) {
        sum.add(self.counts.iter().map(|count| count.load(Relaxed)), self.nanos.load(Relaxed));
    }
}

/// The bucket of a duration in whole microseconds.
pub(crate) const fn bucket(micros: u64) -> usize {
    if micros < 4 {
        return micros as usize;
    }
    let exponent = u64::BITS - 1 - micros.leading_zeros();
    if exponent > 26 {
        return BUCKETS - 1;
    }
    let quarter = (micros >> (exponent - 2)) & 3;
    (4 + (exponent - 2) * 4) as usize + quarter as usize
}

/// The lower end of a bucket in microseconds; that of the next one is its upper end.
pub(crate) const fn lower(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (exponent, quarter) = ((bucket - 4) / 4, (bucket - 4) % 4);
    (4 + quarter as u64) << exponent
}

#[cfg(test)]
mod tests;
