//! `scorehost serve`: everything put together, from an empty process to open doors and back.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use scorehost_batcher::{DispatchConfig, Dispatcher};
use scorehost_cli::{Limit, ServeOptions};
use scorehost_control::client::Lent;
use scorehost_control::{Control, ControlConfig, Facts, Neighbours};
use scorehost_core::{Clock, DeviceKind, Failure, Placement, Precision, SystemClock};
use scorehost_device::{DeviceConfig, SmallModels};
use scorehost_ingress::{Bound, Doors, Ingress, IngressConfig, Limits, MetricsDoor, Observe, Timeouts};
use scorehost_registry::Registry;
use scorehost_router::{Executor, Mirror, Router, Runtime as CallRuntime};
use scorehost_scorer::{Engine, EngineConfig};
use scorehost_telemetry::{CollectorConfig, Comparisons, DataCollector, Destination, LogBook, Recorder, Statistics};
use tokio::runtime::{Builder, Runtime};

use crate::accelerators::Wishes;
use crate::access::{self, Access};
use crate::calls::ServiceCalls;
use crate::device_memory::DeviceMemory;
use crate::doors::{LogDoor, ManagementDoor, ReportDoor, StatisticsDoor};
use crate::gate::ComponentGate;
use crate::guest_graphs::GuestGraphs;
use crate::machine::Linux;
use crate::metrics::{LiveVersions, Metrics, Rooms};
use crate::model_facts::ModelFacts;
use crate::models::{Models, Workshop};
use crate::observe::Observers;
use crate::realiser::Realiser;
use crate::reconciler::Reconciler;
use crate::replay::RecordingDoor;
use crate::scaling::{Autoscaler, Limits as ReplicaLimits};
use crate::tls;

/// Where devices look for libraries beside the usual places: with the data, and where `deploy/setup.sh` puts them.
pub(crate) fn device_config(onnxruntime: Option<PathBuf>, data_dir: Option<&Path>, threads: usize) -> DeviceConfig {
    let library_dirs = data_dir.map(|dir| dir.join("lib")).into_iter().chain([PathBuf::from(".models/lib")]).collect();
    DeviceConfig { onnxruntime, library_dirs, threads, ..DeviceConfig::default() }
}

/// Part of the machine's memory that loaded models may hold, and that their runs may use, where nobody says: the rest is for
/// replicas, requests and whatever else runs here.
const MODELS_PART: u64 = 2;
const SCRATCH_PART: u64 = 4;

/// A limit as given, or a part of what the machine or its control group has.
fn limit(given: Option<Limit>, part: u64) -> Option<u64> {
    given.map_or_else(|| Some(Linux::new().memory()? / part), Limit::bytes)
}

fn devices_of(options: &ServeOptions, threads: usize) -> DeviceConfig {
    let small_models = match options.small_models {
        scorehost_cli::SmallModels::BuiltIn => SmallModels::BuiltIn,
        scorehost_cli::SmallModels::Onnxruntime => SmallModels::OnnxRuntime,
    };
    let scratch_bytes = limit(options.models.model_scratch, SCRATCH_PART);
    DeviceConfig {
        small_models,
        placement: placement(options),
        scratch_bytes,
        ..device_config(options.onnxruntime.clone(), Some(&options.data_dir), threads)
    }
}

/// Where the models of all services run.
fn placement(options: &ServeOptions) -> Placement {
    use scorehost_cli::{ModelDevice, ModelPrecision};

    Placement {
        device: match options.devices.device {
            ModelDevice::Cpu => DeviceKind::Cpu,
            ModelDevice::Gpu => DeviceKind::Gpu,
            ModelDevice::Fpga => DeviceKind::Fpga,
        },
        precision: match options.devices.precision {
            ModelPrecision::Fp32 => Precision::F32,
            ModelPrecision::Tf32 => Precision::Tf32,
            ModelPrecision::Fp16 => Precision::F16,
            ModelPrecision::Bf16 => Precision::BF16,
        },
        copies: 1,
        fallback: options.devices.cpu_fallback,
    }
}

/// Cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A server whose ports are bound and whose services are being restored.
pub(crate) struct Server {
    ingress: Ingress,
    control: Control,
    gate: Arc<ComponentGate>,
    collector: Arc<DataCollector>,
    recorder: Arc<Recorder>,
    reconciler: Option<Reconciler<Arc<Realiser>>>,
    autoscaler: Arc<Autoscaler>,
    models: Arc<Models>,
    memory: Arc<DeviceMemory>,
    facts: Arc<ModelFacts>,
    ready: Arc<AtomicBool>,
    control_runtime: Runtime,
    workers: Runtime,
    /// Where metrics have an address of their own.
    metrics: Option<MetricsDoor>,
    observers: Observers,
    /// Held until the end: the file goes with it.
    _lent: Option<Lent>,
}

