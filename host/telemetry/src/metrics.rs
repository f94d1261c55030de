//! `/metrics`: everything that is counted, in the forms that Prometheus reads.
//!
//! Names of the host's own begin with `scorehost_` and follow Prometheus' conventions; beside them stand the names of Triton's
//! inference metrics, so that dashboards made for it go on working; `process_*` are the usual ones.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use scorehost_core::ServiceName;

use crate::{
    BatchesSnapshot, CollectorCounts, ComparisonSnapshot, HistogramSnapshot, OutboxCounts, ServiceSnapshot,
    UploadCounts,
};

mod batches;
mod host;
mod process;
mod services;
mod text;
mod triton;

pub use process::Process;
pub use text::Format;

use text::Text;

/// What one version of a service is doing at the moment of a scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveService {
    /// The service.
    pub service: ServiceName,
    /// Its version.
    pub version: Arc<str>,
    /// Requests admitted and not answered yet, waiting ones included.
    pub in_flight: u64,
    /// Of these, requests that wait for a replica.
    pub queued: u64,
    /// Its replicas; `None` for a service without a scorer.
    pub replicas: Option<LiveReplicas>,
    /// How often the number of replicas was changed, by direction (`up`, `down`) and reason.
    pub scalings: Vec<(&'static str, &'static str, u64)>,
    /// Its kept answers; `None` where none are kept.
    pub cache: Option<LiveCache>,
}

/// The kept answers of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveCache {
    /// Answers kept.
    pub entries: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// Requests answered by them.
    pub hits: u64,
    /// Requests that were not.
    pub misses: u64,
    /// Time of the hits.
    pub hit_time: Duration,
    /// Time that looking up and keeping took the misses.
    pub miss_time: Duration,
}

/// The replicas of one version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveReplicas {
    /// Handling a call.
    pub busy: u64,
    /// Waiting for one.
    pub idle: u64,
    /// Being made.
    pub creating: u64,
    /// As many as the autoscaler asks for.
    pub wanted: u64,
    /// As many as the host allows until the next decision.
    pub allowed: u64,
}

/// The memory of deployed models.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelMemoryState {
    /// Bytes that they may hold; `None` without a limit.
    pub budget: Option<u64>,
    /// Graphs of deployed models, loaded or not.
    pub known: u64,
    /// Bytes of those that are loaded, as measured.
    pub bytes: u64,
    /// Bytes of those that are never evicted.
    pub pinned_bytes: u64,
    /// Loads begun, reloads included.
    pub loads: u64,
    /// Loads that failed.
    pub failures: u64,
    /// Graphs evicted.
    pub evictions: u64,
    /// How long reloads took.
    pub reloads: HistogramSnapshot,
}

/// What a device beside the CPU is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceState {
    /// Name, such as `cuda:0`.
    pub name: String,
    /// Bytes that models hold.
    pub used_bytes: u64,
    /// Bytes that models may hold.
    pub limit_bytes: u64,
    /// Seconds that calls have occupied it since the start.
    pub busy_seconds: f64,
    /// Calls under way.
    pub running: u64,
    /// Whether it answers.
    pub healthy: bool,
}

/// What the host itself is doing at the moment of a scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostState {
    /// Version of the program.
    pub version: &'static str,
    /// Whether all services of an earlier run are restored.
    pub ready: bool,
    /// Connections open at the doors.
    pub connections: u64,
    /// Graphs loaded on devices.
    pub models: u64,
    /// Bytes of weights and device memory that they hold, as far as they are known.
    pub model_bytes: u64,
    /// What became of the models' memory.
    pub model_memory: ModelMemoryState,
    /// Calls of models that wait for a worker.
    pub model_calls_queued: u64,
    /// Devices beside the CPU.
    pub devices: Vec<DeviceState>,
    /// Models that the CPU has taken because the device asked for could not.
    pub device_fallbacks: u64,
    /// Runs of models on worker threads, by model; several entries of one name are added up.
    pub batches: Vec<BatchesSnapshot>,
    /// Error answers of all doors by the failure's kind.
    pub errors: Vec<(&'static str, u64)>,
    /// Bytes copied on the way of requests, by where.
    pub copied: Vec<(&'static str, u64)>,
    /// What became of collected data, by service.
    pub collector: Vec<(ServiceName, CollectorCounts)>,
    /// What became of files of collected data that are uploaded; `None` where they stay.
    pub uploads: Option<UploadCounts>,
    /// What became of requests that are recorded.
    pub recorded: OutboxCounts,
    /// Log lines of services that were dropped, by service.
    pub log_lines_dropped: Vec<(ServiceName, u64)>,
    /// Spans and log records, and access lines, that were exported and dropped.
    pub exports: Vec<Export>,
    /// Certificates in use, and when each ends.
    pub certificates: Vec<(String, SystemTime)>,
    /// The process; `None` where the system does not tell.
    pub process: Option<Process>,
}

/// What became of one signal that leaves the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// `span`, `log` or `access`.
    pub signal: &'static str,
    /// Handed over.
    pub sent: u64,
    /// Dropped because the queue was full.
    pub dropped: u64,
    /// Lost because the receiver refused them or was not there.
    pub failed: u64,
}

/// Everything that one scrape shows.
#[derive(Clone, Copy, Debug)]
pub struct Scrape<'a> {
    /// The counters of every version of every service.
    pub services: &'a [ServiceSnapshot],
    /// What the live ones are doing.
    pub live: &'a [LiveService],
    /// How copies of requests compared.
    pub shadows: &'a [ComparisonSnapshot],
    /// The host.
    pub host: &'a HostState,
}

/// Writes a scrape.
#[must_use]
pub fn render(scrape: &Scrape<'_>, format: Format) -> String {
    let mut text = Text::new(format);
    services::write(&mut text, scrape);
    triton::write(&mut text, scrape);
    host::write(&mut text, scrape.host);
    batches::write(&mut text, &scrape.host.batches);
    if let Some(process) = &scrape.host.process {
        process.write(&mut text);
    }
    text.end()
}

/// Seconds as Prometheus counts them.
fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// Seconds since the Unix epoch.
fn epoch(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, seconds)
}

#[cfg(test)]
mod tests;
