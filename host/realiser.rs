//! Builds one service from its description: models loaded, component compiled, pool warm.

use std::sync::Arc;

use scorehost_auth::Gatekeeper;
use scorehost_core::{
    Access, BoxFuture, Clock, Collector, DeployedModel, Failure, GraphLoader, Logs, ModelSet, ScorerRef, Service,
    ServiceName, ServiceSpec, Services, VersionKey,
};
use scorehost_pool::{Pool, PoolConfig};
use scorehost_registry::Registry;
use scorehost_router::{RoutedService, Runtime, ServiceVersion};
use scorehost_scorer::{Engine, Environment};
use scorehost_telemetry::{Comparisons, DataCollector, LogBook, Recorder, ServiceStatistics, Statistics, Witnessed};

use crate::gate::ComponentGate;
use crate::metrics::LiveVersions;
use crate::models::Models;
use crate::reconciler::Realise;
use crate::scaling::Autoscaler;
use crate::warm_up::Rehearsal;

/// Everything that services are built from.
pub(crate) struct Realiser {
    pub(crate) registry: Arc<Registry>,
    pub(crate) models: Arc<Models>,
    pub(crate) loader: Arc<dyn GraphLoader>,
    pub(crate) services: Arc<dyn Services>,
    pub(crate) engine: Arc<Engine>,
    pub(crate) logs: Arc<LogBook>,
    pub(crate) collector: Arc<DataCollector>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) live: Arc<LiveVersions>,
    pub(crate) comparisons: Arc<Comparisons>,
    pub(crate) gatekeeper: Arc<Gatekeeper>,
    pub(crate) gate: Arc<ComponentGate>,
    pub(crate) autoscaler: Arc<Autoscaler>,
    pub(crate) workers: tokio::runtime::Handle,
    pub(crate) calls: Runtime,
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
            None => self.no_code(spec, models, report).await,
            Some(scorer) => self.scorer(spec, scorer, models, report).await,
        }
    }

    async fn load_models(self: &Arc<Self>, spec: &Arc<ServiceSpec>) -> Result<Vec<DeployedModel>, Failure> {
        let mut models = Vec::with_capacity(spec.models.len());
        for model in &spec.models {
            models.push(self.models.load(model, spec).await?);
        }
        Ok(models)
    }

    async fn no_code(
        &self,
        spec: &Arc<ServiceSpec>,
        models: Vec<DeployedModel>,
        report: &(dyn Fn(&str) + Sync),
    ) -> Result<Arc<RoutedService>, Failure> {
        let [model] = models.as_slice() else {
            let count = models.len();
            return Err(Failure::invalid(format!("a service without a scorer has exactly one model, not {count}"))
                .with_hint("name one model, or deploy with --scorer"));
        };
        let callable = model.model.clone().ok_or_else(|| {
            Failure::invalid(format!("model {} holds no .onnx file, so it cannot answer requests itself", model.id))
                .with_hint("deploy it with a scorer that reads its files")
        })?;
        let service =
            |version| Arc::new(RoutedService::no_code(spec, version, Arc::clone(&callable), self.calls.clone()));
        // A model that is not loaded while the host starts is one that does not fit: its request would push out those that do.
        let cold = self.models.are_cold(&spec.models);
        if let Some(rehearsal) = Rehearsal::of(spec, &self.clock).filter(|_| !cold) {
            report("warming up");
            // Counted apart: nobody asked for these requests.
            let scratch = Statistics::new(&*self.clock).service(&spec.name, spec.version.as_str());
            let rehearsing: Arc<dyn Service> = service(self.version(spec, scratch));
            rehearsal.run(&rehearsing).await?;
        }
        Ok(service(self.version(spec, self.counters(spec))))
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
            this.gate.recheck(&scorer.component)?;
            let component = this.registry.read_blob(&scorer.component)?;
            Ok(this.engine.compile(&component)?)
        })
        .await?;
        report("starting replicas");
        let mut factory = compiled.factory(self.environment(spec, models));
        if let Some(rehearsal) = Rehearsal::of(spec, &self.clock) {
            factory = rehearsal.before(factory, spec);
        }
        let pool = Pool::new(factory, PoolConfig::of(spec), self.workers.clone(), Arc::clone(&self.clock));
        let interface = pool.warm().await?;
        let runtime = self.calls.clone();
        Ok(Arc::new(RoutedService::scorer(spec, self.version(spec, self.counters(spec)), interface, pool, runtime)))
    }

    fn counters(&self, spec: &ServiceSpec) -> Arc<ServiceStatistics> {
        self.statistics.service(&spec.name, spec.version.as_str())
    }

    fn version(&self, spec: &ServiceSpec, statistics: Arc<ServiceStatistics>) -> ServiceVersion {
        ServiceVersion { version: Arc::clone(spec.version.as_str()), statistics, clock: Arc::clone(&self.clock) }
    }

    fn environment(&self, spec: &ServiceSpec, models: Vec<DeployedModel>) -> Environment {
        let logs: Arc<dyn Logs> = self.logs.writer(&spec.name, spec.version.as_str());
        let collector: Arc<dyn Collector> = DataCollector::of_scorer(self.collector.service(spec).as_ref());
        Environment {
            service: spec.name.clone(),
            version: Arc::clone(spec.version.as_str()),
            models: ModelSet::new(models),
            loader: Arc::clone(&self.loader),
            services: Arc::clone(&self.services),
            logs,
            collector,
            variables: spec.variables.clone(),
            grants: spec.grants.clone(),
            scoring_timeout: spec.admission.scoring_timeout,
        }
    }
}

