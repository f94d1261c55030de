//! Builds one service from its description: models loaded, component compiled, pool warm.

use std::sync::Arc;

use scorehost_core::{
    Clock, Collector, DeployedModel, Failure, GraphLoader, Logs, ModelSet, ScorerRef, ServiceName, ServiceSpec,
};
use scorehost_pool::{Pool, PoolConfig};
use scorehost_registry::Registry;
use scorehost_router::{RoutedService, Runtime, ServiceVersion};
use scorehost_scorer::{Engine, Environment};
use scorehost_telemetry::{DataCollector, LogBook, Statistics};

use crate::models::Models;

/// Everything that services are built from.
pub(crate) struct Realiser {
    pub(crate) registry: Arc<Registry>,
    pub(crate) models: Arc<Models>,
    pub(crate) loader: Arc<dyn GraphLoader>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) logs: Arc<LogBook>,
    pub(crate) collector: Arc<DataCollector>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) workers: tokio::runtime::Handle,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Realiser {
    /// Builds the service; `report` hears of each phase.
    ///
    /// # Errors
    /// The first failure of any part, as the deployer should read it.
    pub(crate) async fn realise(
        self: &Arc<Self>,
        spec: &Arc<ServiceSpec>,
        report: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<RoutedService>, Failure> {
        report("loading models");
        let models = self.load_models(spec).await?;
        match spec.scorer {
            None => self.no_code(spec, models),
            Some(scorer) => self.scorer(spec, scorer, models, report).await,
        }
    }

    /// Drops what was kept of a service that is gone: its log and its counters.
    pub(crate) fn forget(&self, service: &ServiceName) {
        self.logs.remove(service);
        self.statistics.remove(service);
    }

    async fn load_models(self: &Arc<Self>, spec: &Arc<ServiceSpec>) -> Result<Vec<DeployedModel>, Failure> {
        let (this, spec) = (Arc::clone(self), Arc::clone(spec));
        blocking(move || spec.models.iter().map(|model| this.models.load(model, &spec.admission)).collect()).await
    }

    fn no_code(&self, spec: &Arc<ServiceSpec>, models: Vec<DeployedModel>) -> Result<Arc<RoutedService>, Failure> {
        let [model] = models.as_slice() else {
            let count = models.len();
            return Err(Failure::invalid(format!("a service without a scorer has exactly one model, not {count}"))
                .with_hint("name one model, or deploy with --scorer"));
        };
        let callable = model.model.clone().ok_or_else(|| {
            Failure::invalid(format!("model {} holds no .onnx file, so it cannot answer requests itself", model.id))
                .with_hint("deploy it with a scorer that reads its files")
        })?;
        Ok(Arc::new(RoutedService::no_code(spec, self.version(spec), callable)))
    }

    async fn scorer(
        self: &Arc<Self>,
        spec: &Arc<ServiceSpec>,
        scorer: ScorerRef,
        models: Vec<DeployedModel>,
        report: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<RoutedService>, Failure> {
        report("compiling the scorer");
        let this = Arc::clone(self);
        let compiled = blocking(move || {
            let component = this.registry.read_blob(&scorer.component)?;
            Ok(this.engine.compile(&component)?)
        })
        .await?;
        report("starting replicas");
        let factory = compiled.factory(self.environment(spec, models));
        let pool = Pool::new(factory, PoolConfig::of(spec), self.workers.clone(), Arc::clone(&self.clock));
        let interface = pool.warm().await?;
        let runtime = Runtime::new(self.workers.clone());
        Ok(Arc::new(RoutedService::scorer(spec, self.version(spec), interface, pool, runtime)))
    }

    fn version(&self, spec: &ServiceSpec) -> ServiceVersion {
        let version = Arc::clone(spec.version.as_str());
        let statistics = self.statistics.service(&spec.name, &version);
        ServiceVersion { version, statistics, clock: Arc::clone(&self.clock) }
    }

    fn environment(&self, spec: &ServiceSpec, models: Vec<DeployedModel>) -> Environment {
        let logs: Arc<dyn Logs> = self.logs.service(&spec.name);
        let collector: Arc<dyn Collector> =
            self.collector.service(&spec.name, spec.version.as_str(), spec.collection.is_some());
        Environment {
            service: spec.name.clone(),
            version: Arc::clone(spec.version.as_str()),
            models: ModelSet::new(models),
            loader: Arc::clone(&self.loader),
            logs,
            collector,
            variables: spec.variables.clone(),
            grants: spec.grants.clone(),
            scoring_timeout: spec.admission.scoring_timeout,
        }
    }
}

/// Runs blocking work apart from the runtime's own threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)?
}
