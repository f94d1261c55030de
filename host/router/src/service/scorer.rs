//! The way through a replica: borrow, call, measure, and leave the caller's thread when the call is long.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use scorehost_core::{
    CallContext, Clock, Failure, InferRequest, InferResponse, Interface, NamedTensors, RawRequest, RawResponse,
    Signature,
};
use scorehost_pool::{Lent, Pool};
use scorehost_telemetry::CostEstimate;
use tokio::task::JoinHandle;

use super::{Limit, RoutedService, Runtime};
use crate::RouteError;
use crate::admission::Admitted;
use crate::deadline::within;
use crate::metered::{Call, Metered};

/// What a call needs beyond the service: replicas, and the measured time of its calls.
pub(super) struct Scorer {
    pool: Arc<Pool>,
    runtime: Runtime,
    clock: Arc<dyn Clock>,
    cost: CostEstimate,
}

/// The call's answer, and the time it computed.
type Done<T> = (Result<T, Failure>, Duration);

impl Scorer {
    pub(super) fn new(pool: Arc<Pool>, runtime: Runtime, clock: Arc<dyn Clock>) -> Self {
        Self { pool, runtime, clock, cost: CostEstimate::default() }
    }

    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Runs a call on `bytes` of input: here while it is short, on the worker runtime when it is known to be long or
    /// turns out to be.
    async fn run<T: Send + 'static>(&self, bytes: usize, call: Call<T>) -> Result<T, Failure> {
        let mut call = Metered::new(call, Arc::clone(&self.clock));
        let limit = self.runtime.inline_limit;
        let done = if self.cost.within(bytes, limit) {
            match here(&mut call, limit).await {
                Some(done) => done,
                None => self.hand_over(call).await,
            }
        } else {
            self.hand_over(call).await
        };
        let (answer, spent) = done;
        self.cost.record(bytes, spent);
        answer
    }

    async fn hand_over<T: Send + 'static>(&self, call: Metered<T>) -> Done<T> {
        let mut task = Aborted(self.runtime.workers.spawn(call));
        match (&mut task.0).await {
            Ok(done) => done,
            Err(ended) => (Err(Failure::internal(ended)), Duration::ZERO),
        }
    }
}

/// Polls a call on this thread; `None` once it has computed for longer than `limit` and is not done.
async fn here<T>(call: &mut Metered<T>, limit: Duration) -> Option<Done<T>> {
    poll_fn(|cx| match Pin::new(&mut *call).poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending if call.spent() > limit => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await
}

/// A task that ends when whoever waits for it goes away.
struct Aborted<T>(JoinHandle<T>);

impl<T> Drop for Aborted<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl RoutedService {
    pub(super) async fn infer_scorer(
        &self,
        scorer: &Scorer,
        request: InferRequest,
        call: CallContext,
        admitted: &mut Admitted<'_>,
    ) -> Result<InferResponse, Failure> {
        let Interface::Tensors(signature) = &self.status.interface else {
            return Err(RouteError::NotTensors { service: self.status.name.clone() }.into());
        };
        self.check(signature, &request)?;
        let bytes = request.inputs.iter().map(|input| input.tensor.data().len()).sum();
        let InferRequest { inputs, outputs } = request;
        let run = |mut replica: Lent, call: CallContext| -> Call<NamedTensors> {
            Box::pin(async move { replica.infer(inputs, &call).await })
        };
        let returned = self.through_replica(scorer, bytes, call, admitted, run).await?;
        Ok(InferResponse { outputs: self.select(returned, &outputs)? })
    }

    pub(super) async fn score_scorer(
        &self,
        scorer: &Scorer,
        request: RawRequest,
        call: CallContext,
        admitted: &mut Admitted<'_>,
    ) -> Result<RawResponse, Failure> {
        if let Interface::Tensors(_) = &self.status.interface {
            return Err(RouteError::NotBody { service: self.status.name.clone() }.into());
        }
        let bytes = request.body.len();
        let run = |mut replica: Lent, call: CallContext| -> Call<RawResponse> {
            Box::pin(async move { replica.score(request, &call).await })
        };
        self.through_replica(scorer, bytes, call, admitted, run).await
    }

    async fn through_replica<T: Send + 'static>(
        &self,
        scorer: &Scorer,
        bytes: usize,
        mut call: CallContext,
        admitted: &mut Admitted<'_>,
        run: impl FnOnce(Lent, CallContext) -> Call<T>,
    ) -> Result<T, Failure> {
        let limit = self.limit(&mut call, admitted)?;
        let replica = self.lend(scorer, limit, admitted).await?;
        let work = pin!(scorer.run(bytes, run(replica, call)));
        match within(work, || limit.deadline.remaining(self.clock.now())).await {
            Some(answer) => answer,
            None => Err(self.late(limit)),
        }
    }

    async fn lend(&self, scorer: &Scorer, limit: Limit, admitted: &mut Admitted<'_>) -> Result<Lent, Failure> {
        if let Some(replica) = scorer.pool.try_lend() {
            return Ok(replica);
        }
        let lent = scorer.pool.lend(Some(limit.deadline)).await;
        admitted.queued = self.clock.now().saturating_duration_since(admitted.start());
        lent.map_err(|error| RouteError::Pool { service: self.status.name.clone(), error }.into())
    }

    fn check(&self, signature: &Signature, request: &InferRequest) -> Result<(), Failure> {
        let refuse = |error| RouteError::Signature { service: self.status.name.clone(), error };
        signature.check_inputs(&request.inputs).map_err(refuse)?;
        signature.output_indices(&request.outputs).map_err(refuse)?;
        Ok(())
    }

    /// The outputs wanted, in their order; all when none is named.
    fn select(&self, returned: NamedTensors, wanted: &[Arc<str>]) -> Result<NamedTensors, Failure> {
        if wanted.is_empty() {
            return Ok(returned);
        }
        let find = |name: &Arc<str>| {
            let output = returned.iter().find(|output| output.name == *name).cloned();
            let missing = || RouteError::NoOutput { service: self.status.name.clone(), output: name.to_string() };
            output.ok_or_else(|| missing().into())
        };
        wanted.iter().map(find).collect()
    }
}
