//! One version of one service, ready to be called.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    Admission, BoxFuture, CallContext, Clock, Deadline, Failure, InferRequest, InferResponse, Interface, Model,
    RawRequest, RawResponse, Service, ServiceSpec, ServiceStatus,
};
use scorehost_pool::Pool;
use scorehost_telemetry::ServiceStatistics;
use tokio::runtime::Handle;

mod scorer;

use crate::RouteError;
use crate::admission::{Admitted, InFlight};
use crate::deadline::within;
use scorer::Scorer;

/// The Open Inference Protocol's platform name of a service with a scorer.
const SCORER_PLATFORM: &str = "scorehost_scorer";

/// Where long calls run, and how long a short one may take.
#[derive(Clone, Debug)]
pub struct Runtime {
    /// The multi-threaded runtime of long calls.
    pub workers: Handle,
    /// Calls that compute at most this long stay on the caller's thread.
    pub inline_limit: Duration,
}

impl Runtime {
    /// Calls above 300 µs are handed over, a few times what a hand-over costs.
    #[must_use]
    pub const fn new(workers: Handle) -> Self {
        Self { workers, inline_limit: Duration::from_micros(300) }
    }
}

/// What a service is doing at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceSignals {
    /// Requests admitted and not answered yet.
    pub in_flight: usize,
    /// Its replicas; nothing for a no-code service.
    pub pool: Option<scorehost_pool::PoolSignals>,
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
    Scorer(Scorer),
}

/// A service: its limits and statistics, and the way its requests go.
pub struct RoutedService {
    status: ServiceStatus,
    admission: Admission,
    in_flight: InFlight,
    statistics: Arc<ServiceStatistics>,
    clock: Arc<dyn Clock>,
    way: Way,
}

impl RoutedService {
    /// A service that answers with a model.
    #[must_use]
    pub fn no_code(spec: &ServiceSpec, version: ServiceVersion, model: Arc<dyn Model>) -> Self {
        let metadata = model.metadata();
        let interface = Interface::Tensors(metadata.signature.clone());
        let status = status(spec, &version, interface, metadata.platform);
        Self::new(spec, status, version, Way::NoCode(model))
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
        let way = Way::Scorer(Scorer::new(pool, runtime, Arc::clone(&version.clock)));
        let status = status(spec, &version, interface, SCORER_PLATFORM);
        Self::new(spec, status, version, way)
    }

    fn new(spec: &ServiceSpec, status: ServiceStatus, version: ServiceVersion, way: Way) -> Self {
        let ServiceVersion { statistics, clock, .. } = version;
        let admission = spec.admission;
        let handled = (spec.scaling.max.max(1) as usize).saturating_mul(admission.requests_per_replica.max(1) as usize);
        let in_flight = InFlight::new(handled.saturating_add(admission.max_queue as usize));
        Self { status, admission, in_flight, statistics, clock, way }
    }

    /// What it is doing.
    #[must_use]
    pub fn signals(&self) -> ServiceSignals {
        let pool = match &self.way {
            Way::NoCode(_) => None,
            Way::Scorer(scorer) => Some(scorer.pool().signals()),
        };
        ServiceSignals { in_flight: self.in_flight.count(), pool }
    }

    /// Gives up idle replicas and waits until every call has ended. For a service that is out of the table.
    pub async fn drain(&self) {
        if let Way::Scorer(scorer) = &self.way {
            scorer.pool().drain().await;
        }
    }

    fn admit(&self) -> Result<Admitted<'_>, Failure> {
        Admitted::enter(&self.in_flight, &self.statistics, &*self.clock).map_err(|in_flight| {
            let failure = Failure::from(RouteError::TooMany { service: self.status.name.clone(), in_flight });
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
        model: &dyn Model,
        request: InferRequest,
        mut call: CallContext,
        admitted: &Admitted<'_>,
    ) -> Result<InferResponse, Failure> {
        let limit = self.limit(&mut call, admitted)?;
        let mut run = model.run(request.inputs, &request.outputs, &call);
        let left = || limit.deadline.remaining(self.clock.now());
        match within(run.as_mut(), left).await {
            Some(Ok(outputs)) => Ok(InferResponse { outputs }),
            Some(Err(failure)) => Err(self.of_model(failure)),
            None => Err(self.late(limit)),
        }
    }

    /// A model does not know whose request it refuses.
    fn of_model(&self, failure: Failure) -> Failure {
        if failure.kind != scorehost_core::ErrorKind::Overloaded {
            return failure;
        }
        RouteError::Model { service: self.status.name.clone(), failure }.into()
    }
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
    ServiceStatus { name: spec.name.clone(), version, interface, platform, models }
}

impl Service for RoutedService {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(async move {
            let mut admitted = self.admit()?;
            let outcome = match &self.way {
                Way::NoCode(model) => self.infer_no_code(&**model, request, call, &admitted).await,
                Way::Scorer(scorer) => self.infer_scorer(scorer, request, call, &mut admitted).await,
            };
            admitted.finish(outcome)
        })
    }

    fn score<'a>(&'a self, request: RawRequest, call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(async move {
            let mut admitted = self.admit()?;
            let outcome = match &self.way {
                Way::NoCode(_) => Err(RouteError::NotBody { service: self.status.name.clone() }.into()),
                Way::Scorer(scorer) => self.score_scorer(scorer, request, call, &mut admitted).await,
            };
            admitted.finish(outcome)
        })
    }
}

#[cfg(test)]
mod tests;
