//! One version of one service, ready to be called.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    Admission, BatchTerms, BoxFuture, CallContext, Clock, Deadline, Failure, InferRequest, InferResponse, Interface,
    Model, NamedTensors, RawRequest, RawResponse, Service, ServiceSpec, ServiceStatus,
};
use scorehost_pool::Pool;
use scorehost_telemetry::{ServiceStatistics, Typical};

mod calls;
mod scorer;

use crate::admission::{Admitted, Gate, InFlight, Rate, Refused};
use crate::cache::{Answers, CacheSignals};
use crate::deadline::within;
use crate::executor::Share;
use crate::{Executor, RouteError};
use calls::{Calls, Job};

/// The Open Inference Protocol's platform name of a service with a scorer.
const SCORER_PLATFORM: &str = "scorehost_scorer";

/// Where long calls run, and how long a short one may take.
#[derive(Clone)]
pub struct Runtime {
    /// The threads of long calls.
    pub executor: Arc<Executor>,
    /// Calls that compute at most this long stay on the caller's thread.
    pub inline_limit: Duration,
}

impl Runtime {
    /// Calls above 300 µs are handed over, a few times what a hand-over costs.
    #[must_use]
    pub const fn new(executor: Arc<Executor>) -> Self {
        Self { executor, inline_limit: Duration::from_micros(300) }
    }
}

/// What a service is doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceSignals {
    /// Requests admitted and not answered yet.
    pub in_flight: usize,
    /// Its replicas; nothing for a no-code service.
    pub pool: Option<scorehost_pool::PoolSignals>,
    /// Its kept answers; nothing where none are kept.
    pub cache: Option<CacheSignals>,
}

/// What a deployment adds to a service's description.
#[derive(Clone)]
pub struct ServiceVersion {
    /// The version, from "1" on.
    pub version: Arc<str>,
    /// Its counters.
    pub statistics: Arc<ServiceStatistics>,
    /// Measures requests; deadlines are moments of this clock.
    pub clock: Arc<dyn Clock>,
}

enum Way {
    NoCode(Arc<dyn Model>),
    Scorer(Arc<Pool>),
}

/// A service: its limits and statistics, and the way its requests go.
pub struct RoutedService {
    status: ServiceStatus,
    admission: Admission,
    gate: Gate,
    statistics: Arc<ServiceStatistics>,
    clock: Arc<dyn Clock>,
    calls: Calls,
    /// Answers kept for equal requests.
    cache: Option<Answers>,
    way: Way,
}

impl RoutedService {
    /// A service that answers with a model.
    #[must_use]
    pub fn no_code(spec: &ServiceSpec, version: ServiceVersion, model: Arc<dyn Model>, runtime: Runtime) -> Self {
        let metadata = model.metadata();
        let interface = Interface::Tensors(metadata.signature.clone());
        let batching = metadata.batching.clone();
        let status = ServiceStatus { batching, ..status(spec, &version, interface, metadata.platform) };
        Self::new(spec, status, version, Way::NoCode(model), runtime)
    }

    /// A service whose requests are handled by a scorer's replicas; `interface` is what they declared.
    #[must_use]
    pub fn scorer(
        spec: &ServiceSpec,
        version: ServiceVersion,
        interface: Interface,
        pool: Arc<Pool>,
        runtime: Runtime,
    ) -> Self {
        let status = status(spec, &version, interface, SCORER_PLATFORM);
        Self::new(spec, status, version, Way::Scorer(pool), runtime)
    }

    fn new(spec: &ServiceSpec, status: ServiceStatus, version: ServiceVersion, way: Way, runtime: Runtime) -> Self {
        let ServiceVersion { statistics, clock, .. } = version;
        let admission = spec.admission;
        let rate = admission.rate_limit.and_then(|limit| Rate::new(limit, clock.now()));
        let gate = Gate { in_flight: InFlight::new(most_at_once(spec, &way)), rate, stay: Typical::default() };
        let share = Share {
            flow: runtime.executor.flow(&spec.name),
            weight: admission.weight,
            statistics: matches!(way, Way::Scorer(_)).then(|| Arc::clone(&statistics)),
        };
        let calls = Calls::new(runtime, share, Arc::clone(&clock));
        let cache = spec.response_cache.map(|limits| Answers::new(limits, Arc::clone(&clock)));
        Self { status, admission, gate, statistics, clock, calls, cache, way }
    }

    /// What it is doing.
    #[must_use]
    pub fn signals(&self) -> ServiceSignals {
        let pool = self.pool().map(|pool| pool.signals());
        let cache = self.cache.as_ref().map(Answers::signals);
        ServiceSignals { in_flight: self.gate.in_flight.count(), pool, cache }
    }

    /// Its replicas; nothing for a no-code service.
    #[must_use]
    pub fn pool(&self) -> Option<&Arc<Pool>> {
        match &self.way {
            Way::NoCode(_) => None,
            Way::Scorer(pool) => Some(pool),
        }
    }

    /// Gives up idle replicas and waits until every call has ended. For a service that is out of the table.
    pub async fn drain(&self) {
        if let Way::Scorer(pool) = &self.way {
            pool.drain().await;
        }
    }

