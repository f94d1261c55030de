//! The table of live services.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use scorehost_core::{Plane, Service, ServiceName};

type Table = HashMap<Box<str>, Arc<dyn Service>>;

/// All live services by name. Looking one up takes no lock and allocates nothing; changing the table copies it.
#[derive(Default)]
pub struct Router {
    table: ArcSwap<Table>,
    changing: Mutex<()>,
}

impl Router {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a service answer under its name, in one step; returns the one that did so far. Requests that have the
    /// former one already finish on it.
    pub fn put(&self, service: Arc<dyn Service>) -> Option<Arc<dyn Service>> {
        let name = service.status().name.as_str().into();
        self.change(|table| table.insert(name, service))
    }

    /// Takes a service out of the table and returns it.
    pub fn remove(&self, name: &ServiceName) -> Option<Arc<dyn Service>> {
        self.change(|table| table.remove(name.as_str()))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        let _one_at_a_time = self.changing.lock();
        let mut table = Table::clone(&self.table.load());
        let result = change(&mut table);
        self.table.store(Arc::new(table));
        result
    }
}

impl Plane for Router {
    fn service(&self, name: &str) -> Option<Arc<dyn Service>> {
        self.table.load().get(name).cloned()
    }

    fn services(&self) -> Vec<Arc<dyn Service>> {
        let mut services: Vec<_> = self.table.load().values().cloned().collect();
        services.sort_by(|a, b| a.status().name.cmp(&b.status().name));
        services
    }
}

#[cfg(test)]
mod tests;
