//! How many requests a service handles, how many a second it takes, and what became of each.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use scorehost_core::{Clock, Failure};
use scorehost_telemetry::{ServiceStatistics, Timing, Typical};

mod rate;

pub(crate) use rate::Rate;

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

/// What the requests of one version of a service are held against.
pub(crate) struct Gate {
    pub(crate) in_flight: InFlight,
    pub(crate) rate: Option<Rate>,
    /// From the moment a request has what it waited for to its answer.
    pub(crate) stay: Typical,
}

/// Why a request is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// So many are being handled.
    TooMany(usize),
    /// More came than may come in a second; the next may come after this time.
    TooFast(Duration),
}

/// One request being handled. It is counted as cancelled unless it is finished.
pub(crate) struct Admitted<'a> {
    gate: &'a Gate,
    statistics: &'a ServiceStatistics,
    clock: &'a dyn Clock,
    start: Instant,
    pub(crate) queued: Duration,
    /// Whether it came to a replica or model.
    pub(crate) served: bool,
    finished: bool,
}

impl<'a> Admitted<'a> {
    /// Admits a request, or tells why not.
    pub(crate) fn enter(
        gate: &'a Gate,
        statistics: &'a ServiceStatistics,
        clock: &'a dyn Clock,
    ) -> Result<Self, Refused> {
        gate.in_flight.enter().map_err(Refused::TooMany)?;
        let (start, queued) = (clock.now(), Duration::ZERO);
        let admitted = Self { gate, statistics, clock, start, queued, served: false, finished: false };
        match gate.rate.as_ref().map_or(Ok(()), |rate| rate.take(start)) {
            Ok(()) => Ok(admitted),
            Err(after) => {
                admitted.refused();
                Err(Refused::TooFast(after))
            }
        }
    }

    pub(crate) const fn start(&self) -> Instant {
        self.start
    }

    /// Whether no other request of the service is being handled. Such a one is never refused for what is expected of it,
    /// or else a wrong expectation would never be put right.
    pub(crate) fn alone(&self) -> bool {
        self.gate.in_flight.count() <= 1
    }

    fn refused(mut self) {
        self.finished = true;
    }

    /// Counts the outcome.
    pub(crate) fn finish<T>(mut self, outcome: Result<T, Failure>) -> Result<T, Failure> {
        self.finished = true;
        let now = self.clock.now();
        let took = now.saturating_duration_since(self.start);
        let stayed = took.saturating_sub(self.queued);
        if self.served {
            self.gate.stay.record(stayed);
        }
        match &outcome {
            Ok(_) => {
                let timing = Timing { queue: self.queued, compute_infer: stayed, ..Timing::default() };
                self.statistics.succeeded(now, timing);
            }
            Err(failure) => self.statistics.failed(failure.kind, took),
        }
        outcome
    }
}

impl Drop for Admitted<'_> {
    fn drop(&mut self) {
        self.gate.in_flight.leave();
        if !self.finished {
            self.statistics.cancelled();
        }
    }
}