impl Server {
    /// Opens the data directory, finds devices and binds the ports. Answers nothing yet.
    ///
    /// # Errors
    /// Whatever keeps the process from serving, as its operator should read it.
    pub(crate) fn start(options: &ServeOptions, observers: Observers) -> Result<Self, Failure> {
        let mut addresses = ingress_config(options)?;
        // Before the data directory is touched: a wrong address or certificate must not leave a new folder behind.
        addresses.validate()?;
        let control_runtime = runtime("control", 2)?;
        if addresses.tls.is_some() || options.tls.tls_self_signed {
            tls::outlive_hangups(control_runtime.handle());
        }
        let auth = access::config(options)?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let threads = options.model_threads.map_or_else(cores, NonZeroUsize::get);
        let registry = Arc::new(Registry::open(&options.data_dir)?);
        let gate = Arc::new(ComponentGate::open(&options.gate, &registry)?);
        let access = Access::start(auth, &clock)?;
        if options.tls.tls_self_signed {
            addresses.tls = Some(tls::development(&options.tls, &options.data_dir)?);
        }
        access::warn_of_exposed(&addresses);
        let wishes = Wishes {
            opencl_cpu: options.devices.opencl_cpu,
            opencl_ceiling: Some(Duration::from_secs(options.devices.opencl_ceiling.get().into())),
        };
        let devices =
            Arc::new(crate::accelerators::discover(devices_of(options, threads), Some(&options.data_dir), wishes));
        let dispatch = DispatchConfig { workers: cores(), ..DispatchConfig::default() };
        let dispatcher = Arc::new(Dispatcher::with_clock(dispatch, Arc::clone(&clock))?);
        let logs = Arc::new(observers.log_book(Arc::clone(&clock)));
        let statistics = Arc::new(Statistics::new(&*clock));
        let collector = collector(options, &clock)?;
        let recorder =
            Recorder::start(options.data_dir.join("recordings"), Arc::clone(&clock)).map_err(Failure::internal)?;
        let workers = runtime("worker", cores())?;
        let budget = limit(options.models.model_memory, MODELS_PART);
        let memory =
            Arc::new(DeviceMemory::new(budget, Arc::clone(&devices), Arc::clone(&clock), workers.handle().clone()));
        let model_facts = Arc::new(ModelFacts::open(Arc::clone(&registry), &devices, Arc::clone(&clock), budget)?);
        let executor = Executor::start(cores(), workers.handle()).map_err(Failure::internal)?;
        let comparisons = Arc::new(Comparisons::default());
        let autoscaler = autoscaler(options, &clock, &logs);
        let live = Arc::new(LiveVersions::new(Arc::clone(&autoscaler)));
        let reports = ReportDoor {
            statistics: Arc::clone(&statistics),
            comparisons: Arc::clone(&comparisons),
            live: Arc::clone(&live),
            memory: Arc::clone(&memory),
            devices: Arc::clone(&devices),
        };
        let neighbours = Neighbours {
            registry: Arc::clone(&registry),
            logs: Arc::new(LogDoor(Arc::clone(&logs))),
            reports: Arc::new(reports),
            gatekeeper: Arc::clone(&access.gatekeeper),
            new_key: Arc::new(|| Ok(scorehost_auth::new_key()?)),
            clock: Arc::clone(&clock),
            runtime: control_runtime.handle().clone(),
        };
        let control = Control::new(neighbours, control_config(options));
        control.guard(Arc::clone(&gate) as _);
        let mirror = Mirror::new(workers.handle().clone(), Arc::clone(&clock), Arc::clone(&comparisons));
        let router = Arc::new(Router::with_mirror(mirror));
        let ready = Arc::new(AtomicBool::new(false));
        let management = ManagementDoor { control: control.clone(), runtime: control_runtime.handle().clone() };
        control.keep_recordings(Arc::new(RecordingDoor {
            recorder: Arc::clone(&recorder),
            live: Arc::clone(&live),
            workers: workers.handle().clone(),
            clock: Arc::clone(&clock),
        }));
        let rooms = Arc::new(Rooms {
            statistics: Arc::clone(&statistics),
            comparisons: Arc::clone(&comparisons),
            live: Arc::clone(&live),
            dispatcher: Arc::clone(&dispatcher),
            memory: Arc::clone(&memory),
            devices: Arc::clone(&devices),
            collector: Arc::clone(&collector),
            recorder: Arc::clone(&recorder),
            logs: Arc::clone(&logs),
            access: observers.access.clone(),
            log_export: observers.log_export(),
            connections: Arc::default(),
            ready: Arc::clone(&ready),
            certificates: OnceLock::new(),
        });
        let metrics = Arc::new(Metrics { rooms: Arc::clone(&rooms), runtime: control_runtime.handle().clone() });
        let observe = Observe {
            access: observers.access.clone(),
            metrics: Some(Arc::clone(&metrics) as _),
            open_metrics: options.observe.open_metrics || options.http.ip().is_loopback(),
            connections: Arc::clone(&rooms.connections),
        };
        let metrics = options.observe.metrics.map(|address| MetricsDoor::bind(address, metrics)).transpose()?;
        let doors = Doors {
            observe,
            plane: Arc::clone(&router) as _,
            statistics: Arc::new(StatisticsDoor { statistics: Arc::clone(&statistics), live: Arc::clone(&live) }),
            repository: Arc::new(control.clone()),
            management: Arc::new(management),
            gatekeeper: Arc::clone(&access.gatekeeper),
            ready: Arc::clone(&ready),
        };
        let ingress = Ingress::bind(addresses, doors)?;
        if let Some(certificates) = ingress.certificates() {
            // Nobody else sets it.
            let _ = rooms.certificates.set(certificates);
        }
        let lent = access.lend(ingress.bound());
        control.announce(facts(ingress.bound()));
        let models = Arc::new(Models::new(Workshop {
            registry: Arc::clone(&registry),
            devices: Arc::clone(&devices),
            dispatcher: Arc::clone(&dispatcher),
            memory: Arc::clone(&memory),
            facts: Arc::clone(&model_facts),
            logs: Arc::clone(&logs),
            statistics: Arc::clone(&statistics),
        }));
        let realiser = Realiser {
            models: Arc::clone(&models),
            loader: Arc::new(GuestGraphs::new(devices, dispatcher, memory.of(DeviceKind::Cpu))),
            services: Arc::new(ServiceCalls {
                plane: Arc::clone(&router) as _,
                access: observers.access.clone(),
                clock: Arc::clone(&clock),
            }),
            registry,
            engine: engine(options, &clock)?,
            logs,
            collector: Arc::clone(&collector),
            recorder: Arc::clone(&recorder),
            statistics,
            live,
            comparisons,
            gatekeeper: access.gatekeeper,
            gate: Arc::clone(&gate),
            autoscaler: Arc::clone(&autoscaler),
            workers: workers.handle().clone(),
            calls: CallRuntime::new(executor),
            clock,
        };
        let reconciler = Some(Reconciler::new(control.board(), router, Arc::new(realiser)));
        Ok(Self {
            ingress,
            control,
            gate,
            collector,
            recorder,
            reconciler,
            autoscaler,
            models,
            memory,
            facts: model_facts,
            ready,
            control_runtime,
            workers,
            metrics,
            observers,
            _lent: lent,
        })
    }

