//! How many requests a service handles, and what became of each.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use scorehost_core::{Clock, Failure};
use scorehost_telemetry::{ServiceStatistics, Timing};

/// Requests being handled, against a bound.
#[derive(Debug)]
pub(crate) struct InFlight {
    count: AtomicUsize,
    max: usize,
}

impl InFlight {
    pub(crate) const fn new(max: usize) -> Self {
        Self { count: AtomicUsize::new(0), max }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// A place among the requests being handled; the number of them where there is none left.
    fn enter(&self) -> Result<(), usize> {
        let before = self.count.fetch_add(1, Relaxed);
        if before < self.max {
            return Ok(());
        }
        self.leave();
        Err(before)
    }

    fn leave(&self) {
        self.count.fetch_sub(1, Relaxed);
    }
}

/// One request being handled. It is counted as cancelled unless it is finished.
pub(crate) struct Admitted<'a> {
    in_flight: &'a InFlight,
    statistics: &'a ServiceStatistics,
    clock: &'a dyn Clock,
    start: Instant,
    pub(crate) queued: Duration,
    finished: bool,
}

impl<'a> Admitted<'a> {
    /// Admits a request, or tells how many are being handled.
    pub(crate) fn enter(
        in_flight: &'a InFlight,
        statistics: &'a ServiceStatistics,
        clock: &'a dyn Clock,
    ) -> Result<Self, usize> {
        in_flight.enter()?;
        let (start, queued) = (clock.now(), Duration::ZERO);
        Ok(Self { in_flight, statistics, clock, start, queued, finished: false })
    }

    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// Counts the outcome.
    pub(crate) fn finish<T>(mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        self.finished = true;
        let now = self.clock.now();
        let took = now.saturating_duration_since(self.start);
        match &outcome {
            Ok(_) => {
                let compute_infer = took.saturating_sub(self.queued);
                let timing = Timing { queue: self.queued, compute_infer, ..Timing::default() };
                self.statistics.succeeded(now, timing);
            }
            Err(failure) => self.statistics.failed(failure.kind, took),
        }
        outcome
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.in_flight.leave();
        if !self.finished {
            self.statistics.cancelled();
        }
    }
}
