//! The way through a replica: borrow, call, give back.

use std::pin::pin;
use std::sync::Arc;

use scorehost_core::{
    CallContext, Failure, InferRequest, InferResponse, Interface, NamedTensors, RawRequest, RawResponse, Signature,
};
use scorehost_pool::{Lent, Pool, Want};
use scorehost_telemetry::trace;

use super::calls::Job;
use super::{Limit, RoutedService};
use crate::RouteError;
use crate::admission::Admitted;
use crate::deadline::within;
use crate::metered::Call;

impl RoutedService {
    pub(super) async fn infer_scorer(
        &self,
        pool: &Arc<Pool>,
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
        let returned = self.through_replica(pool, bytes, call, admitted, run).await?;
        Ok(InferResponse { outputs: self.select(returned, &outputs)?, cached: None })
    }

    pub(super) async fn score_scorer(
        &self,
        pool: &Arc<Pool>,
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
        self.through_replica(pool, bytes, call, admitted, run).await
    }

    async fn through_replica<T: Send + 'static>(
        &self,
        pool: &Arc<Pool>,
        bytes: usize,
        mut call: CallContext,
        admitted: &mut Admitted<'_>,
        run: impl FnOnce(Lent, CallContext) -> Call<T>,
    ) -> Result<T, Failure> {
        let limit = self.limit(&mut call, admitted)?;
        let priority = call.priority;
        let replica = self.lend(pool, limit, &call, admitted).await?;
        admitted.served = true;
        let mut span = trace::begin(&mut call.trace, "scorer.run");
        let deadline = (!admitted.alone()).then_some(limit.deadline);
        let job = Job { service: &self.status.name, bytes, priority, deadline };
        let work = pin!(self.calls.run(&job, run(replica, call)));
        match within(work, || limit.deadline.remaining(self.clock.now())).await {
            Some(answer) => answer,
            None => Err(self.late(limit)),
        }
        .inspect_err(|failure| span.fail(failure.kind))
    }

    async fn lend(
        &self,
        pool: &Arc<Pool>,
        limit: Limit,
        call: &CallContext,
        admitted: &mut Admitted<'_>,
    ) -> Result<Lent, Failure> {
        if let Some(replica) = pool.try_lend() {
            return Ok(replica);
        }
        if pool.signals().total() == 0 {
            self.statistics.started_cold();
        }
        let _span = trace::begin(&mut { call.trace }, "queue");
        let want = Want { deadline: Some(limit.deadline), priority: call.priority, takes: self.gate.stay.likely() };
        let lent = pool.lend(&want).await;
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
