//! A model as its callers see it.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    BatchTerms, BoxFuture, CallContext, Deadline, Described, DeviceKind, DynamicTerms, MemoryId, ModelId,
    ModelMetadata, Named, NamedTensors, NamedValue, NamedValues, OutputIndices, OutputSet, Priority, SignatureError,
};
use scorehost_core::{Failure, Model};
use scorehost_telemetry::trace::{self, Recording};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::call::{Answer, Mergeable, Progress, QueuedCall, Wanted};
use crate::config::BatchConfig;
use crate::customer::Customer;
use crate::lane::Lane;
use crate::workers::Workers;
use crate::{DispatchError, QueueLimits, rows};

/// What a deployment calls, as whom, and who runs it.
pub(crate) struct Calling {
    pub(crate) lane: Arc<Lane>,
    pub(crate) customer: Arc<Customer>,
    pub(crate) workers: Arc<Workers>,
    /// How its calls are merged, and with whose; `None` where they are not.
    pub(crate) merging: Option<Merging>,
}

/// How a deployment's calls are merged.
pub(crate) struct Merging {
    pub(crate) config: Arc<BatchConfig>,
    /// Calls of one number are merged, those of different numbers never.
    pub(crate) group: u64,
}

/// One deployment's view of a graph: its name, its limits, its share, the shared lane.
pub(crate) struct DispatchedModel {
    metadata: ModelMetadata,
    lane: Arc<Lane>,
    customer: Arc<Customer>,
    workers: Arc<Workers>,
    merging: Option<Merging>,
    inline_limit: Duration,
    limits: QueueLimits,
    most_rows: Option<u64>,
}

impl DispatchedModel {
    pub(crate) fn new(id: ModelId, calling: Calling, inline_limit: Duration, limits: QueueLimits) -> Self {
        let Calling { lane, customer, workers, merging } = calling;
        let graph = lane.graph();
        let merging_now = merging.as_ref().filter(|merging| lane.merges(&merging.config));
        let batching = merging_now.map(|merging| terms(&merging.config, &limits)).unwrap_or_default();
        let metadata = ModelMetadata { id, platform: graph.platform(), signature: graph.signature().clone(), batching };
        Self { metadata, lane, customer, workers, merging, inline_limit, limits, most_rows: None }
    }

    /// Refuses calls with more rows.
    pub(crate) fn with_most_rows(mut self, most_rows: Option<u32>) -> Self {
        if let Some(most) = most_rows {
            self.most_rows = Some(most.into());
            self.metadata.batching.max_rows = most;
        }
        self
    }

    /// The span of a call, where its request is sampled; the wait for a worker is in it.
    fn span(&self, call: &CallContext) -> Recording {
        let mut span = trace::begin(&mut { call.trace }, "model.run");
        if span.is_recording() {
            span.set("scorehost.model", self.metadata.id.to_string());
        }
        span
    }

    fn check(&self, inputs: &[impl Named], outputs: &[Arc<str>]) -> Result<OutputIndices, DispatchError> {
        let refuse = |error: SignatureError| DispatchError::Signature { model: self.metadata.id.clone(), error };
        let signature = &self.metadata.signature;
        signature.check_inputs(inputs).map_err(refuse)?;
        if let Some(most) = self.most_rows {
            let rows = inputs.iter().filter_map(|input| input.item().shape().first().copied()).max().unwrap_or(0);
            if rows > most {
                return Err(DispatchError::TooManyRows { model: self.metadata.id.clone(), rows, most });
            }
        }
        signature.output_indices(outputs).map_err(refuse)
    }

    async fn call(&self, inputs: NamedValues, outputs: &[Arc<str>], keep: OutputSet, call: &CallContext) -> Answer {
        let wanted = Wanted { outputs: self.check(&inputs, outputs)?, keep };
        let span = self.span(call);
        let answer = if self.is_short(&inputs) {
            let (answer, took) = self.lane.run(&inputs, &wanted);
            self.customer.occupied(self.lane.graph().device(), took);
            answer
        } else {
            self.hand_over(inputs, wanted, call).await
        };
        finish(span, answer)
    }

    /// Whether a call with such inputs runs on the caller's thread.
    fn is_short(&self, inputs: &[impl Named]) -> bool {
        let short = self.lane.cost().within(rows::bytes(inputs), self.inline_limit);
        // Other devices than the CPU may not come back, however short their calls were: the thread that serves connections must not wait
        // for one.
        short && self.lane.graph().device() == DeviceKind::Cpu
    }

