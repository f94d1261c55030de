//! One graph: what its runs cost, and the calls that wait to run it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use scorehost_core::{CallContext, Clock, Failure, Graph, ModelId, NamedTensor, NamedTensors, OutputIndices};
use scorehost_telemetry::{CostEstimate, Typical};
use tokio::sync::oneshot;

use crate::customer::Customer;
use crate::{DispatchError, QueueLimits};

/// What comes of a call.
pub(crate) type Answer = Result<NamedTensors, Failure>;

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Whether a waiting call has started; its caller and a worker race to decide.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

impl Progress {
    fn start(&self) -> bool {
        self.0.compare_exchange(WAITING, STARTED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// True when no worker has started the call, and from now on none will.
    pub(crate) fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// A call that waits for a worker.
pub(crate) struct QueuedCall {
    pub(crate) lane: Arc<Lane>,
    pub(crate) customer: Arc<Customer>,
    pub(crate) model: ModelId,
    pub(crate) inputs: NamedTensors,
    pub(crate) outputs: OutputIndices,
    pub(crate) call: CallContext,
    pub(crate) progress: Arc<Progress>,
    pub(crate) answer: oneshot::Sender<Answer>,
    pub(crate) since: Instant,
    /// Calls of the same customer before it when it joined.
    pub(crate) ahead: usize,
}

impl QueuedCall {
    /// Why waiting for `expected` makes no sense.
    pub(crate) fn in_vain(&self, expected: Duration, limits: &QueueLimits) -> Option<DispatchError> {
        let model = || self.model.clone();
        if expected > limits.max_wait {
            return Some(DispatchError::LongQueue { model: model(), expected, limit: limits.max_wait });
        }
        let left = self.call.deadline?.remaining(self.since);
        let expected = expected + self.lane.takes.likely().unwrap_or_default();
        (expected > left).then(|| DispatchError::Hopeless { model: model(), expected, left })
    }

    /// Whether its caller has gone.
    pub(crate) fn is_left(&self) -> bool {
        self.answer.is_closed()
    }

    /// True when it is to run now, and no one else runs it.
    pub(crate) fn start(&self) -> bool {
        !self.is_left() && self.progress.start()
    }

    /// Runs it and answers it, unless its answer would come too late. `alone` is whether nothing else waited for a worker:
    /// then it is tried all the same, or else a wrong expectation would never be put right.
    pub(crate) fn serve(self, alone: bool) {
        let now = self.lane.clock.now();
        self.customer.moved_on(now.saturating_duration_since(self.since), self.ahead);
        let answer = match self.too_late(now, alone) {
            Some(error) => Err(error.into()),
            None => self.run(now),
        };
        // The caller may have gone meanwhile.
        let _ = self.answer.send(answer);
    }

    fn run(&self, began: Instant) -> Answer {
        let answer = self.lane.run(&self.inputs, &self.outputs);
        self.customer.charge(self.lane.clock.now().saturating_duration_since(began));
        answer
    }

    fn too_late(&self, now: Instant, alone: bool) -> Option<DispatchError> {
        let deadline = self.call.deadline?;
        if deadline.passed(now) {
            return Some(DispatchError::Deadline { model: self.model.clone() });
        }
        let (left, expected) = (deadline.remaining(now), self.lane.takes.likely()?);
        let hopeless = !alone && expected > left;
        hopeless.then(|| DispatchError::Hopeless { model: self.model.clone(), expected, left })
    }
}

/// A graph, and what its runs cost, whoever calls it.
pub(crate) struct Lane {
    graph: Arc<dyn Graph>,
    clock: Arc<dyn Clock>,
    /// Time of a run by size of its inputs, which decides where it runs.
    cost: CostEstimate,
    /// Time of a run, which decides whether it still can end in time.
    takes: Typical,
}

impl Lane {
    pub(crate) fn new(graph: Arc<dyn Graph>, clock: Arc<dyn Clock>) -> Self {
        Self { graph, clock, cost: CostEstimate::default(), takes: Typical::default() }
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

    /// Runs once, blocking, and measures it. A panic ends this run only.
    pub(crate) fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Answer {
        let start = self.clock.now();
        let run = catch_unwind(AssertUnwindSafe(|| self.graph.run(inputs, outputs)));
        let took = self.clock.now().saturating_duration_since(start);
        self.cost.record(input_bytes(inputs), took);
        self.takes.record(took);
        run.unwrap_or_else(|panic| Err(Failure::of_panic(&*panic)))
    }
}

/// The size by which runs of one graph are told apart.
pub(crate) fn input_bytes(inputs: &[NamedTensor]) -> usize {
    inputs.iter().map(|input| input.tensor.data().len()).sum()
}
