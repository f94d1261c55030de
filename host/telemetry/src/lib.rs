//! What the host knows about its own work: counters, service logs, collected data, the access line, the cost of work.
//!
//! In: what the other rooms record while they work, in nanoseconds, never waiting. Out: [`Statistics`] snapshots,
//! [`LogBook`] lines, dated files of collected data ([`DataCollector`]), `tracing` events ([`access`]) and the measured
//! [`CostEstimate`] that decides whether work stays on its core. Deliberately not here: wire formats of statistics and
//! logs (`ingress` and `control` own them), setting up a `tracing` subscriber (the assembly does).

pub mod access;
mod collector;
mod cost;
mod log_book;
mod statistics;

pub use collector::{CollectorConfig, CollectorCounts, DataCollector, TelemetryError};
pub use cost::CostEstimate;
pub use log_book::{Followed, Follower, LogBook, LogConfig, LogLine, ServiceLog};
pub use statistics::{BatchSnapshot, Measure, ServiceSnapshot, ServiceStatistics, Statistics, Timing};
