//! The management API of one host: what it holds, and what it tells of services and operations.

use std::sync::{Arc, OnceLock, RwLock};
use std::time::Duration;

use http::{Response, StatusCode};
use scorehost_auth::Gatekeeper;
use scorehost_core::{Clock, Failure, ServiceName};
use scorehost_registry::Registry;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore};

use crate::access::NewKey;
use crate::body::Body;
use crate::catalog::{Catalog, Service};
use crate::desired::Board;
use crate::models::known;
use crate::operations::{Operations, Progress, millis};
use crate::plan::{Context, Plan};
use crate::routes::{Query, Routes, routes};
use crate::show::{add_replicas, add_to_versions, service_shown, versions_shown};
use crate::{ControlConfig, ControlError, Facts, Gate, Recordings, Reports, ServiceLogs, respond, wire};

/// The management API of one host. Clones share everything.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<Inner>);

/// What the management API works with.
pub struct Neighbours {
    /// Models, components and documents.
    pub registry: Arc<Registry>,
    /// Logs of services.
    pub logs: Arc<dyn ServiceLogs>,
    /// What versions of services did.
    pub reports: Arc<dyn Reports>,
    /// Tokens of services, and management credentials.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Makes the keys of new services.
    pub new_key: Arc<NewKey>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Carries operations and blocking calls; it is not the data plane's.
    pub runtime: Handle,
}

pub(crate) struct Inner {
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: ControlConfig,
    pub(crate) logs: Arc<dyn ServiceLogs>,
    pub(crate) reports: Arc<dyn Reports>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) new_key: Arc<NewKey>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    pub(crate) board: Arc<Board>,
    pub(crate) catalog: Catalog,
    pub(crate) operations: Operations,
    pub(crate) routes: Routes,
    pub(crate) followers: Arc<Semaphore>,
    /// Held between looking a model up and beginning to use it, and while one is deleted.
    pub(crate) models_gate: Mutex<()>,
    /// Judges components; where none is set, every component is let in.
    pub(crate) gate: OnceLock<Arc<dyn Gate>>,
    /// Recorded requests of services.
    pub(crate) recordings: OnceLock<Arc<dyn Recordings>>,
    facts: RwLock<Facts>,
}

impl Inner {
    /// Calls the registry, which blocks, off this thread.
    pub(crate) async fn store<T, E>(
        self: &Arc<Self>,
        call: impl FnOnce(&Registry) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        E: Into<Failure> + Send + 'static,
    {
        let registry = Arc::clone(&self.registry);
        self.runtime.spawn_blocking(move || call(&registry)).await.map_err(Failure::internal)?.map_err(Into::into)
    }

    /// What plans are made with, at this moment.
    pub(crate) fn context(&self) -> Context<'_> {
        let now = millis(&*self.clock) / 1000;
        Context { max_versions: self.config.max_versions, now, new_key: &*self.new_key }
    }
}

impl Control {
    /// A management API over its neighbours.
    #[must_use]
    pub fn new(neighbours: Neighbours, config: ControlConfig) -> Self {
        let Neighbours { registry, logs, reports, gatekeeper, new_key, clock, runtime } = neighbours;
        Self(Arc::new(Inner {
            operations: Operations::new(Arc::clone(&clock), config.max_operations),
            followers: Arc::new(Semaphore::new(config.max_followers)),
            registry,
            config,
            logs,
            reports,
            gatekeeper,
            new_key,
            clock,
            runtime,
            board: Arc::default(),
            catalog: Catalog::default(),
            routes: routes(),
            models_gate: Mutex::default(),
            gate: OnceLock::new(),
            recordings: OnceLock::new(),
            facts: RwLock::default(),
        }))
    }

