//! The small translations between rooms that do not know each other: control behind ingress's door, telemetry behind both.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use scorehost_control::{
    Control, Difference, Latency, LiveReplicas, LogFeed, LogTail, Reports, ServiceLogs, VersionReport, wire,
};
use scorehost_core::{BoxFuture, Failure, LogLevel, ServiceName};
use scorehost_device::{DeviceReport, Devices};
use scorehost_ingress::{Body, Counters, Management, Span, StatisticsSource};
use scorehost_memory::GraphSnapshot;
use scorehost_router::CacheSignals;
use scorehost_telemetry::metrics::LiveService;
use scorehost_telemetry::{
    ComparisonSnapshot, Comparisons, Followed, Follower, LogBook, LogLine, Measure, ServiceSnapshot, Statistics,
};
use tokio::runtime::Handle;

use crate::device_memory::DeviceMemory;
use crate::metrics::LiveVersions;

/// The management API, carried off the acceptor threads to the control runtime.
pub(crate) struct ManagementDoor {
    pub(crate) control: Control,
    pub(crate) runtime: Handle,
}

impl Management for ManagementDoor {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, Failure>> {
        let control = self.control.clone();
        let answer = self.runtime.spawn(async move { control.handle(request).await });
        Box::pin(async move { Ok(answer.await.map_err(Failure::internal)??.map(Body::stream)) })
    }
}

/// Telemetry's counters, and those of kept answers, in the form of the statistics extension.
pub(crate) struct StatisticsDoor {
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) live: Arc<LiveVersions>,
}

impl StatisticsSource for StatisticsDoor {
    fn counters(&self, service: &ServiceName, version: &str) -> Option<Counters> {
        let all = self.statistics.snapshot_of(service.as_str());
        let found = all.into_iter().find(|snapshot| &*snapshot.version == version)?;
        let kept = self.live.find(service, version).and_then(|version| version.signals().cache);
        let of_kept = |count: fn(&CacheSignals) -> Span| kept.as_ref().map(count).unwrap_or_default();
        Some(Counters {
            last_inference_ms: found.last_inference,
            inferences: found.inference_count,
            executions: found.execution_count,
            success: span(found.success),
            fail: span(found.fail),
            queue: span(found.queue),
            compute: span(found.compute_infer),
            cache_hit: of_kept(|kept| Span { count: kept.hits, total: kept.hit_time }),
            cache_miss: of_kept(|kept| Span { count: kept.misses, total: kept.miss_time }),
            batches: found.batches.iter().map(|batch| (batch.batch_size, span(batch.compute_infer))).collect(),
        })
    }
}

fn span(measure: Measure) -> Span {
    Span { count: measure.count, total: Duration::from_nanos(measure.ns) }
}

/// Telemetry's counters and comparisons as the report of an endpoint.
pub(crate) struct ReportDoor {
    pub(crate) statistics: Arc<Statistics>,
    pub(crate) comparisons: Arc<Comparisons>,
    pub(crate) live: Arc<LiveVersions>,
    pub(crate) memory: Arc<DeviceMemory>,
    pub(crate) devices: Arc<Devices>,
}

impl Reports for ReportDoor {
    fn versions(&self, service: &ServiceName) -> Vec<VersionReport> {
        let compared = self.comparisons.snapshot();
        let of = |version: &Arc<str>| {
            let pairs = compared.iter().filter(|pair| pair.service == *service && pair.version == *version);
            pairs.map(difference).collect()
        };
        let versions = self.statistics.snapshot_of(service.as_str()).into_iter();
        versions.map(|version| report(&version, of(&version.version))).collect()
    }

    fn memory(&self) -> wire::ModelMemory {
        let snapshot = self.memory.snapshot();
        wire::ModelMemory {
            budget: snapshot.budget,
            loaded_bytes: snapshot.loaded_bytes,
            loads: snapshot.loads,
            evictions: snapshot.evictions,
            models: snapshot.graphs.iter().map(loaded).collect(),
        }
    }

    fn devices(&self) -> Vec<wire::Device> {
        self.devices.reports().iter().map(wire_device).collect()
    }

    fn replicas(&self) -> Vec<LiveReplicas> {
        let of = |version: LiveService| {
            let replicas = version.replicas?;
            Some(LiveReplicas {
                service: version.service,
                version: version.version,
                busy: replicas.busy,
                idle: replicas.idle,
                creating: replicas.creating,
                wanted: replicas.wanted,
                allowed: replicas.allowed,
            })
        };
        self.live.snapshot().into_iter().filter_map(of).collect()
    }
}

fn loaded(graph: &GraphSnapshot) -> wire::LoadedModel {
    wire::LoadedModel {
        model: graph.model.to_string(),
        digest: graph.key.to_string(),
        device: graph.device.name().to_owned(),
        bytes: graph.bytes,
        loaded: graph.loaded,
        pinned: graph.pinned,
        users: graph.users,
        idle_ms: graph.idle.map(|idle| idle.as_millis() as u64),
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

fn report(version: &ServiceSnapshot, differences: Vec<Difference>) -> VersionReport {
    let quantile = |q| version.latency.quantile(q);
    let latency = || {
        let (mean, p50, p95, p99) = (version.latency.mean()?, quantile(0.5)?, quantile(0.95)?, quantile(0.99)?);
        Some(Latency { mean, p50, p95, p99 })
    };
    VersionReport {
        version: Arc::clone(&version.version),
        succeeded: version.success.count,
        failed: version.failures.iter().filter(|(_, count)| *count > 0).copied().collect(),
        cancelled: version.cancelled,
        latency: latency(),
        differences,
    }
}

fn difference(pair: &ComparisonSnapshot) -> Difference {
    Difference {
        with: Arc::clone(&pair.with),
        copied: pair.copied,
        dropped: pair.dropped,
        equal: pair.equal,
        differing: pair.differing,
        failed: pair.failed,
        largest: pair.largest_difference,
        mean: pair.mean_difference,
    }
}

/// Telemetry's log book behind the management API.
pub(crate) struct LogDoor(pub(crate) Arc<LogBook>);

impl ServiceLogs for LogDoor {
    fn open(&self, service: &ServiceName, version: Option<&str>, tail: usize) -> Option<LogTail> {
        let (lines, follower) = self.0.find(service)?.tail_and_follow(version, tail);
        let lines = lines.iter().map(|line| rendered(line)).collect();
        Some(LogTail { lines, feed: Box::new(Feed { follower, version: version.map(str::to_owned) }) })
    }
}

/// A log as it grows, of one version where it is given.
struct Feed {
    follower: Follower,
    version: Option<String>,
}

impl LogFeed for Feed {
    fn next(&mut self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async move {
            loop {
                match self.follower.next().await? {
                    Followed::Line(line) if line.is_of(self.version.as_deref()) => return Some(rendered(&line)),
                    Followed::Line(_) => {}
                    Followed::Skipped(lines) => {
                        return Some(format!("... {lines} lines were dropped: the log grew faster than it was read"));
                    }
                }
            }
        })
    }
}

/// One line for people: time, level, version, request, text.
fn rendered(line: &LogLine) -> String {
    let level = match line.level {
        LogLevel::Trace => "TRACE",
        LogLevel::Debug => "DEBUG",
        LogLevel::Info => "INFO",
        LogLevel::Warn => "WARN",
        LogLevel::Error => "ERROR",
    };
    let time = humantime::format_rfc3339_millis(line.time);
    let request = if line.request_id.is_empty() { "-" } else { &line.request_id };
    let version = if line.version.is_empty() { "-" } else { &line.version };
    format!("{time} {level:<5} {version} {request} {}", line.text)
}