impl Realise for Arc<Realiser> {
    type Version = RoutedService;

    fn realise<'a>(
        &'a self,
        spec: &'a Arc<ServiceSpec>,
        report: &'a (dyn Fn(&str) + Sync),
    ) -> BoxFuture<'a, Result<Arc<RoutedService>, Failure>> {
        Box::pin(async move {
            let version = Realiser::realise(self, spec, report).await?;
            self.live.add(&version);
            Ok(version)
        })
    }

    fn face(&self, spec: &Arc<ServiceSpec>, version: &Arc<RoutedService>) -> Arc<dyn Service> {
        Witnessed::of(Arc::clone(version) as _, self.collector.service(spec), self.recorder.service(spec))
    }

    fn went_live(&self, spec: &Arc<ServiceSpec>, version: &Arc<RoutedService>) {
        if let Some(pool) = version.pool() {
            self.autoscaler.went_live(spec, pool);
        }
    }

    fn rescale(&self, spec: &Arc<ServiceSpec>, _version: &Arc<RoutedService>) {
        self.autoscaler.rescale(spec);
    }

    fn drain(&self, version: Arc<RoutedService>) {
        if let Some(pool) = version.pool() {
            self.autoscaler.leave(pool);
        }
        tokio::spawn(async move { version.drain().await });
    }

    fn open(&self, name: &ServiceName, access: &Access) {
        self.gatekeeper.set(name, access);
    }

    fn close(&self, name: &ServiceName) {
        self.gatekeeper.remove(name);
    }

    fn forget_version(&self, key: &VersionKey) {
        self.statistics.remove_version(&key.service, key.version.as_str());
        self.comparisons.remove_version(&key.service, key.version.as_str());
    }

    fn forget(&self, service: &ServiceName) {
        let (recorder, name) = (Arc::clone(&self.recorder), service.clone());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = recorder.remove(&name, None) {
                tracing::warn!(service = %name, %error, "recorded requests of a deleted service are left");
            }
        });
        self.logs.remove(service);
        self.statistics.remove(service);
        self.comparisons.remove(service);
    }
}

/// Runs blocking work apart from the runtime's own threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(Failure::internal)?
}
