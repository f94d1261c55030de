//! Services: deploy, list, show, delete, restore.

use std::collections::BTreeSet;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use scorehost_core::{Clock, Digest, Failure, ModelRef, ScorerRef, ServiceName, ServiceSpec};
use scorehost_registry::{RegisteredModel, Registry};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore};

use crate::body::{self, Body, BodyError};
use crate::catalog::{Catalog, Stored};
use crate::deploy::{Change, open};
use crate::desired::{Board, Observed};
use crate::files::DeploymentConfig;
use crate::models::{find, known};
use crate::operations::{Operations, Progress};
use crate::routes::{Query, Routes, routes};
use crate::{ControlConfig, ControlError, Facts, ServiceLogs, document, respond, wire};

/// The management API of one host. Clones share everything.
#[derive(Clone)]
pub struct Control(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: ControlConfig,
    pub(crate) logs: Arc<dyn ServiceLogs>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) runtime: Handle,
    pub(crate) board: Arc<Board>,
    pub(crate) catalog: Catalog,
    pub(crate) operations: Operations,
    pub(crate) routes: Routes,
    pub(crate) followers: Arc<Semaphore>,
    /// Held between looking a model up and beginning to use it, and while one is deleted.
    pub(crate) models_gate: Mutex<()>,
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
}

