//! Counters per service and version: what the Open Inference Protocol's statistics extension reports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use parking_lot::RwLock;
use scorehost_core::{Clock, ServiceName};

mod counters;
mod snapshot;

pub use counters::{ServiceStatistics, Timing};
pub use snapshot::{BatchSnapshot, Measure, ServiceSnapshot};

/// A moment known on both clocks, so that one monotonic reading per request also dates it.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    monotonic: Instant,
    wall: SystemTime,
}

/// A service and its version.
type Key = (ServiceName, Arc<str>);

/// The counters of every service and version since this host started.
pub struct Statistics {
    anchor: Anchor,
    services: RwLock<BTreeMap<Key, Arc<ServiceStatistics>>>,
}

impl Statistics {
    /// An empty registry; `clock` is read once, to date later measurements.
    #[must_use]
    pub fn new(clock: &dyn Clock) -> Self {
        let anchor = Anchor { monotonic: clock.now(), wall: clock.wall() };
        Self { anchor, services: RwLock::default() }
    }

    /// The counters of a service's version, made on first use and kept while the service exists.
    pub fn service(&self, service: &ServiceName, version: &Arc<str>) -> Arc<ServiceStatistics> {
        let key = (service.clone(), Arc::clone(version));
        if let Some(counters) = self.services.read().get(&key) {
            return Arc::clone(counters);
        }
        let new = || Arc::new(ServiceStatistics::new(self.anchor, service.clone(), Arc::clone(version)));
        Arc::clone(self.services.write().entry(key).or_insert_with(new))
    }

    /// Forgets a deleted service, all versions.
    pub fn remove(&self, service: &ServiceName) {
        self.services.write().retain(|(name, _), _| name != service);
    }

    /// Forgets a deleted version of a service.
    pub fn remove_version(&self, service: &ServiceName, version: &str) {
        self.services.write().retain(|(name, known), _| name != service || &**known != version);
    }

    /// All counters, by service and version.
    #[must_use]
    pub fn snapshot(&self) -> Vec<ServiceSnapshot> {
        self.services.read().values().map(|counters| counters.snapshot()).collect()
    }

    /// The counters of one service, by version; empty where there is no such service.
    #[must_use]
    pub fn snapshot_of(&self, service: &str) -> Vec<ServiceSnapshot> {
        let services = self.services.read();
        let of_service = services.iter().filter(|((name, _), _)| name.as_str() == service);
        of_service.map(|(_, counters)| counters.snapshot()).collect()
    }
}

#[cfg(test)]
mod tests;
