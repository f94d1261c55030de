//! How long something usually takes, and how much that varies.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One measurement counts at most this many times the average before it, so that an endless loop among quick calls does
/// not make all of them look hopeless.
const OUTLIER: u64 = 4;
/// Averages below this are treated as this when outliers are cut, in nanoseconds.
const FLOOR: u64 = 1_000_000;

/// A running average and mean deviation of a duration, as RFC 6298 keeps them of round trips.
///
/// Lock-free; concurrent records may overwrite each other, which loses a measurement and nothing else.
#[derive(Debug, Default)]
pub struct Typical {
    /// Nanoseconds; 0 before the first measurement.
    mean: AtomicU64,
    deviation: AtomicU64,
}

impl Typical {
    /// Takes in one measurement.
    pub fn record(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1);
        let mean = self.mean.load(Relaxed);
        if mean == 0 {
            self.mean.store(took, Relaxed);
            self.deviation.store(took / 2, Relaxed);
            return;
        }
        let took = took.min(OUTLIER * mean.max(FLOOR));
        let deviation = self.deviation.load(Relaxed);
        self.deviation.store((3 * deviation + took.abs_diff(mean)) / 4, Relaxed);
        self.mean.store(((7 * mean + took) / 8).max(1), Relaxed);
    }

    /// The average; `None` before the first measurement.
    #[must_use]
    pub fn mean(&self) -> Option<Duration> {
        let mean = self.mean.load(Relaxed);
        (mean > 0).then(|| Duration::from_nanos(mean))
    }

    /// What most are within: the average and twice the deviation; `None` before the first measurement.
    #[must_use]
    pub fn likely(&self) -> Option<Duration> {
        self.mean().map(|mean| mean + 2 * Duration::from_nanos(self.deviation.load(Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Typical {
        let typical = Typical::default();
        millis.into_iter().for_each(|millis| typical.record(Duration::from_millis(millis)));
        typical
    }

    #[test]
    fn nothing_is_known_before_the_first() {
        assert_eq!((of([]).mean(), of([]).likely()), (None, None));
        assert_eq!(of([10]).mean(), Some(Duration::from_millis(10)));
        assert_eq!(of([10]).likely(), Some(Duration::from_millis(20)));
    }

    #[test]
    fn steady_work_is_likely_to_take_its_average() {
        let steady = of([10; 50]);
        assert_eq!(steady.mean(), Some(Duration::from_millis(10)));
        assert!(steady.likely().is_some_and(|likely| likely < Duration::from_micros(10_001)), "{steady:?}");
    }

    #[test]
    fn varying_work_is_likely_to_take_more() {
        let varying = of([5, 15].repeat(50));
        let (mean, likely) = (varying.mean().unwrap_or_default(), varying.likely().unwrap_or_default());
        assert!(mean > Duration::from_millis(9) && mean < Duration::from_millis(11), "{mean:?}");
        assert!(likely > Duration::from_millis(18) && likely < Duration::from_millis(24), "{likely:?}");
    }

    #[test]
    fn one_endless_loop_moves_the_average_by_little_and_a_change_by_much() {
        let looped = of([10; 20].into_iter().chain([60_000]));
        assert!(looped.mean().is_some_and(|mean| mean < Duration::from_millis(15)), "{looped:?}");
        let slower = of([10; 20].into_iter().chain([100; 40]));
        assert!(slower.mean().is_some_and(|mean| mean > Duration::from_millis(95)), "{slower:?}");
    }
}