    /// Where the doors are.
    #[must_use]
    pub(crate) const fn bound(&self) -> Bound {
        self.ingress.bound()
    }

    /// Restores every service and answers requests until SIGTERM or SIGINT; then finishes those in flight.
    ///
    /// # Errors
    /// Where the stored services cannot be read, or a thread fails.
    pub(crate) fn run(mut self) -> Result<(), Failure> {
        let restored = self.control_runtime.block_on(self.control.restore())?;
        self.gate.tidy()?;
        self.facts.tidy()?;
        tracing::info!(services = restored, "restoring services");
        self.reconcile();
        if let Some(metrics) = self.metrics.take() {
            tracing::info!(metrics = %metrics.address().map_err(Failure::internal)?, "listening");
            self.control_runtime.spawn(metrics.serve(std::future::pending()));
        }
        if let Some(certificates) = self.ingress.certificates() {
            self.control_runtime.spawn(tls::reload_on_hangup(certificates));
        }
        let shutdown = async {
            terminated().await;
            tracing::info!("shutting down: no new connections, requests in flight are finished");
        };
        let served = self.control_runtime.block_on(self.ingress.serve(shutdown));
        self.collector.flush();
        self.recorder.flush(Duration::from_secs(5));
        self.facts.note_use(&self.memory.snapshot());
        self.workers.shutdown_background();
        self.control_runtime.shutdown_background();
        self.observers.flush();
        Ok(served?)
    }