impl Control {
    /// A management API over a registry. `runtime` carries operations and blocking calls; it is not the data plane's.
    #[must_use]
    pub fn new(
        registry: Arc<Registry>,
        config: ControlConfig,
        logs: Arc<dyn ServiceLogs>,
        clock: Arc<dyn Clock>,
        runtime: Handle,
    ) -> Self {
        Self(Arc::new(Inner {
            operations: Operations::new(Arc::clone(&clock), config.max_operations),
            followers: Arc::new(Semaphore::new(config.max_followers)),
            registry,
            config,
            logs,
            clock,
            runtime,
            board: Arc::default(),
            catalog: Catalog::default(),
            routes: routes(),
            models_gate: Mutex::default(),
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

    /// Puts every stored service on the board, and removes contents that nothing refers to. Returns how many services
    /// should run. A description that cannot be read is reported in the log and kept.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub async fn restore(&self) -> Result<usize, Failure> {
        let documents = self.0.store(|registry| registry.documents(document::KIND)).await?;
        let mut running = 0;
        let mut components = BTreeSet::new();
        let mut complete = true;
        for (key, content) in documents {
            match document::decode(&key, &content) {
                Ok(stored) => {
                    components.extend(stored.spec.scorer.map(|scorer| scorer.component));
                    running += usize::from(stored.running);
                    self.put_back(stored);
                }
                Err(error) => {
                    complete = false;
                    tracing::error!(service = key, %error, "a stored service is not restored");
                }
            }
        }
        // An unreadable description may refer to a component, so then nothing is removed.
        if complete {
            self.0.store(move |registry| registry.collect_garbage(&components).map(drop)).await?;
        }
        Ok(running)
    }

    fn put_back(&self, stored: Stored) {
        if stored.running {
            self.0.board.put_endpoint(open(&stored.spec));
            self.0.board.put(Arc::clone(&stored.spec));
        }
        let name = stored.spec.name.clone();
        self.0.catalog.store(&name, Some(stored));
    }

    pub(crate) async fn deploy<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let name: ServiceName = name.parse()?;
        let content = body::read(content, self.0.config.max_json_bytes).await?;
        let deployment: wire::Deployment = body::json(&content)?;
        let config = match &deployment.deployment {
            Some(value) => DeploymentConfig::from_value(value)?,
            None => DeploymentConfig::default(),
        };
        config.check_supported()?;
        let warnings = config.warnings();
        let progress = self.deploy_service(name, deployment, &config, warnings).await?;
        Ok(accepted(&progress))
    }

    /// Checks a deployment against the registry and starts its operation.
    pub(crate) async fn deploy_service(
        &self,
        name: ServiceName,
        deployment: wire::Deployment,
        config: &DeploymentConfig,
        warnings: Vec<String>,
    ) -> Result<Arc<Progress>, Failure> {
        let scorer = deployment.scorer.as_deref().map(str::parse::<Digest>).transpose()?;
        let models = deployment.models;
        let _gate = self.0.models_gate.lock().await;
        let models = self.0.store(move |registry| resolve(registry, &models, scorer.as_ref())).await?;
        let spec = ServiceSpec {
            scorer: scorer.map(|component| ScorerRef { component }),
            models,
            variables: deployment.variables,
            admission: config.admission(),
            scaling: config.scaling(),
            grants: config.grants(),
            collection: config.collection(),
            ..ServiceSpec::new(name.clone())
        };
        Ok(self.launch("deploy", &name, Change::Run(Arc::new(spec)), warnings)?)
    }

    pub(crate) fn services(&self) -> Result<Response<Body>, Failure> {
        let services = self.0.catalog.list().iter().map(|(stored, operation)| self.shown(stored, operation)).collect();
        Ok(respond::json(StatusCode::OK, &wire::Services { services }))
    }

    pub(crate) fn service(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (stored, operation) = self.known_service(&name.parse()?)?;
        Ok(respond::json(StatusCode::OK, &self.shown(&stored, &operation)))
    }

    pub(crate) fn delete_service(&self, name: &str) -> Result<Response<Body>, Failure> {
        let name: ServiceName = name.parse()?;
        self.known_service(&name)?;
        Ok(accepted(&*self.launch("delete", &name, Change::Delete, Vec::new())?))
    }

    /// A service, or an error that names those there are.
    pub(crate) fn known_service(&self, name: &ServiceName) -> Result<(Stored, Option<String>), ControlError> {
        self.0.catalog.get(name).ok_or_else(|| {
            let names = self.0.catalog.list().into_iter().map(|(stored, _)| stored.spec.name.to_string());
            ControlError::NoService { service: name.to_string(), known: known(names) }
        })
    }

    fn shown(&self, stored: &Stored, operation: &Option<String>) -> wire::Service {
        let spec = &stored.spec;
        let (state, message) = match self.0.board.observed(&spec.key()) {
            Some(Observed::Ready) => (wire::ServiceState::Healthy, None),
            Some(Observed::Progressing { phase }) => (wire::ServiceState::Transitioning, Some(phase)),
            Some(Observed::Failed(failure)) => (wire::ServiceState::Failed, Some(failure.to_string())),
            Some(Observed::Gone) | None if stored.running => (wire::ServiceState::Transitioning, None),
            Some(Observed::Gone) | None => (wire::ServiceState::Stopped, None),
        };
        wire::Service {
            name: spec.name.to_string(),
            state,
            message,
            kind: if spec.scorer.is_some() { "scorer" } else { "no-code" }.to_owned(),
            scorer: spec.scorer.map(|scorer| scorer.component.to_string()),
            models: spec.models.iter().map(|model| model.id.to_string()).collect(),
            variables: spec.variables.keys().cloned().collect(),
            settings: settings(spec),
            operation: operation.clone(),
            scoring_path: format!("/api/v1/service/{}/score", spec.name),
            inference_path: format!("/v2/models/{}", spec.name),
            created: stored.created,
            updated: stored.updated,
        }
    }

    pub(crate) fn operations(&self) -> Result<Response<Body>, Failure> {
        Ok(respond::json(StatusCode::OK, &wire::Operations { operations: self.0.operations.list() }))
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
        Ok(accepted(&progress))
    }

    fn known_operation(&self, id: &str) -> Result<Arc<Progress>, ControlError> {
        self.0.operations.get(id).ok_or_else(|| ControlError::NoOperation { id: id.to_owned() })
    }

    pub(crate) fn devices(&self) -> Result<Response<Body>, Failure> {
        Ok(respond::json(StatusCode::OK, &wire::Devices { devices: self.facts().devices }))
    }

    pub(crate) fn version(&self) -> Result<Response<Body>, Failure> {
        let Facts { version, http, grpc, .. } = self.facts();
        Ok(respond::json(StatusCode::OK, &wire::Version { version, http, grpc }))
    }

    fn facts(&self) -> Facts {
        self.0.facts.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

fn accepted(progress: &Progress) -> Response<Body> {
    respond::json(StatusCode::ACCEPTED, &progress.current())
}

fn settings(spec: &ServiceSpec) -> wire::Settings {
    wire::Settings {
        min_replicas: spec.scaling.min,
        max_replicas: spec.scaling.max,
        max_concurrent_requests_per_container: spec.admission.requests_per_replica,
        max_queue_wait_ms: spec.admission.max_queue_wait.as_millis() as u64,
        max_queue: spec.admission.max_queue,
        scoring_timeout_ms: spec.admission.scoring_timeout.as_millis() as u64,
        memory_bytes: spec.grants.memory_bytes,
        collect: spec.collection.is_some(),
    }
}

/// Looks up everything that a deployment names.
fn resolve(registry: &Registry, names: &[String], scorer: Option<&Digest>) -> Result<Vec<ModelRef>, Failure> {
    let models: Vec<RegisteredModel> = names.iter().map(|name| find(registry, name)).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    if let Some(model) = models.iter().find(|model| !seen.insert(&model.id)) {
        return Err(ControlError::RepeatedModel { model: model.id.clone() }.into());
    }
    match scorer {
        Some(digest) if registry.blob_size(digest)?.is_none() => {
            return Err(ControlError::NoComponent { digest: *digest }.into());
        }
        Some(_) => {}
        None => check_no_code(&models)?,
    }
    Ok(models.into_iter().map(|model| ModelRef { id: model.id }).collect())
}

fn check_no_code(models: &[RegisteredModel]) -> Result<(), ControlError> {
    let [model] = models else { return Err(ControlError::NoCodeModels { count: models.len() }) };
    if has_graph(model) {
        return Ok(());
    }
    let files = known(model.files.iter().map(|file| file.path.clone()));
    Err(ControlError::NoGraph { model: model.id.clone(), files })
}

/// Whether a model has a file that can be a graph.
pub(crate) fn has_graph(model: &RegisteredModel) -> bool {
    model.files.iter().any(|file| file.path.to_ascii_lowercase().ends_with(".onnx"))
}
