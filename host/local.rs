//! `scorehost run`: one scoring call in this process, on the same engine, devices and rules as a server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use scorehost_batcher::{DispatchConfig, Dispatcher};
use scorehost_cli::{LocalModel, RunOptions, RunReport};
use scorehost_core::{
    Admission, CallContext, Clock, Collector, DeployedModel, Failure, Grants, LogLevel, Logs, ModelFiles, ModelSet,
    RawRequest, RawResponse, Scaling, ScorerRef, Service, ServiceName, ServiceSpec, SystemClock, Tensor,
};
use scorehost_device::{Devices, ModelSource};
use scorehost_ingress::score_once;
use scorehost_memory::{MemoryConfig, ModelMemory};
use scorehost_pool::{Pool, PoolConfig};
use scorehost_router::{Executor, RoutedService, Runtime, ServiceVersion};
use scorehost_scorer::{Engine, EngineConfig, Environment, Scorer};
use scorehost_telemetry::Statistics;

use crate::accelerators::Wishes;
use crate::guest_graphs::GuestGraphs;
use crate::server::{cores, device_config};

/// Scores one body.
///
/// # Errors
/// Where the component, a model or the machine does not allow a call at all; a call that fails is in the report.
pub(crate) fn run(options: RunOptions) -> Result<RunReport, Failure> {
    let workers = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::internal)?;
    let prints = Arc::new(Prints::default());
    let mut timings = Timings::default();
    let bench = Bench::new(&options)?;
    let scorer = timings.step("compile", || Ok(bench.engine.compile(&options.component)?))?;
    let models = timings.step("load models", || bench.models(&options.models))?;
    let service = timings.step("init", || {
        workers.block_on(bench.service(&options, scorer, models, Arc::clone(&prints) as _, workers.handle().clone()))
    });
    let outcome = match service {
        Ok(service) => timings.step("run", || workers.block_on(score(&service, options))),
        Err(failure) => Err(failure),
    };
    workers.shutdown_background();
    Ok(RunReport { outcome, prints: prints.take(), timings: timings.0 })
}

async fn score(service: &Arc<dyn Service>, options: RunOptions) -> Result<RawResponse, Failure> {
    let request = RawRequest {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        body: options.body.into(),
        content_type: Some(options.content_type),
    };
    score_once(service, request, CallContext::new("local")).await
}

/// What a local run shares with a server: engine, devices, dispatcher.
struct Bench {
    engine: Engine,
    devices: Arc<Devices>,
    dispatcher: Arc<Dispatcher>,
    clock: Arc<dyn Clock>,
}

impl Bench {
    fn new(options: &RunOptions) -> Result<Self, Failure> {
        let config = EngineConfig { cache_dir: cache_dir(), max_replicas: 4, ..EngineConfig::default() };
        Ok(Self {
            engine: Engine::new(config)?,
            devices: Arc::new(crate::accelerators::discover(
                device_config(options.onnxruntime.clone(), None, cores()),
                None,
                Wishes::default(),
            )),
            dispatcher: Arc::new(Dispatcher::new(DispatchConfig::default())?),
            clock: Arc::new(SystemClock),
        })
    }

    fn models(&self, models: &[LocalModel]) -> Result<Vec<DeployedModel>, Failure> {
        models.iter().map(|model| self.model(model)).collect()
    }

    fn model(&self, model: &LocalModel) -> Result<DeployedModel, Failure> {
        let id: scorehost_core::ModelId = format!("{}:1", model.name).parse()?;
        let files = LocalFiles::of(&model.path)?;
        let callable = match files.graph() {
            Some(path) => {
                let graph = self.devices.load(ModelSource::File(path))?;
                Some(self.dispatcher.model(id.clone(), graph))
            }
            None => None,
        };
        Ok(DeployedModel { id, model: callable, files: Arc::new(files) })
    }