    fn reconcile(&mut self) {
        let Some(reconciler) = self.reconciler.take() else { return };
        let (settled, mut settles) = tokio::sync::watch::channel(false);
        let (ready, models) = (Arc::clone(&self.ready), Arc::clone(&self.models));
        self.control_runtime.spawn(Arc::clone(&self.facts).follow(Arc::clone(&self.memory)));
        self.control_runtime.spawn(Arc::clone(&self.autoscaler).run());
        self.control_runtime.spawn(reconciler.run(settled));
        self.control_runtime.spawn(async move {
            if settles.wait_for(|settled| *settled).await.is_ok() {
                models.are_restored();
                ready.store(true, Ordering::Release);
                tracing::info!("ready");
            }
        });
    }
}

fn ingress_config(options: &ServeOptions) -> Result<IngressConfig, Failure> {
    let defaults = IngressConfig::default();
    Ok(IngressConfig {
        http: options.http,
        grpc: Some(options.grpc),
        threads: options.threads,
        limits: Limits { body_bytes: options.max_body_bytes, ..Limits::default() },
        timeouts: Timeouts { drain: Duration::from_secs(options.drain_timeout), ..Timeouts::default() },
        cors_origins: options.cors_origins.clone(),
        tls: tls::given(&options.tls)?,
        ..defaults
    })
}

fn control_config(options: &ServeOptions) -> ControlConfig {
    ControlConfig {
        max_models: options.max_models,
        max_versions: options.max_versions.get(),
        operation_timeout: Duration::from_secs(options.operation_timeout),
        ..ControlConfig::default()
    }
}

fn autoscaler(options: &ServeOptions, clock: &Arc<dyn Clock>, logs: &Arc<LogBook>) -> Arc<Autoscaler> {
    let (machine, scaling) = (Linux::new(), &options.scaling);
    if let (Some(given), Some(there)) = (scaling.max_replica_memory, machine.memory())
        && given > there
    {
        tracing::warn!(given, there, "--max-replica-memory is more than this machine or its control group has");
    }
    let limits = ReplicaLimits {
        memory: scaling.max_replica_memory,
        processors: scaling.max_replica_cores.unwrap_or(cores() as f64),
        replicas: options.max_replicas,
    };
    Autoscaler::new(Arc::clone(clock), Box::new(machine), limits, Arc::clone(logs))
}

fn engine(options: &ServeOptions, clock: &Arc<dyn Clock>) -> Result<Arc<Engine>, Failure> {
    let cache_dir = Some(options.data_dir.join("compiled"));
    let max_replicas = options.max_replicas;
    let config = EngineConfig { cache_dir, max_replicas, clock: Arc::clone(clock), ..EngineConfig::default() };
    Ok(Arc::new(Engine::new(config)?))
}

/// Collected data in the data directory, and on its way to an object store where one is named.
fn collector(options: &ServeOptions, clock: &Arc<dyn Clock>) -> Result<Arc<DataCollector>, Failure> {
    let (folder, clock) = (options.data_dir.join("collected"), Arc::clone(clock));
    let Some(url) = &options.collect_to else {
        return Ok(DataCollector::start(folder, CollectorConfig::default(), clock)?);
    };
    let rotate_after = Some(Duration::from_secs(options.collect_interval.get()));
    let to = Destination::new(url, std::env::vars()).map_err(|cause| {
        Failure::invalid(format!("--collect-to '{url}' cannot be used: {cause}"))
            .with_hint("s3://bucket/prefix, az://container/prefix, gs://bucket/prefix or file:///folder, and the store's own variables, such as AWS_ACCESS_KEY_ID, AWS_REGION and AWS_ENDPOINT")
    })?;
    Ok(DataCollector::uploading(folder, CollectorConfig { rotate_after, ..CollectorConfig::default() }, clock, to)?)
}

fn runtime(name: &str, threads: usize) -> Result<Runtime, Failure> {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name(name).worker_threads(threads).enable_all().build().map_err(Failure::internal)
}

/// Completes at SIGTERM or SIGINT.
async fn terminated() {
    use tokio::signal::unix::{SignalKind, signal};

    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signals cannot be handled; only a kill ends this process");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn facts(bound: Bound) -> Facts {
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: bound.http.to_string(),
        grpc: bound.grpc.map(|address| address.to_string()),
    }
}
