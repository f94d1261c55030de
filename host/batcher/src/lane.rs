//! One graph: its queue and what its runs cost.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;
use scorehost_core::{CallContext, Clock, Failure, Graph, ModelId, NamedTensor, NamedTensors, OutputIndices};
use scorehost_telemetry::CostEstimate;
use tokio::sync::oneshot;

use crate::DispatchError;

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

/// A call in a queue.
pub(crate) struct QueuedCall {
    pub(crate) model: ModelId,
    pub(crate) inputs: NamedTensors,
    pub(crate) outputs: OutputIndices,
    pub(crate) call: CallContext,
    pub(crate) progress: Arc<Progress>,
    pub(crate) answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    calls: VecDeque<QueuedCall>,
    /// Whether the lane is in the workers' line already.
    lined_up: bool,
}

/// A graph with one queue for all its callers.
pub(crate) struct Lane {
    graph: Arc<dyn Graph>,
    clock: Arc<dyn Clock>,
    cost: CostEstimate,
    queue: Mutex<Queue>,
}

impl Lane {
    pub(crate) fn new(graph: Arc<dyn Graph>, clock: Arc<dyn Clock>) -> Self {
        Self { graph, clock, cost: CostEstimate::default(), queue: Mutex::default() }
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
        run.unwrap_or_else(|panic| Err(Failure::of_panic(&*panic)))
    }

    /// Calls that wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.lock().calls.len()
    }

    /// Appends a call; true when the lane must get in the workers' line.
    pub(crate) fn push(&self, call: QueuedCall, max_queue: usize) -> Result<bool, DispatchError> {
        let mut queue = self.queue.lock();
        if queue.calls.len() >= max_queue {
            // Calls whose callers gave up hold no place.
            queue.calls.retain(|waiting| !waiting.answer.is_closed());
        }
        if queue.calls.len() >= max_queue {
            return Err(DispatchError::QueueFull { model: call.model, queued: queue.calls.len() });
        }
        queue.calls.push_back(call);
        Ok(!std::mem::replace(&mut queue.lined_up, true))
    }

    /// Takes the next call that is still wanted, and whether more wait behind it.
    pub(crate) fn take(&self) -> (Option<QueuedCall>, bool) {
        let mut queue = self.queue.lock();
        let next = loop {
            match queue.calls.pop_front() {
                Some(call) if !call.answer.is_closed() && call.progress.start() => break Some(call),
                Some(_) => {}
                None => break None,
            }
        };
        queue.lined_up = !queue.calls.is_empty();
        (next, queue.lined_up)
    }

    /// Runs a taken call and answers it.
    pub(crate) fn serve(&self, call: QueuedCall) {
        let late = call.call.deadline.is_some_and(|deadline| deadline.passed(self.clock.now()));
        let answer = if late {
            Err(DispatchError::Deadline { model: call.model }.into())
        } else {
            self.run(&call.inputs, &call.outputs)
        };
        // The caller may have gone meanwhile.
        let _ = call.answer.send(answer);
    }
}

/// The size by which runs of one graph are told apart.
pub(crate) fn input_bytes(inputs: &[NamedTensor]) -> usize {
    inputs.iter().map(|input| input.tensor.data().len()).sum()
}
