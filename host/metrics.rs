//! What `/metrics` shows, collected from the rooms at the moment of a scrape.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use scorehost_batcher::Dispatcher;
use scorehost_core::{BoxFuture, Copied, DeviceKind, Failure, Service, ServiceName, VersionKey};
use scorehost_device::{DeviceLoad, Devices};
use scorehost_ingress::{Certificates, MetricsSource, MetricsText, error_answers};
use scorehost_memory::MemorySnapshot;
use scorehost_router::{CacheSignals, RoutedService};
use scorehost_telemetry::access::AccessLog;
use scorehost_telemetry::metrics::{
    DeviceState, Export, Format, HostState, LiveCache, LiveReplicas, LiveService, ModelMemoryState, Process, Scrape,
    render,
};
use scorehost_telemetry::otlp::LogExport;
use scorehost_telemetry::{Comparisons, DataCollector, LogBook, OutboxCounts, Recorder, Statistics, trace};
use tokio::runtime::Handle;

use crate::device_memory::DeviceMemory;
use crate::scaling::Autoscaler;

/// The versions that handle requests, those that are being drained included.
pub(crate) struct LiveVersions {
    versions: Mutex<Vec<Weak<RoutedService>>>,
    autoscaler: Arc<Autoscaler>,
}

impl LiveVersions {
    pub(crate) fn new(autoscaler: Arc<Autoscaler>) -> Self {
        Self { versions: Mutex::default(), autoscaler }
    }

    /// Counts a version in until its last request has ended.
    pub(crate) fn add(&self, version: &Arc<RoutedService>) {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.retain(|known| known.strong_count() > 0);
        versions.push(Arc::downgrade(version));
    }

    /// The newest generation of a version, where one handles requests.
    pub(crate) fn find(&self, service: &ServiceName, version: &str) -> Option<Arc<RoutedService>> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |known: &Arc<RoutedService>| known.status().name == *service && *known.status().version == *version;
        versions.iter().rev().filter_map(Weak::upgrade).find(found)
    }

    /// What they are doing, by service and version; generations of one version are added up.
    pub(crate) fn snapshot(&self) -> Vec<LiveService> {
        let versions: Vec<_> = {
            let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.iter().filter_map(Weak::upgrade).collect()
        };
        let mut live: Vec<LiveService> = versions.iter().map(|version| live_service(version)).collect();
        live.sort_by(|a, b| (&a.service, &a.version).cmp(&(&b.service, &b.version)));
        live.dedup_by(|generation, kept| {
            let same = (&generation.service, &generation.version) == (&kept.service, &kept.version);
            if same {
                add(kept, generation);
            }
            same
        });
        live.iter_mut().for_each(|version| self.add_decided(version));
        live
    }

    fn add_decided(&self, version: &mut LiveService) {
        let (Some(replicas), Ok(name)) = (&mut version.replicas, version.version.parse()) else { return };
        let key = VersionKey { service: version.service.clone(), version: name };
        let Some(decided) = self.autoscaler.decided(&key) else { return };
        (replicas.wanted, replicas.allowed) = (decided.wanted.into(), decided.allowed.into());
        version.scalings = decided.decisions;
    }
}

fn live_service(version: &RoutedService) -> LiveService {
    let (status, signals) = (version.status(), version.signals());
    let replicas = signals.pool.map(|pool| LiveReplicas {
        busy: pool.busy as u64,
        idle: pool.idle as u64,
        creating: pool.creating as u64,
        ..LiveReplicas::default()
    });
    LiveService {
        service: status.name.clone(),
        version: Arc::clone(&status.version),
        in_flight: signals.in_flight as u64,
        queued: signals.pool.map_or(0, |pool| pool.queued as u64),
        replicas,
        scalings: Vec::new(),
        cache: signals.cache.map(live_cache),
    }
}

fn live_cache(cache: CacheSignals) -> LiveCache {
    let CacheSignals { entries, bytes, hits, misses, hit_time, miss_time } = cache;
    LiveCache { entries, bytes, hits, misses, hit_time, miss_time }
}

fn sum(a: LiveCache, b: LiveCache) -> LiveCache {
    LiveCache {
        entries: a.entries + b.entries,
        bytes: a.bytes + b.bytes,
        hits: a.hits + b.hits,
        misses: a.misses + b.misses,
        hit_time: a.hit_time + b.hit_time,
        miss_time: a.miss_time + b.miss_time,
    }
}

