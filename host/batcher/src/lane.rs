//! One graph: what its runs cost, whoever calls it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::{Clock, Deadline, Failure, Graph, NamedTensor, NamedTensors, NamedValue};
use scorehost_telemetry::{BatchStatistics, CostEstimate, Typical};

use crate::call::{Answer, Mergeable, Wanted};
use crate::config::{BatchConfig, RowsFrom};
use crate::curve::{Bounds, CostCurve};
use crate::rows;

/// A graph, and what its runs cost, whoever calls it.
pub(crate) struct Lane {
    graph: Arc<dyn Graph>,
    clock: Arc<dyn Clock>,
    /// Time of a run by size of its inputs, which decides where it runs.
    cost: CostEstimate,
    /// Time of a run of one call, which decides whether it still can end in time.
    takes: Typical,
    /// Time of a run by its rows, for each power of two of a row's bytes: rows of other widths cost something else.
    curves: Mutex<BTreeMap<u32, CostCurve>>,
    /// Rows of one run at most, as the graph itself has shown: fewer than it failed at as a batch and not call by call.
    most_rows: AtomicU64,
    statistics: Arc<BatchStatistics>,
}

impl Lane {
    pub(crate) fn new(graph: Arc<dyn Graph>, clock: Arc<dyn Clock>, name: impl Into<String>) -> Self {
        Self {
            graph,
            clock,
            cost: CostEstimate::default(),
            takes: Typical::default(),
            curves: Mutex::default(),
            most_rows: AtomicU64::new(u64::MAX),
            statistics: Arc::new(BatchStatistics::new(name)),
        }
    }

    pub(crate) fn graph(&self) -> &dyn Graph {
        &*self.graph
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) const fn cost(&self) -> &CostEstimate {
        &self.cost
    }

    pub(crate) fn statistics(&self) -> &BatchStatistics {
        &self.statistics
    }

    /// What a run of one call takes; `None` before the first.
    pub(crate) fn likely(&self) -> Option<Duration> {
        self.takes.likely()
    }

    /// What runs of rows as wide as these were measured to take.
    pub(crate) fn curve(&self, bytes: usize, rows: u64) -> CostCurve {
        self.curves.lock().get(&width(bytes, rows)).copied().unwrap_or_default()
    }

    /// What a deployment and the graph itself allow.
    pub(crate) fn bounds(&self, mergeable: &Mergeable) -> Bounds {
        let config = &mergeable.config;
        let target = config.latency_target.map(|target| target.saturating_sub(config.max_delay));
        let wanted = !config.preferred.is_empty() || !config.max_delay.is_zero();
        Bounds { max_rows: config.max_rows.min(self.most_rows.load(Relaxed)), target, wanted }
    }

    /// Rows that one run with such a call may have.
    pub(crate) fn limit(&self, mergeable: &Mergeable, inputs: &[NamedValue]) -> u64 {
        self.curve(rows::bytes(inputs), mergeable.rows).limit(&self.bounds(mergeable))
    }

    /// From now on one run has at most so many rows.
    pub(crate) fn restrict(&self, rows: u64) {
        self.most_rows.fetch_min(rows.max(1), Relaxed);
    }

    /// Whether calls that `config` asks to merge may be: by the graph's own word or the operator's, and by what the graph has shown.
    pub(crate) fn merges(&self, config: &BatchConfig) -> bool {
        let is_batch = || config.rows_from == RowsFrom::Operator || self.graph.batch().is_ok();
        self.most_rows.load(Relaxed) > 1 && is_batch()
    }

    /// Runs one call, blocking, and measures it. A panic ends this run only.
    pub(crate) fn run(&self, inputs: &[NamedValue], wanted: &Wanted) -> (Answer, Duration) {
        let run = |graph: &dyn Graph| graph.run_calls(&[inputs], &wanted.outputs, wanted.keep, None);
        let (answer, took) = self.timed(rows::bytes(inputs), run);
        self.takes.record(took);
        (answer, took)
    }

    /// The same for a graph and a caller that know the host's memory only.
    pub(crate) fn run_tensors(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
    ) -> (Result<NamedTensors, Failure>, Duration) {
        let (answer, took) = self.timed(rows::bytes(inputs), |graph| graph.run_until(inputs, outputs, None));
        self.takes.record(took);
        (answer, took)
    }

    /// Runs `rows` rows of one call or several as one, in the same way; stopped at `until` where the device can.
    pub(crate) fn run_rows(
        &self,
        calls: &[&[NamedValue]],
        wanted: &Wanted,
        rows: u64,
        until: Option<Deadline>,
    ) -> (Answer, Duration) {
        let bytes = calls.iter().map(|inputs| rows::bytes(inputs)).sum();
        let run = |graph: &dyn Graph| graph.run_calls(calls, &wanted.outputs, wanted.keep, until);
        let (answer, took) = self.timed(bytes, run);
        // A failure may end early and says nothing about the time.
        if answer.is_ok() {
            let width = width(bytes, rows);
            self.curves.lock().entry(width).or_default().record(rows, took);
        }
        (answer, took)
    }

    /// Counts the time of a run of one call that was not run by [`Lane::run`].
    pub(crate) fn took(&self, took: Duration) {
        self.takes.record(took);
    }

    /// Runs something on the graph with inputs of so many bytes.
    fn timed<T>(
        &self,
        bytes: usize,
        run: impl FnOnce(&dyn Graph) -> Result<T, Failure>,
    ) -> (Result<T, Failure>, Duration) {
        let start = self.clock.now();
        let run = catch_unwind(AssertUnwindSafe(|| run(&*self.graph)));
        let took = self.since(start);
        self.cost.record(bytes, took);
        (run.unwrap_or_else(|panic| Err(Failure::of_panic(&*panic))), took)
    }

    fn since(&self, start: Instant) -> Duration {
        self.clock.now().saturating_duration_since(start)
    }
}

/// The group of rows of so many bytes.
fn width(bytes: usize, rows: u64) -> u32 {
    let row = bytes as u64 / rows.max(1);
    u64::BITS - row.leading_zeros()
}
