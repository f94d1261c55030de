//! A limit on requests per second: a bucket that holds one second of them, kept as the time at which it is full again.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many requests come in a second on average; one second of them may come at once. Taking one takes no lock.
///
/// The generic cell rate algorithm (ITU-T I.371): each request moves the moment at which the bucket is full by one interval.
pub(crate) struct Rate {
    start: Instant,
    /// Nanoseconds from `start` to the moment at which the bucket is full.
    full_at: AtomicU64,
    interval: u64,
    /// How far that moment may lie ahead: one second, or one request where that is more.
    depth: u64,
}

impl Rate {
    /// A full bucket; `None` where the rate is no positive number.
    pub(crate) fn new(per_second: f64, start: Instant) -> Option<Self> {
        if per_second.is_nan() || per_second <= 0.0 {
            return None;
        }
        // The cast saturates: a rate beyond 1e9 is none, one below 1e-9 is one request in 584 years.
        let interval = (1e9 / per_second) as u64;
        Some(Self { start, full_at: AtomicU64::new(0), interval, depth: interval.max(1_000_000_000) })
    }

    /// Takes one request out of the bucket, or tells after which time there is one.
    pub(crate) fn take(&self, now: Instant) -> Result<(), Duration> {
        let now = u64::try_from(now.saturating_duration_since(self.start).as_nanos()).unwrap_or(u64::MAX);
        let after = |full_at: u64| full_at.max(now).saturating_add(self.interval);
        let fits = |full_at| Some(after(full_at)).filter(|next| *next - now <= self.depth);
        match self.full_at.fetch_update(Relaxed, Relaxed, fits) {
            Ok(_) => Ok(()),
            Err(full_at) => Err(Duration::from_nanos(after(full_at) - now - self.depth)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `asked` requests at each moment (in milliseconds) are taken.
    fn taken(per_second: f64, asked: usize, moments: &[u64]) -> Vec<usize> {
        let start = Instant::now();
        let Some(rate) = Rate::new(per_second, start) else { return vec![] };
        let at =
            |millis: &u64| (0..asked).filter(|_| rate.take(start + Duration::from_millis(*millis)).is_ok()).count();
        moments.iter().map(at).collect()
    }

    #[test]
    fn a_second_of_requests_may_come_at_once_and_then_at_the_rate() {
        assert_eq!(taken(10.0, 100, &[0, 50, 100, 350, 1350, 60_000]), [10, 0, 1, 2, 10, 10]);
        assert_eq!(taken(1000.0, 5000, &[0, 1, 3, 2000]), [1000, 1, 2, 1000]);
    }

    #[test]
    fn a_rate_below_one_a_second_lets_one_through_at_a_time() {
        assert_eq!(taken(0.1, 5, &[0, 9_999, 10_000, 60_000]), [1, 0, 1, 1]);
    }

    #[test]
    fn nonsense_is_no_limit() {
        assert!(
            taken(0.0, 1, &[0]).is_empty() && taken(f64::NAN, 1, &[0]).is_empty() && taken(-1.0, 1, &[0]).is_empty()
        );
        assert_eq!(taken(f64::INFINITY, 5000, &[0]), [5000]);
    }

    #[test]
    fn the_next_moment_is_told() {
        let start = Instant::now();
        let rate = Rate::new(4.0, start);
        let take = |millis| rate.as_ref().map(|rate| rate.take(start + Duration::from_millis(millis)));
        (0..4).for_each(|_| assert_eq!(take(0), Some(Ok(()))));
        assert_eq!(take(0), Some(Err(Duration::from_millis(250))));
        assert_eq!(take(200), Some(Err(Duration::from_millis(50))));
        assert_eq!(take(250), Some(Ok(())));
    }
}