fn add(kept: &mut LiveService, other: &LiveService) {
    kept.in_flight += other.in_flight;
    kept.queued += other.queued;
    kept.cache = match (kept.cache, other.cache) {
        (Some(a), Some(b)) => Some(sum(a, b)),
        (one, other) => one.or(other),
    };
    kept.replicas = match (kept.replicas, other.replicas) {
        (Some(a), Some(b)) => Some(LiveReplicas {
            busy: a.busy + b.busy,
            idle: a.idle + b.idle,
            creating: a.creating + b.creating,
            ..LiveReplicas::default()
        }),
        (one, other) => one.or(other),
    };
}

fn device_state(load: DeviceLoad) -> DeviceState {
    let DeviceLoad { name, used_bytes, limit_bytes, busy_seconds, running, healthy } = load;
    DeviceState { name, used_bytes, limit_bytes, busy_seconds, running, healthy }
}

/// The rooms that metrics are collected from.
pub(crate) struct Rooms {
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) comparisons: Arc<Comparisons>,
    pub(crate) live: Arc<LiveVersions>,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) memory: Arc<DeviceMemory>,
    pub(crate) devices: Arc<Devices>,
    pub(crate) collector: Arc<DataCollector>,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) logs: Arc<LogBook>,
    pub(crate) access: Option<Arc<AccessLog>>,
    pub(crate) log_export: Option<Arc<LogExport>>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) ready: Arc<AtomicBool>,
    /// Known once the doors are bound.
    pub(crate) certificates: OnceLock<Certificates>,
}

impl Rooms {
    fn text(&self, format: Format) -> String {
        let (services, live, shadows) = (self.statistics.snapshot(), self.live.snapshot(), self.comparisons.snapshot());
        let host = self.host();
        render(&Scrape { services: &services, live: &live, shadows: &shadows, host: &host }, format)
    }

    fn host(&self) -> HostState {
        let (models, memory) = (self.dispatcher.signals(), self.memory.snapshot());
        // Graphs that are not loaded have a lane all the same.
        let absent = memory.graphs.len() - memory.loaded();
        HostState {
            version: env!("CARGO_PKG_VERSION"),
            ready: self.ready.load(Ordering::Acquire),
            connections: self.connections.load(Ordering::Relaxed) as u64,
            models: models.graphs.saturating_sub(absent) as u64,
            model_bytes: models.memory_bytes,
            model_calls_queued: models.queued as u64,
            model_memory: model_memory(memory),
            devices: self.devices.loads().into_iter().map(device_state).collect(),
            device_fallbacks: self.devices.fallbacks(),
            batches: self.dispatcher.batches(),
            errors: error_answers(),
            copied: Copied::ALL.into_iter().map(|place| (place.name(), place.total())).collect(),
            collector: self.collector.counts(),
            uploads: self.collector.uploads(),
            recorded: self.recorder.counts(),
            log_lines_dropped: self.logs.dropped(),
            exports: self.exports(),
            certificates: self.certificates.get().map(Certificates::expiries).unwrap_or_default(),
            process: Process::read(),
        }
    }

    fn exports(&self) -> Vec<Export> {
        let spans = trace::spans().map(|spans| ("span", spans.counts()));
        let logs = self.log_export.as_ref().map(|logs| ("log", logs.counts()));
        let access = self.access.as_ref().map(|access| ("access", access.counts()));
        let export = |(signal, counts): (_, OutboxCounts)| Export {
            signal,
            sent: counts.sent,
            dropped: counts.dropped,
            failed: counts.failed,
        };
        spans.into_iter().chain(logs).chain(access).map(export).collect()
    }
}

fn model_memory(memory: MemorySnapshot) -> ModelMemoryState {
    // Those of other devices are in the devices' own figures.
    let on_cpu = memory.graphs.iter().filter(|graph| graph.device == DeviceKind::Cpu);
    let pinned = on_cpu.filter(|graph| graph.pinned && graph.loaded);
    ModelMemoryState {
        budget: memory.budget,
        known: memory.graphs.len() as u64,
        bytes: memory.loaded_bytes,
        pinned_bytes: pinned.map(|graph| graph.bytes).sum(),
        loads: memory.loads,
        failures: memory.failures,
        evictions: memory.evictions,
        reloads: memory.reloads,
    }
}

/// The metrics, collected apart from the threads that answer requests.
pub(crate) struct Metrics {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) runtime: Handle,
}

impl MetricsSource for Metrics {
    fn scrape(&self, accept: Option<String>) -> BoxFuture<'static, Result<MetricsText, Failure>> {
        let rooms = Arc::clone(&self.rooms);
        let format = Format::accepted(accept.as_deref());
        let text = self.runtime.spawn_blocking(move || rooms.text(format));
        Box::pin(async move {
            let text = text.await.map_err(Failure::internal)?;
            Ok(MetricsText { content_type: format.content_type(), text: text.into() })
        })
    }
}
