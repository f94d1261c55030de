//! A histogram read at one moment.

use std::time::Duration;

use super::{BUCKETS, bucket, lower};

/// Durations counted so far, by bucket. Snapshots of several threads, versions or hosts can be merged, and the difference of
/// two snapshots of one histogram is what happened in between.
#[derive(Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    counts: Box<[u64; BUCKETS]>,
    nanos: u64,
}

impl Default for HistogramSnapshot {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), nanos: 0 }
    }
}

impl std::fmt::Debug for HistogramSnapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HistogramSnapshot").field("count", &self.count()).field("nanos", &self.nanos).finish()
    }
}

impl HistogramSnapshot {
    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos)
    }

    /// Their mean; `None` where there are none.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        Some(Duration::from_nanos(self.nanos.checked_div(self.count())?))
    }

    /// The duration that a part `q` (0-1) of all stays below, interpolated within its bucket, so that it is off by an eighth
    /// at most on a smooth distribution; `None` where nothing was counted. Durations above 134 s read as 134 s.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * count as f64).max(f64::MIN_POSITIVE);
        let mut below = 0.0;
        for (bucket, counted) in self.counts.iter().enumerate() {
            let within = *counted as f64;
            if within > 0.0 && below + within >= rank {
                return Some(between(bucket, (rank - below) / within));
            }
            below += within;
        }
        Some(Duration::from_micros(lower(BUCKETS - 1)))
    }

    /// Durations below `micros`, which must be the lower end of a bucket (such as a power of two).
    #[must_use]
    pub fn below(&self, micros: u64) -> u64 {
        self.counts[..bucket(micros)].iter().sum()
    }

    /// Adds what another snapshot counted.
    pub fn merge(&mut self, other: &Self) {
        self.add(other.counts.iter().copied(), other.nanos);
    }

    /// What was counted since an `earlier` snapshot of the same histogram.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts.clone();
        counts.iter_mut().zip(earlier.counts.iter()).for_each(|(now, then)| *now = now.saturating_sub(*then));
        Self { counts, nanos: self.nanos.saturating_sub(earlier.nanos) }
    }

    pub(super) fn add(&mut self, counts: impl Iterator<Item = u64>, nanos: u64) {
        self.counts.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        self.nanos += nanos;
    }
}

/// The duration at `part` (0-1) of a bucket's width.
fn between(bucket: usize, part: f64) -> Duration {
    let low = lower(bucket);
    let high = if bucket + 1 < BUCKETS { lower(bucket + 1) } else { low };
    Duration::from_nanos(((low as f64 + part * (high - low) as f64) * 1e3) as u64)
}
