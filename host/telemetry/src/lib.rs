//! What the host knows about its own work: counters, traces, service logs, collected data, the access log, the cost of work.
//!
//! In: what the other rooms record while they work, in nanoseconds, never waiting. Out: [`Statistics`] snapshots and the text of
//! `/metrics` ([`metrics`]), spans ([`trace`]) and log records by OTLP ([`otlp`]), [`LogBook`] lines, dated files of collected
//! data ([`DataCollector`]), the access log ([`access`]) and the measured [`CostEstimate`] that decides whether work stays on
//! its core. Deliberately not here: HTTP and the wire formats of statistics and logs (`ingress` and `control` own them),
//! setting up a `tracing` subscriber (the assembly does).

pub mod access;
mod batches;
mod collector;
mod comparisons;
mod cost;
mod histogram;
mod log_book;
pub mod metrics;
pub mod note;
pub mod otlp;
mod outbox;
mod recorder;
mod statistics;
pub mod trace;
mod typical;
mod witness;

pub use batches::{Apart, BatchStatistics, BatchesSnapshot, Mixed};
pub use collector::{
    CollectorConfig, CollectorCounts, DataCollector, Destination, ServiceCollector, TelemetryError, UploadCounts,
    whole_records,
};
pub use comparisons::{Comparison, ComparisonSnapshot, Comparisons, Verdict};
pub use cost::CostEstimate;
pub use histogram::{Histogram, HistogramSnapshot};
pub use log_book::{Followed, Follower, LogBook, LogConfig, LogLine, LogSink, ServiceLog};
pub use outbox::{OutboxConfig, OutboxCounts};
pub use recorder::{Answered, Asked, Flaw, Recorded, Recorder, ServiceRecorder};
pub use statistics::{BatchSnapshot, Measure, ServiceSnapshot, ServiceStatistics, Statistics, Timing};
pub use typical::Typical;
pub use witness::Witnessed;
