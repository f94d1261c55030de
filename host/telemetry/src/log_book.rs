//! Service logs: what scorers print and log, in a bounded ring per service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use scorehost_core::{Clock, Logs, ServiceName};

mod follow;
mod ring;
mod service_log;

pub use follow::{Followed, Follower};
pub use ring::LogLine;
pub use service_log::ServiceLog;

use service_log::VersionLog;

/// Bounds of one service's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// Lines kept.
    pub max_lines: usize,
    /// Bytes kept, of text and request ids.
    pub max_bytes: usize,
    /// Bytes of one line; the rest of a longer one is cut.
    pub max_line_bytes: usize,
    /// Lines accepted per `window`; the rest is dropped and counted.
    pub lines_per_window: u64,
    /// Bytes accepted per `window`.
    pub bytes_per_window: u64,
    /// Length of the window in which the budget holds.
    pub window: Duration,
}

impl Default for LogConfig {
    /// 10,000 lines and 4 MiB kept, 16 KiB a line, 10,000 lines and 4 MiB a second.
    fn default() -> Self {
        Self {
            max_lines: 10_000,
            max_bytes: 4 << 20,
            max_line_bytes: 16 << 10,
            lines_per_window: 10_000,
            bytes_per_window: 4 << 20,
            window: Duration::from_secs(1),
        }
    }
}

/// Gets a copy of every line that is kept; must not wait.
pub type LogSink = Arc<dyn Fn(&ServiceName, &LogLine) + Send + Sync>;

/// The logs of all services.
pub struct LogBook {
    config: LogConfig,
    clock: Arc<dyn Clock>,
    sink: Option<LogSink>,
    services: RwLock<BTreeMap<ServiceName, Arc<ServiceLog>>>,
}

impl LogBook {
    /// A book without services.
    #[must_use]
    pub fn new(config: LogConfig, clock: Arc<dyn Clock>) -> Self {
        Self { config, clock, sink: None, services: RwLock::default() }
    }

    /// Gives every line to `sink`, too.
    #[must_use]
    pub fn with_sink(self, sink: LogSink) -> Self {
        Self { sink: Some(sink), ..self }
    }

    /// Where a version of a service writes.
    pub fn writer(&self, service: &ServiceName, version: &Arc<str>) -> Arc<dyn Logs> {
        Arc::new(VersionLog { log: self.service(service), version: Arc::clone(version) })
    }

    /// Lines dropped beyond their service's budget, by service.
    #[must_use]
    pub fn dropped(&self) -> Vec<(ServiceName, u64)> {
        self.services.read().iter().map(|(service, log)| (service.clone(), log.dropped())).collect()
    }

    /// The log of a service, made on first use.
    pub fn service(&self, service: &ServiceName) -> Arc<ServiceLog> {
        if let Some(log) = self.services.read().get(service) {
            return Arc::clone(log);
        }
        let new =
            || Arc::new(ServiceLog::new(service.clone(), self.config, Arc::clone(&self.clock), self.sink.clone()));
        Arc::clone(self.services.write().entry(service.clone()).or_insert_with(new))
    }

    /// The log of a service that has one.
    #[must_use]
    pub fn find(&self, service: &ServiceName) -> Option<Arc<ServiceLog>> {
        self.services.read().get(service).cloned()
    }

    /// Forgets a deleted service; its followers read what is left and then end.
    pub fn remove(&self, service: &ServiceName) {
        if let Some(log) = self.services.write().remove(service) {
            log.close();
        }
    }
}

#[cfg(test)]
mod tests;
