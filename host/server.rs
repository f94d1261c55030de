//! `scorehost serve`: everything put together, from an empty process to open doors and back.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use scorehost_batcher::{DispatchConfig, Dispatcher};
use scorehost_cli::ServeOptions;
use scorehost_control::{Control, ControlConfig, Facts, wire};
use scorehost_core::{Clock, Failure, SystemClock};
use scorehost_device::{DeviceConfig, DeviceReport, Devices};
use scorehost_ingress::{Bound, Doors, Ingress, IngressConfig, Limits, Timeouts};
use scorehost_registry::Registry;
use scorehost_router::Router;
use scorehost_scorer::{Engine, EngineConfig};
use scorehost_telemetry::{CollectorConfig, DataCollector, LogBook, LogConfig, Statistics};
use tokio::runtime::{Builder, Runtime};

use crate::doors::{LogDoor, ManagementDoor, StatisticsDoor};
use crate::models::{GuestGraphs, Models};
use crate::realiser::Realiser;
use crate::reconciler::Reconciler;

/// Where devices look for libraries beside the usual places: with the data, and where `deploy/setup.sh` puts them.
pub(crate) fn device_config(onnxruntime: Option<PathBuf>, data_dir: Option<&Path>, threads: usize) -> DeviceConfig {
    let library_dirs = data_dir.map(|dir| dir.join("lib")).into_iter().chain([PathBuf::from(".models/lib")]).collect();
    DeviceConfig { onnxruntime, library_dirs, threads }
}

/// Cores of this machine.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A server whose ports are bound and whose services are being restored.
pub(crate) struct Server {
    ingress: Ingress,
    control: Control,
    collector: Arc<DataCollector>,
    reconciler: Option<Reconciler>,
    ready: Arc<AtomicBool>,
    control_runtime: Runtime,
    workers: Runtime,
}

impl Server {
    /// Opens the data directory, finds devices and binds the ports. Answers nothing yet.
    ///
    /// # Errors
    /// Whatever keeps the process from serving, as its operator should read it.
    pub(crate) fn start(options: &ServeOptions) -> Result<Self, Failure> {
        let addresses = ingress_config(options);
        // Before the data directory is touched: a wrong address must not leave a new folder behind.
        addresses.validate()?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let threads = options.model_threads.map_or_else(cores, NonZeroUsize::get);
        let registry = Arc::new(Registry::open(&options.data_dir)?);
        let devices = device_config(options.onnxruntime.clone(), Some(&options.data_dir), threads);
        let devices = Arc::new(Devices::discover(devices));
        let dispatch = DispatchConfig { workers: cores(), ..DispatchConfig::default() };
        let dispatcher = Arc::new(Dispatcher::with_clock(dispatch, Arc::clone(&clock))?);
        let logs = Arc::new(LogBook::new(LogConfig::default(), Arc::clone(&clock)));
        let statistics = Arc::new(Statistics::new(&*clock));
        let collected = options.data_dir.join("collected");
        let collector = DataCollector::start(collected, CollectorConfig::default(), Arc::clone(&clock))?;
        let control_runtime = runtime("control", 2)?;
        let workers = runtime("scorer", cores())?;
        let control = Control::new(
            Arc::clone(&registry),
            control_config(options),
            Arc::new(LogDoor(Arc::clone(&logs))),
            Arc::clone(&clock),
            control_runtime.handle().clone(),
        );
        let router = Arc::new(Router::new());
        let ready = Arc::new(AtomicBool::new(false));
        let management = ManagementDoor { control: control.clone(), runtime: control_runtime.handle().clone() };
        let doors = Doors {
            plane: Arc::clone(&router) as _,
            statistics: Arc::new(StatisticsDoor(Arc::clone(&statistics))),
            repository: Arc::new(control.clone()),
            management: Arc::new(management),
            ready: Arc::clone(&ready),
        };
        let ingress = Ingress::bind(addresses, doors)?;
        control.announce(facts(ingress.bound(), &devices.reports()));
        let realiser = Realiser {
            models: Arc::new(Models::new(Arc::clone(&registry), Arc::clone(&devices), Arc::clone(&dispatcher))),
            loader: Arc::new(GuestGraphs { devices, dispatcher }),
            registry,
            engine: engine(options, &clock)?,
            logs,
            collector: Arc::clone(&collector),
            statistics,
            workers: workers.handle().clone(),
            clock,
        };
        let reconciler = Some(Reconciler::new(control.board(), router, Arc::new(realiser)));
        Ok(Self { ingress, control, collector, reconciler, ready, control_runtime, workers })
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
        tracing::info!(services = restored, "restoring services");
        self.reconcile();
        let shutdown = async {
            terminated().await;
            tracing::info!("shutting down: no new connections, requests in flight are finished");
        };
        let served = self.control_runtime.block_on(self.ingress.serve(shutdown));
        self.collector.flush();
        self.workers.shutdown_background();
        self.control_runtime.shutdown_background();
        Ok(served?)
    }

    fn reconcile(&mut self) {
        let Some(reconciler) = self.reconciler.take() else { return };
        let (settled, mut settles) = tokio::sync::watch::channel(false);
        let ready = Arc::clone(&self.ready);
        self.control_runtime.spawn(reconciler.run(settled));
        self.control_runtime.spawn(async move {
            if settles.wait_for(|settled| *settled).await.is_ok() {
                ready.store(true, Ordering::Release);
                tracing::info!("ready");
            }
        });
    }
}

fn ingress_config(options: &ServeOptions) -> IngressConfig {
    let defaults = IngressConfig::default();
    IngressConfig {
        http: options.http,
        grpc: Some(options.grpc),
        threads: options.threads,
        limits: Limits { body_bytes: options.max_body_bytes, ..Limits::default() },
        timeouts: Timeouts { drain: Duration::from_secs(options.drain_timeout), ..Timeouts::default() },
        cors_origins: options.cors_origins.clone(),
        ..defaults
    }
}

fn control_config(options: &ServeOptions) -> ControlConfig {
    ControlConfig {
        max_models: options.max_models,
        operation_timeout: Duration::from_secs(options.operation_timeout),
        ..ControlConfig::default()
    }
}

fn engine(options: &ServeOptions, clock: &Arc<dyn Clock>) -> Result<Arc<Engine>, Failure> {
    let cache_dir = Some(options.data_dir.join("compiled"));
    let max_replicas = options.max_replicas;
    let config = EngineConfig { cache_dir, max_replicas, clock: Arc::clone(clock), ..EngineConfig::default() };
    Ok(Arc::new(Engine::new(config)?))
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

fn facts(bound: Bound, devices: &[DeviceReport]) -> Facts {
    Facts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: bound.http.to_string(),
        grpc: bound.grpc.map(|address| address.to_string()),
        devices: devices.iter().map(wire_device).collect(),
    }
}

/// A device as the management API and the command line show it.
pub(crate) fn wire_device(report: &DeviceReport) -> wire::Device {
    wire::Device {
        name: report.kind.to_owned(),
        executor: report.name.to_owned(),
        available: report.available,
        detail: report.detail.clone(),
    }
}
