//! Warm-up: what answers requests answers the deployment's own request first.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    BoxFuture, CallContext, Clock, Deadline, ErrorKind, Failure, InferRequest, InferResponse, RawRequest, RawResponse,
    Replica, ReplicaFactory, Service, ServiceSpec, ServiceStatus, WarmUp,
};
use scorehost_ingress::score_once;
use tokio::sync::Mutex;

/// Id of warm-up requests in service logs and collected data.
const REQUEST_ID: &str = "warm-up";

/// How a deployment warms up.
#[derive(Clone)]
pub(crate) struct Rehearsal {
    warm_up: WarmUp,
    /// Longest time of one request.
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl Rehearsal {
    /// `None` where there is no request to answer; `init` alone needs no rehearsal.
    pub(crate) fn of(spec: &ServiceSpec, clock: &Arc<dyn Clock>) -> Option<Self> {
        let warm_up = spec.warm_up.clone().filter(|warm_up| warm_up.count > 0 && !warm_up.body.is_empty())?;
        Some(Self { warm_up, limit: spec.admission.scoring_timeout, clock: Arc::clone(clock) })
    }

    /// Replicas of `factory` that have answered the warm-up request before anyone gets them.
    pub(crate) fn before(self, factory: Arc<dyn ReplicaFactory>, spec: &ServiceSpec) -> Arc<dyn ReplicaFactory> {
        let (name, version) = (spec.name.clone(), Arc::clone(spec.version.as_str()));
        Arc::new(Rehearsed { factory, rehearsal: self, service: (name, version) })
    }

    /// Asks as often as the deployment says.
    ///
    /// # Errors
    /// `ScorerFault` where a request fails, takes longer than the scoring timeout, or is answered with a status of 400 or
    /// more.
    pub(crate) async fn run(&self, service: &Arc<dyn Service>) -> Result<(), Failure> {
        for _ in 0..self.warm_up.count {
            self.once(service).await?;
        }
        Ok(())
    }

    async fn once(&self, service: &Arc<dyn Service>) -> Result<(), Failure> {
        let request = RawRequest {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            query: String::new(),
            body: self.warm_up.body.clone(),
            content_type: self.warm_up.content_type.clone(),
        };
        let deadline = Some(Deadline::after(self.clock.now(), self.limit));
        let call = CallContext { deadline, ..CallContext::new(REQUEST_ID) };
        match tokio::time::timeout(self.limit, score_once(service, request, call)).await {
            Ok(Ok(answer)) if answer.status < 400 => Ok(()),
            Ok(Ok(answer)) => Err(refused(&answer)),
            Ok(Err(failure)) => Err(failed(format!("failed: {failure}"), failure.detail)),
            Err(_) => Err(failed(format!("took longer than {} ms", self.limit.as_millis()), None)),
        }
    }
}

fn refused(answer: &RawResponse) -> Failure {
    const SHOWN: usize = 200;
    let body: String = String::from_utf8_lossy(&answer.body).chars().take(SHOWN).collect();
    failed(format!("was answered with status {}: {body}", answer.status), None)
}

/// Whatever the reason is, no caller is to blame.
fn failed(what: String, detail: Option<String>) -> Failure {
    let failure = Failure::new(ErrorKind::ScorerFault, format!("the warm-up request {what}"))
        .with_hint("try it with 'scorehost run --body', and correct warmUp in the deployment configuration");
    Failure { detail, ..failure }
}

struct Rehearsed {
    factory: Arc<dyn ReplicaFactory>,
    rehearsal: Rehearsal,
    service: (scorehost_core::ServiceName, Arc<str>),
}

impl ReplicaFactory for Rehearsed {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        Box::pin(async move {
            let replica = self.factory.create().await?;
            let (name, version) = self.service.clone();
            let interface = replica.interface().clone();
            let status = ServiceStatus {
                name,
                version,
                interface,
                platform: "",
                models: Vec::new(),
                batching: Default::default(),
            };
            let alone = Arc::new(Alone { status, replica: Mutex::new(replica) });
            self.rehearsal.run(&(Arc::clone(&alone) as Arc<dyn Service>)).await?;
            let replica = Arc::into_inner(alone).map(|alone| alone.replica.into_inner());
            let replica = replica.ok_or_else(|| Failure::internal("a warm-up request outlived its answer"))?;
            if replica.healthy() { Ok(replica) } else { Err(failed("left the replica unusable".to_owned(), None)) }
        })
    }
}

/// One replica as a service, so that its warm-up request goes through the scoring door's own decoding.
struct Alone {
    status: ServiceStatus,
    replica: Mutex<Box<dyn Replica>>,
}

impl Service for Alone {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            let outputs = self.replica.lock().await.infer(request.inputs, &call).await?;
            Ok(InferResponse { outputs, cached: None })
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move { self.replica.lock().await.score(request, &call).await })
    }
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "warm_up_tests.rs"]
mod tests;