    /// Queues the call and waits for its turn, its answer, its deadline or the longest wait, whichever is first.
    async fn hand_over(&self, inputs: NamedValues, wanted: Wanted, call: &CallContext) -> Answer {
        let (answer, answered) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let model = self.metadata.id.clone();
        let now = self.lane.clock().now();
        let mergeable = self.mergeable(&inputs);
        let inputs = if mergeable.is_some() { rows::in_order(&self.metadata.signature, inputs) } else { inputs };
        let mut call = call.clone();
        if call.priority == Priority::default() {
            call.priority = self.limits.default_priority;
        }
        let deadline = call.deadline;
        let queued = QueuedCall {
            lane: Arc::clone(&self.lane),
            customer: Arc::clone(&self.customer),
            model,
            inputs,
            wanted,
            call,
            progress: Arc::clone(&progress),
            answer,
            arrived: now,
            since: now,
            ahead: 0,
            mergeable,
        };
        self.workers.line_up(queued, &self.limits)?;
        self.wait(answered, &progress, deadline).await
    }

    /// How a call can be merged: the deployment wants it, the graph has not shown that it cannot, and all inputs have the same rows, fewer than a run
    /// may have.
    fn mergeable(&self, inputs: &NamedValues) -> Option<Mergeable> {
        let Merging { config, group } = self.merging.as_ref().filter(|merging| self.lane.merges(&merging.config))?;
        let rows = rows::common(inputs).filter(|rows| *rows < config.max_rows)?;
        Some(Mergeable { config: Arc::clone(config), group: *group, rows })
    }

    async fn wait(
        &self,
        mut answered: oneshot::Receiver<Answer>,
        progress: &Progress,
        deadline: Option<Deadline>,
    ) -> Answer {
        let left = || deadline.map(|deadline| deadline.remaining(self.lane.clock().now()));
        let start_within = left().map_or(self.limits.max_wait, |left| left.min(self.limits.max_wait));
        if let Ok(answer) = timeout(start_within, &mut answered).await {
            return self.received(answer);
        }
        if progress.give_up() {
            return Err(self.not_started(start_within));
        }
        // It runs, and a run ends by itself.
        match left() {
            None => self.received(answered.await),
            Some(left) => match timeout(left, answered).await {
                Ok(answer) => self.received(answer),
                Err(_) => Err(self.late()),
            },
        }
    }

    fn received(&self, answer: Result<Answer, oneshot::error::RecvError>) -> Answer {
        answer.unwrap_or_else(|_| Err(Failure::internal(format!("a call to '{}' got lost", self.metadata.id))))
    }

    fn not_started(&self, waited: Duration) -> Failure {
        if waited < self.limits.max_wait {
            return self.late();
        }
        DispatchError::QueueWait { model: self.metadata.id.clone(), waited }.into()
    }

    fn late(&self) -> Failure {
        DispatchError::Deadline { model: self.metadata.id.clone() }.into()
    }
}

fn terms(config: &BatchConfig, limits: &QueueLimits) -> BatchTerms {
    let whole = |rows: u64| u32::try_from(rows).unwrap_or(u32::MAX);
    let dynamic = DynamicTerms {
        preferred: config.preferred.iter().copied().map(whole).collect(),
        max_delay: config.max_delay,
        default_priority: limits.default_priority,
        max_wait: limits.max_wait,
        max_queue: u32::try_from(limits.max_queue).unwrap_or(u32::MAX),
    };
    BatchTerms { max_rows: whole(config.max_rows), dynamic: Some(dynamic) }
}

fn finish<T>(mut span: Recording, answer: Result<T, Failure>) -> Result<T, Failure> {
    answer.inspect_err(|failure| span.fail(failure.kind))
}

impl Model for DispatchedModel {
    fn metadata(&self) -> &ModelMetadata {
        &self.metadata
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        Box::pin(async move {
            // The way of most calls: no device's memory, no wait.
            if self.memory().is_none() && self.is_short(&inputs) {
                let outputs = self.check(&inputs, outputs)?;
                let span = self.span(call);
                let (answer, took) = self.lane.run_tensors(&inputs, &outputs);
                self.customer.occupied(self.lane.graph().device(), took);
                return finish(span, answer);
            }
            let inputs = inputs.into_iter().map(NamedValue::from).collect();
            let answer = self.call(inputs, outputs, OutputSet::NONE, call).await?;
            answer.into_iter().map(NamedValue::fetch).collect()
        })
    }

    fn memory(&self) -> Option<MemoryId> {
        self.lane.graph().memory()
    }

    fn run_values<'a>(
        &'a self,
        inputs: NamedValues,
        outputs: &'a [Arc<str>],
        keep: OutputSet,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Answer> {
        Box::pin(self.call(inputs, outputs, keep, call))
    }
}
