//! The services there are, those being made, and which models they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scorehost_core::{ModelId, ServiceName, ServiceSpec};

use crate::ControlError;

/// An acknowledged service.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) spec: Arc<ServiceSpec>,
    /// False where it was unloaded.
    pub(crate) running: bool,
    /// Unix seconds.
    pub(crate) created: u64,
    pub(crate) updated: u64,
}

#[derive(Default)]
struct Entry {
    stored: Option<Stored>,
    candidate: Option<Arc<ServiceSpec>>,
    operation: Option<String>,
}

impl Entry {
    /// The description whose models this service holds once the operation under way has succeeded.
    fn holding(&self) -> Option<&ServiceSpec> {
        let running = || self.stored.as_ref().filter(|stored| stored.running).map(|stored| &stored.spec);
        self.candidate.as_ref().or_else(running).map(AsRef::as_ref)
    }
}

/// All services by name.
#[derive(Default)]
pub(crate) struct Catalog(Mutex<BTreeMap<ServiceName, Entry>>);

impl Catalog {
    /// Reserves a service for one operation, whose id `start` makes once nothing speaks against it.
    pub(crate) fn reserve<T>(
        &self,
        name: &ServiceName,
        candidate: Option<Arc<ServiceSpec>>,
        max_models: usize,
        start: impl FnOnce() -> (String, T),
    ) -> Result<T, ControlError> {
        let mut entries = self.entries();
        if let Some(operation) = entries.get(name).and_then(|entry| entry.operation.clone()) {
            return Err(ControlError::Busy { service: name.clone(), operation });
        }
        if let Some(candidate) = &candidate {
            check_models(&entries, candidate, max_models)?;
        }
        let (operation, started) = start();
        let entry = entries.entry(name.clone()).or_default();
        entry.candidate = candidate;
        entry.operation = Some(operation);
        Ok(started)
    }

    /// Ends the reservation.
    pub(crate) fn release(&self, name: &ServiceName) {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(name) {
            entry.candidate = None;
            entry.operation = None;
            if entry.stored.is_none() {
                entries.remove(name);
            }
        }
    }

    /// Replaces what is acknowledged.
    pub(crate) fn store(&self, name: &ServiceName, stored: Option<Stored>) {
        self.entries().entry(name.clone()).or_default().stored = stored;
    }

    pub(crate) fn stored(&self, name: &ServiceName) -> Option<Stored> {
        self.entries().get(name)?.stored.clone()
    }

    /// Acknowledged services and those being made for the first time, each with the operation under way.
    pub(crate) fn list(&self) -> Vec<(Stored, Option<String>)> {
        self.entries().values().filter_map(shown).collect()
    }

    pub(crate) fn get(&self, name: &ServiceName) -> Option<(Stored, Option<String>)> {
        self.entries().get(name).and_then(shown)
    }

    /// Services that use a model: running, stopped, or being made.
    pub(crate) fn users(&self, model: &ModelId) -> Vec<String> {
        let uses = |spec: &ServiceSpec| spec.models.iter().any(|used| used.id == *model);
        let entries = self.entries();
        let users = entries.iter().filter(|(_, entry)| {
            entry.stored.as_ref().is_some_and(|stored| uses(&stored.spec))
                || entry.candidate.as_ref().is_some_and(|candidate| uses(candidate))
        });
        users.map(|(name, _)| name.to_string()).collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<ServiceName, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(entry: &Entry) -> Option<(Stored, Option<String>)> {
    let first = || {
        let spec = Arc::clone(entry.candidate.as_ref()?);
        Some(Stored { spec, running: true, created: 0, updated: 0 })
    };
    Some((entry.stored.clone().or_else(first)?, entry.operation.clone()))
}

/// Counts the distinct models of all running services once `candidate` has replaced what its name runs now.
fn check_models(
    entries: &BTreeMap<ServiceName, Entry>,
    candidate: &ServiceSpec,
    limit: usize,
) -> Result<(), ControlError> {
    let others = entries.iter().filter(|(name, _)| **name != candidate.name);
    let mut held: BTreeSet<&ModelId> =
        others.filter_map(|(_, entry)| entry.holding()).flat_map(|spec| &spec.models).map(|model| &model.id).collect();
    let mut first = None;
    for model in &candidate.models {
        held.insert(&model.id);
        if held.len() > limit {
            first.get_or_insert(&model.id);
        }
    }
    match first {
        Some(first) => Err(ControlError::TooManyModels {
            service: candidate.name.clone(),
            count: held.len(),
            limit,
            first: first.clone(),
        }),
        None => Ok(()),
    }
}
