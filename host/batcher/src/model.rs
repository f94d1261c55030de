//! A model as its callers see it.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    BoxFuture, CallContext, Deadline, ModelId, ModelMetadata, NamedTensors, OutputIndices, SignatureError,
};
use scorehost_core::{Failure, Model};
use scorehost_telemetry::trace::{self, Recording};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::customer::Customer;
use crate::lane::{Answer, Lane, Progress, QueuedCall, input_bytes};
use crate::workers::Workers;
use crate::{DispatchError, QueueLimits};

/// What a deployment calls, as whom, and who runs it.
pub(crate) struct Calling {
    pub(crate) lane: Arc<Lane>,
    pub(crate) customer: Arc<Customer>,
    pub(crate) workers: Arc<Workers>,
}

/// One deployment's view of a graph: its name, its limits, its share, the shared lane.
pub(crate) struct DispatchedModel {
    metadata: ModelMetadata,
    lane: Arc<Lane>,
    customer: Arc<Customer>,
    workers: Arc<Workers>,
    inline_limit: Duration,
    limits: QueueLimits,
}

impl DispatchedModel {
    pub(crate) fn new(id: ModelId, calling: Calling, inline_limit: Duration, limits: QueueLimits) -> Self {
        let Calling { lane, customer, workers } = calling;
        let graph = lane.graph();
        let metadata = ModelMetadata { id, platform: graph.platform(), signature: graph.signature().clone() };
        Self { metadata, lane, customer, workers, inline_limit, limits }
    }

    /// The span of a call, where its request is sampled; the wait for a worker is in it.
    fn span(&self, call: &CallContext) -> Recording {
        let mut span = trace::begin(&mut { call.trace }, "model.run");
        if span.is_recording() {
            span.set("scorehost.model", self.metadata.id.to_string());
        }
        span
    }

    fn check(&self, inputs: &NamedTensors, outputs: &[Arc<str>]) -> Result<OutputIndices, DispatchError> {
        let refuse = |error: SignatureError| DispatchError::Signature { model: self.metadata.id.clone(), error };
        let signature = &self.metadata.signature;
        signature.check_inputs(inputs).map_err(refuse)?;
        signature.output_indices(outputs).map_err(refuse)
    }

    /// Queues the call and waits for its turn, its answer, its deadline or the longest wait, whichever is first.
    async fn hand_over(&self, inputs: NamedTensors, outputs: OutputIndices, call: &CallContext) -> Answer {
        let (answer, answered) = oneshot::channel();
        let progress = Arc::new(Progress::default());
        let model = self.metadata.id.clone();
        let queued = QueuedCall {
            lane: Arc::clone(&self.lane),
            customer: Arc::clone(&self.customer),
            model,
            inputs,
            outputs,
            call: call.clone(),
            progress: Arc::clone(&progress),
            answer,
            since: self.lane.clock().now(),
            ahead: 0,
        };
        self.workers.line_up(queued, &self.limits)?;
        self.wait(answered, &progress, call.deadline).await
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

fn finish(mut span: Recording, answer: Answer) -> Answer {
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
    ) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let outputs = self.check(&inputs, outputs)?;
            let span = self.span(call);
            let answer = if self.lane.cost().within(input_bytes(&inputs), self.inline_limit) {
                self.lane.run(&inputs, &outputs)
            } else {
                self.hand_over(inputs, outputs, call).await
            };
            finish(span, answer)
        })
    }
}