    async fn service(
        &self,
        options: &RunOptions,
        scorer: Scorer,
        models: Vec<DeployedModel>,
        logs: Arc<dyn Logs>,
        workers: tokio::runtime::Handle,
    ) -> Result<Arc<dyn Service>, Failure> {
        let spec = spec(options, &scorer, &models)?;
        let memory = ModelMemory::new(MemoryConfig::default(), Arc::clone(&self.clock), workers.clone());
        let loader = GuestGraphs::new(Arc::clone(&self.devices), Arc::clone(&self.dispatcher), memory);
        let factory = scorer.factory(Environment {
            service: spec.name.clone(),
            version: Arc::clone(spec.version.as_str()),
            models: ModelSet::new(models),
            loader: Arc::new(loader),
            services: Arc::new(crate::calls::Alone),
            logs,
            collector: Arc::new(NothingCollected),
            variables: spec.variables.clone(),
            grants: spec.grants.clone(),
            scoring_timeout: spec.admission.scoring_timeout,
        });
        let pool = Pool::new(factory, PoolConfig::of(&spec), workers.clone(), Arc::clone(&self.clock));
        let interface = pool.warm().await?;
        let version = Arc::clone(spec.version.as_str());
        let statistics = Statistics::new(&*self.clock).service(&spec.name, &version);
        let version = ServiceVersion { version, statistics, clock: Arc::clone(&self.clock) };
        let executor = Executor::start(1, &workers).map_err(Failure::internal)?;
        Ok(Arc::new(RoutedService::scorer(&spec, version, interface, pool, Runtime::new(executor))))
    }
}

fn spec(options: &RunOptions, scorer: &Scorer, models: &[DeployedModel]) -> Result<ServiceSpec, Failure> {
    let name: ServiceName = "local-run".parse()?;
    let admission = Admission { scoring_timeout: options.timeout, ..Admission::default() };
    let (clock, random) = (options.clock, options.random);
    let (memory_bytes, outbound) = (options.memory_bytes, options.outbound.clone());
    let grants = Grants { memory_bytes, clock, random, outbound, ..Grants::default() };
    Ok(ServiceSpec {
        scorer: Some(ScorerRef { component: scorer.digest() }),
        models: models.iter().map(|model| scorehost_core::ModelRef { id: model.id.clone() }).collect(),
        variables: options.variables.clone(),
        admission,
        grants,
        scaling: Scaling::fixed(1),
        ..ServiceSpec::new(name)
    })
}

/// The user's cache folder for compiled components, where the environment names one.
fn cache_dir() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))?;
    base.is_absolute().then(|| base.join("scorehost").join("compiled"))
}

/// How long each step took.
#[derive(Default)]
struct Timings(Vec<(String, Duration)>);

impl Timings {
    fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        let started = Instant::now();
        let result = work();
        self.0.push((name.to_owned(), started.elapsed()));
        result
    }
}

/// Keeps what the scorer printed; bounded, as a service's log is.
#[derive(Default)]
struct Prints(Mutex<Vec<String>>);

/// Lines kept of one local run.
const MAX_LINES: usize = 100_000;

impl Prints {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Logs for Prints {
    fn write(&self, _level: LogLevel, _request_id: &str, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() < MAX_LINES {
            lines.push(line.to_owned());
        }
    }
}

/// A local run stores no collected data.
struct NothingCollected;

impl Collector for NothingCollected {
    fn enabled(&self) -> bool {
        false
    }

    fn tensor(&self, _request_id: &str, _designation: &str, _name: &str, _tensor: &Tensor) {}

    fn json(&self, _request_id: &str, _designation: &str, _document: &str) {}
}

/// A model's files where they lie.
struct LocalFiles {
    folder: PathBuf,
    paths: Vec<String>,
}

impl LocalFiles {
    fn of(path: &Path) -> Result<Self, Failure> {
        let missing = |error: std::io::Error| Failure::not_found(format!("model {}: {error}", path.display()));
        if !path.metadata().map_err(missing)?.is_dir() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            return Ok(Self { folder: path.parent().map(Path::to_owned).unwrap_or_default(), paths: vec![name] });
        }
        let mut paths = Vec::new();
        walk(path, path, &mut paths).map_err(missing)?;
        paths.sort();
        Ok(Self { folder: path.to_owned(), paths })
    }

    fn graph(&self) -> Option<PathBuf> {
        crate::models::graph_path(self.paths.iter().map(String::as_str)).map(|path| self.folder.join(path))
    }
}

fn walk(base: &Path, folder: &Path, paths: &mut Vec<String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            walk(base, &path, paths)?;
        } else if let Some(text) = path.strip_prefix(base).ok().and_then(Path::to_str) {
            paths.push(text.to_owned());
        }
    }
    Ok(())
}

impl ModelFiles for LocalFiles {
    fn paths(&self) -> Vec<String> {
        self.paths.clone()
    }

    fn read(&self, path: &str) -> Result<Bytes, Failure> {
        if !self.paths.iter().any(|known| known == path) {
            let known = self.paths.join(", ");
            return Err(Failure::not_found(format!("the model has no file '{path}'; it has: [{known}]")));
        }
        std::fs::read(self.folder.join(path)).map(Bytes::from).map_err(Failure::internal)
    }
}