    fn admit(&self) -> Result<Admitted<'_>, Failure> {
        Admitted::enter(&self.gate, &self.statistics, &*self.clock).map_err(|refused| {
            let service = self.status.name.clone();
            let error = match refused {
                Refused::TooMany(in_flight) => RouteError::TooMany { service, in_flight },
                Refused::TooFast(after) => {
                    RouteError::TooFast { service, limit: self.admission.rate_limit.unwrap_or_default(), after }
                }
            };
            let failure = Failure::from(error);
            self.statistics.failed(failure.kind, Duration::ZERO);
            failure
        })
    }

    /// Puts the earlier of the caller's deadline and the scoring timeout from `start` on into `call`.
    fn limit(&self, call: &mut CallContext, admitted: &Admitted<'_>) -> Result<Limit, Failure> {
        let own = Deadline::after(admitted.start(), self.admission.scoring_timeout);
        let (deadline, callers) = match call.deadline {
            Some(callers) if callers < own => (callers, true),
            _ => (own, false),
        };
        call.deadline = Some(deadline);
        if deadline.passed(admitted.start()) {
            return Err(RouteError::Deadline { service: self.status.name.clone() }.into());
        }
        Ok(Limit { deadline, callers })
    }

    fn late(&self, limit: Limit) -> Failure {
        let service = self.status.name.clone();
        if limit.callers {
            return RouteError::Deadline { service }.into();
        }
        RouteError::Timeout { service, timeout: self.admission.scoring_timeout }.into()
    }

    async fn infer_no_code(
        &self,
        model: &Arc<dyn Model>,
        request: InferRequest,
        mut call: CallContext,
        admitted: &Admitted<'_>,
    ) -> Result<InferResponse, Failure> {
        let limit = self.limit(&mut call, admitted)?;
        let left = || limit.deadline.remaining(self.clock.now());
        let answer = if self.calls.contended() {
            within(pin!(self.in_its_share(model, request, call)), left).await
        } else {
            let mut run = model.run(request.inputs, &request.outputs, &call);
            within(run.as_mut(), left).await
        };
        match answer {
            Some(Ok(outputs)) => Ok(InferResponse { outputs, cached: None }),
            Some(Err(failure)) => Err(self.of_model(failure)),
            None => Err(self.late(limit)),
        }
    }

    async fn answer_infer(
        &self,
        request: InferRequest,
        call: CallContext,
        admitted: &mut Admitted<'_>,
    ) -> Result<InferResponse, Failure> {
        match &self.way {
            Way::NoCode(model) => self.infer_no_code(model, request, call, admitted).await,
            Way::Scorer(pool) => self.infer_scorer(pool, request, call, admitted).await,
        }
    }

    async fn answer_score(
        &self,
        request: RawRequest,
        call: CallContext,
        admitted: &mut Admitted<'_>,
    ) -> Result<RawResponse, Failure> {
        match &self.way {
            Way::NoCode(_) => Err(RouteError::NotBody { service: self.status.name.clone() }.into()),
            Way::Scorer(pool) => self.score_scorer(pool, request, call, admitted).await,
        }
    }

    /// Runs a model while other services wait for processors, so that its time counts as theirs does.
    async fn in_its_share(
        &self,
        model: &Arc<dyn Model>,
        request: InferRequest,
        call: CallContext,
    ) -> Result<NamedTensors, Failure> {
        let (model, priority) = (Arc::clone(model), call.priority);
        let InferRequest { inputs, outputs } = request;
        let job = Job { service: &self.status.name, bytes: 0, priority, deadline: None };
        self.calls.run_model(&job, Box::pin(async move { model.run(inputs, &outputs, &call).await })).await
    }

    /// A model does not know whose request it refuses.
    fn of_model(&self, failure: Failure) -> Failure {
        if failure.kind != scorehost_core::ErrorKind::Overloaded {
            return failure;
        }
        RouteError::Model { service: self.status.name.clone(), failure }.into()
    }
}

/// A bound on the requests of a service. Those for replicas are bounded by the pool, whose line a request of high priority
/// can still join when it is full.
fn most_at_once(spec: &ServiceSpec, way: &Way) -> usize {
    if matches!(way, Way::Scorer(_)) {
        return usize::MAX;
    }
    let handled =
        (spec.scaling.max.max(1) as usize).saturating_mul(spec.admission.requests_per_replica.max(1) as usize);
    handled.saturating_add(spec.admission.max_queue as usize)
}

/// Until when a request must be answered, and whether its caller said so.
#[derive(Clone, Copy, Debug)]
struct Limit {
    deadline: Deadline,
    callers: bool,
}

fn status(spec: &ServiceSpec, version: &ServiceVersion, interface: Interface, platform: &'static str) -> ServiceStatus {
    let models = spec.models.iter().map(|model| model.id.clone()).collect();
    let version = Arc::clone(&version.version);
    ServiceStatus { name: spec.name.clone(), version, interface, platform, models, batching: BatchTerms::default() }
}

impl Service for RoutedService {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            let mut admitted = self.admit()?;
            let outcome = match &self.cache {
                None => self.answer_infer(request, call, &mut admitted).await,
                Some(cache) => match cache.infer(&request) {
                    Ok(kept) => Ok(kept),
                    Err(miss) => match self.answer_infer(request, call, &mut admitted).await {
                        Ok(mut answer) => {
                            cache.keep_tensors(&miss, &mut answer);
                            Ok(answer)
                        }
                        Err(failure) => {
                            cache.failed(&miss);
                            Err(failure)
                        }
                    },
                },
            };
            admitted.finish(outcome)
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            let mut admitted = self.admit()?;
            let outcome = match &self.cache {
                None => self.answer_score(request, call, &mut admitted).await,
                Some(cache) => match cache.score(&request) {
                    Ok(kept) => Ok(kept),
                    Err(miss) => match self.answer_score(request, call, &mut admitted).await {
                        Ok(answer) => Ok(cache.keep_body(&miss, answer)),
                        Err(failure) => {
                            cache.failed(&miss);
                            Err(failure)
                        }
                    },
                },
            };
            admitted.finish(outcome)
        })
    }
}

#[cfg(test)]
mod tests;
