//! How long repeated work takes, by size of its input.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Sizes are grouped by powers of two; everything above 2^31 bytes shares the last group.
const GROUPS: usize = 33;
/// No run yet.
const UNSEEN: u32 = 0;
/// One run, whose time is not kept: the first one allocates and warms caches.
const WARMED: u32 = 1;
/// One new measurement counts 1/8, and at most this many times the average before it, so that a single run that the
/// operating system interrupted does not move the average far.
const OUTLIER: u64 = 8;
/// Averages below this are treated as this when outliers are cut, in nanoseconds.
const FLOOR: u64 = 10_000;

/// A running average of the time that one piece of work takes, per power of two of its input's bytes.
///
/// Lock-free; concurrent records may overwrite each other, which loses a measurement and nothing else.
#[derive(Debug)]
pub struct CostEstimate {
    groups: [AtomicU32; GROUPS],
}

impl Default for CostEstimate {
    fn default() -> Self {
        Self { groups: [const { AtomicU32::new(UNSEEN) }; GROUPS] }
    }
}

impl CostEstimate {
    /// The average for inputs of about `bytes`; `None` until two runs of that size are recorded.
    #[must_use]
    pub fn expected(&self, bytes: usize) -> Option<Duration> {
        let average = self.group(bytes).load(Relaxed);
        (average > WARMED).then(|| Duration::from_nanos(average.into()))
    }

    /// Whether work on `bytes` is known to take at most `limit`. Unmeasured work is not.
    #[must_use]
    pub fn within(&self, bytes: usize, limit: Duration) -> bool {
        self.expected(bytes).is_some_and(|cost| cost <= limit)
    }

    /// Records that work on `bytes` took `took`.
    pub fn record(&self, bytes: usize, took: Duration) {
        let group = self.group(bytes);
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let average = match group.load(Relaxed) {
            UNSEEN => u64::from(WARMED),
            WARMED => took.max(2),
            known => next(known.into(), took),
        };
        group.store(u32::try_from(average).unwrap_or(u32::MAX), Relaxed);
    }

    fn group(&self, bytes: usize) -> &AtomicU32 {
        let index = (usize::BITS - bytes.leading_zeros()) as usize;
        &self.groups[index.min(GROUPS - 1)]
    }
}

fn next(average: u64, took: u64) -> u64 {
    let took = took.min(OUTLIER * average.max(FLOOR));
    // Rounds up, so that an average can rise from the smallest values.
    ((average * 7 + took).div_ceil(8)).max(2)
}

#[cfg(test)]
mod tests;