    /// Where this control writes what should run.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.0.board)
    }

    /// Tells what `GET /version` and `GET /devices` answer, once the ports are bound.
    pub fn announce(&self, facts: Facts) {
        *self.0.facts.write().unwrap_or_else(std::sync::PoisonError::into_inner) = facts;
    }

    pub(crate) fn services(&self) -> Result<Response<Body>, Failure> {
        let services = self.0.catalog.list();
        let live = self.0.reports.replicas();
        let services = services.into_iter().map(|(service, operation)| {
            let mut shown = service_shown(&self.0.board, &service, operation);
            add_replicas(&mut shown, &live);
            shown
        });
        Ok(respond::json(StatusCode::OK, &wire::Services { services: services.collect() }))
    }

    pub(crate) async fn service(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (service, operation) = self.known_service(&name.parse()?)?;
        let mut shown = service_shown(&self.0.board, &service, operation);
        add_replicas(&mut shown, &self.0.reports.replicas());
        if let Some(spec) = service.versions.get(service.default()).map(|version| Arc::clone(&version.spec)) {
            let component = spec.scorer.map(|scorer| scorer.component);
            shown.manifest = self.manifest(component, spec.grants.clone()).await;
        }
        Ok(respond::json(StatusCode::OK, &shown))
    }

    pub(crate) fn versions(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (service, _) = self.known_service(&name.parse()?)?;
        let mut versions = versions_shown(&self.0.board, &service);
        add_to_versions(service.name().as_str(), &mut versions, &self.0.reports.replicas());
        Ok(respond::json(StatusCode::OK, &wire::ServiceVersions { versions }))
    }

    pub(crate) async fn delete_service(&self, name: &str) -> Result<Response<Body>, Failure> {
        let name: ServiceName = name.parse()?;
        let progress = self.launch_existing("delete", &name, Vec::new(), |_, _| Ok(Plan::delete()))?;
        Ok(accepted(&progress).await)
    }

    /// A service with the operation under way, or an error that names those there are.
    pub(crate) fn known_service(&self, name: &ServiceName) -> Result<(Service, Option<String>), ControlError> {
        self.0.catalog.get(name).ok_or_else(|| {
            let names = self.0.catalog.list().into_iter().map(|(service, _)| service.name().to_string());
            ControlError::NoService { service: name.to_string(), known: known(names) }
        })
    }

    pub(crate) fn operations(&self, query: &Query) -> Result<Response<Body>, Failure> {
        let operations = self.0.operations.list(query.get("service"));
        Ok(respond::json(StatusCode::OK, &wire::Operations { operations }))
    }

    pub(crate) async fn operation(&self, id: &str, query: &Query) -> Result<Response<Body>, Failure> {
        let progress = self.known_operation(id)?;
        let wait = Duration::from_secs(query.number("wait", 0)?.min(30));
        let operation = progress.after(query.number("after", 0)?, wait).await;
        Ok(respond::json(StatusCode::OK, &operation))
    }

    pub(crate) fn cancel(&self, id: &str) -> Result<Response<Body>, Failure> {
        let progress = self.known_operation(id)?;
        let operation = progress.current();
        if operation.state.finished() {
            return Err(ControlError::Finished { id: operation.id, state: operation.state.name() }.into());
        }
        progress.cancel();
        Ok(respond::json(StatusCode::ACCEPTED, &progress.current()))
    }

    fn known_operation(&self, id: &str) -> Result<Arc<Progress>, ControlError> {
        self.0.operations.get(id).ok_or_else(|| ControlError::NoOperation { id: id.to_owned() })
    }

    pub(crate) fn devices(&self) -> Result<Response<Body>, Failure> {
        Ok(respond::json(StatusCode::OK, &wire::Devices { devices: self.0.reports.devices() }))
    }

    pub(crate) fn memory(&self) -> Result<Response<Body>, Failure> {
        Ok(respond::json(StatusCode::OK, &self.0.reports.memory()))
    }

    pub(crate) fn version(&self) -> Result<Response<Body>, Failure> {
        let Facts { version, http, grpc } = self.facts();
        Ok(respond::json(StatusCode::OK, &wire::Version { version, http, grpc }))
    }

    fn facts(&self) -> Facts {
        self.0.facts.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// The answer to what starts an operation, once its record is on the disk: an id that was told is known after a restart.
pub(crate) async fn accepted(progress: &Progress) -> Response<Body> {
    progress.recorded().await;
    respond::json(StatusCode::ACCEPTED, &progress.current())
}
