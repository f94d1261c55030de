//! The table of services, each with its live versions and its traffic.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use scorehost_core::{Asked, Failure, Plane, Routed, Service, ServiceName, Traffic, VersionKey};

use crate::endpoint::Endpoint;
use crate::{Mirror, RouteError};

type Table = HashMap<ServiceName, Arc<Endpoint>>;

/// All services by name. Looking a version up takes no lock; a service that has only one version allocates nothing.
/// Changing the table copies it.
#[derive(Default)]
pub struct Router {
    table: ArcSwap<Table>,
    changing: Mutex<()>,
    mirror: Option<Arc<Mirror>>,
}

impl Router {
    /// An empty table whose services copy no requests, whatever their traffic says.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty table; copies of requests for shadow versions go through `mirror`.
    #[must_use]
    pub fn with_mirror(mirror: Mirror) -> Self {
        Self { mirror: Some(Arc::new(mirror)), ..Self::default() }
    }

    /// Makes a version answer under its service's name, in one step; returns the one that did so far. Requests that have
    /// the former one already finish on it.
    pub fn put(&self, service: Arc<dyn Service>) -> Option<Arc<dyn Service>> {
        let name = service.status().name.clone();
        self.change(&name, |endpoint| endpoint.put(service))
    }

    /// Takes a version out of the table and returns it.
    pub fn remove(&self, key: &VersionKey) -> Option<Arc<dyn Service>> {
        self.change(&key.service, |endpoint| endpoint.remove(&key.version))
    }

    /// Divides the requests of a service from now on. Versions need not be live yet: until they are, the default stands
    /// in for them.
    pub fn set_endpoint(&self, name: &ServiceName, traffic: &Traffic) {
        self.change(name, |endpoint| endpoint.set_traffic(Some(traffic.clone())));
    }

    /// Forgets how the requests of a service are divided. Versions that are still live answer to their names, and the
    /// first of them to the service's.
    pub fn remove_endpoint(&self, name: &ServiceName) {
        self.change(name, |endpoint| endpoint.set_traffic(None));
    }

    fn change<T>(&self, name: &ServiceName, change: impl FnOnce(&mut Endpoint) -> T) -> T {
        let _one_at_a_time = self.changing.lock();
        let mut table = Table::clone(&self.table.load());
        let mut endpoint = match table.get(name) {
            Some(endpoint) => Endpoint::clone(endpoint),
            None => Endpoint::new(name.clone(), self.mirror.clone()),
        };
        let result = change(&mut endpoint);
        if endpoint.is_empty() {
            table.remove(name);
        } else {
            table.insert(name.clone(), Arc::new(endpoint));
        }
        self.table.store(Arc::new(table));
        result
    }
}

impl Plane for Router {
    fn route(&self, name: &str, asked: &Asked<'_>) -> Result<Routed, Failure> {
        match self.table.load().get(name) {
            Some(endpoint) => endpoint.route(asked).map_err(Failure::from),
            None => Err(RouteError::no_service(name).into()),
        }
    }

    fn service(&self, name: &str) -> Option<Arc<dyn Service>> {
        self.table.load().get(name)?.default().cloned()
    }

    fn versions(&self, name: &str) -> Vec<Arc<dyn Service>> {
        self.table.load().get(name).map(|endpoint| endpoint.versions().to_vec()).unwrap_or_default()
    }

    fn services(&self) -> Vec<Arc<dyn Service>> {
        let table = self.table.load();
        let mut endpoints: Vec<_> = table.iter().collect();
        endpoints.sort_by_key(|(name, _)| *name);
        endpoints.into_iter().flat_map(|(_, endpoint)| endpoint.versions().iter().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
