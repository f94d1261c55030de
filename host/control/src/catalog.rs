//! The services there are, those being made, and which models they hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scorehost_core::{EndpointSpec, Failure, ModelId, ServiceName, ServiceSpec, VersionKey, VersionName};
use serde_json::Value;

use crate::models::known;
use crate::plan::Plan;
use crate::{ControlError, calls};

/// An acknowledged version of a service.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) spec: Arc<ServiceSpec>,
    /// The `deploymentconfig.json` that its settings come from, without what belongs to the front.
    pub(crate) config: Arc<Value>,
    /// False where it was unloaded.
    pub(crate) running: bool,
    /// Unix seconds.
    pub(crate) created: u64,
    pub(crate) updated: u64,
}

/// An acknowledged service: its front, and its versions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Service {
    pub(crate) front: Arc<EndpointSpec>,
    pub(crate) versions: BTreeMap<VersionName, Version>,
    /// Unix seconds.
    pub(crate) created: u64,
    pub(crate) updated: u64,
}

impl Service {
    pub(crate) fn name(&self) -> &ServiceName {
        &self.front.name
    }

    /// The name of the default version.
    pub(crate) fn default(&self) -> &VersionName {
        &self.front.traffic.default
    }

    /// A version, or an error that names those there are.
    pub(crate) fn version(&self, version: &VersionName) -> Result<&Version, ControlError> {
        self.versions.get(version).ok_or_else(|| ControlError::NoVersion {
            service: self.name().clone(),
            version: version.to_string(),
            known: known(self.versions.keys().map(ToString::to_string)),
        })
    }

    pub(crate) fn key(&self, version: &VersionName) -> VersionKey {
        VersionKey { service: self.name().clone(), version: version.clone() }
    }

    /// Versions that should run.
    pub(crate) fn running(&self) -> impl Iterator<Item = (&VersionName, &Version)> {
        self.versions.iter().filter(|(_, version)| version.running)
    }

    /// Versions in the order in which they were made.
    pub(crate) fn in_order(&self) -> Vec<(&VersionName, &Version)> {
        let mut versions: Vec<_> = self.versions.iter().collect();
        versions.sort_by_key(|(_, version)| version.created);
        versions
    }

    fn uses(&self, model: &ModelId) -> bool {
        self.versions.values().flat_map(|version| &version.spec.models).any(|used| used.id == *model)
    }
}

#[derive(Default)]
struct Entry {
    stored: Option<Service>,
    /// What will be stored once the operation under way has succeeded.
    candidate: Option<Service>,
    operation: Option<String>,
}

impl Entry {
    /// The service whose models are held once the operation under way has succeeded.
    fn holding(&self) -> Option<&Service> {
        self.candidate.as_ref().or(self.stored.as_ref())
    }
}

/// All services by name.
#[derive(Default)]
pub(crate) struct Catalog(Mutex<BTreeMap<ServiceName, Entry>>);

/// What an operation begins with.
pub(crate) struct Reserved<T> {
    pub(crate) before: Option<Service>,
    pub(crate) plan: Plan,
    pub(crate) started: T,
}

impl Catalog {
    /// Reserves a service for one operation: `plan` makes it from what there is, and `start` gives it an id once nothing
    /// speaks against it.
    pub(crate) fn reserve<T>(
        &self,
        name: &ServiceName,
        max_models: usize,
        plan: impl FnOnce(Option<&Service>) -> Result<Plan, Failure>,
        start: impl FnOnce(&Plan) -> (String, T),
    ) -> Result<Reserved<T>, Failure> {
        let mut entries = self.entries();
        if let Some(operation) = entries.get(name).and_then(|entry| entry.operation.clone()) {
            return Err(ControlError::Busy { service: name.clone(), operation }.into());
        }
        let before = entries.get(name).and_then(|entry| entry.stored.clone());
        let plan = plan(before.as_ref())?;
        if let Some(after) = plan.after.as_ref().filter(|_| !plan.put.is_empty()) {
            check_models(&entries, after, max_models)?;
            check_calls(&entries, after)?;
        }
        let (operation, started) = start(&plan);
        let entry = entries.entry(name.clone()).or_default();
        entry.candidate.clone_from(&plan.after);
        entry.operation = Some(operation);
        Ok(Reserved { before, plan, started })
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
    pub(crate) fn store(&self, name: &ServiceName, stored: Option<Service>) {
        self.entries().entry(name.clone()).or_default().stored = stored;
    }

    pub(crate) fn stored(&self, name: &ServiceName) -> Option<Service> {
        self.entries().get(name)?.stored.clone()
    }

    /// Acknowledged services and those being made for the first time, each with the operation under way.
    pub(crate) fn list(&self) -> Vec<(Service, Option<String>)> {
        self.entries().values().filter_map(shown).collect()
    }

    pub(crate) fn get(&self, name: &ServiceName) -> Option<(Service, Option<String>)> {
        self.entries().get(name).and_then(shown)
    }

    /// Services that use a model: running, stopped, or being made.
    pub(crate) fn users(&self, model: &ModelId) -> Vec<String> {
        let entries = self.entries();
        let uses = |service: &Option<Service>| service.as_ref().is_some_and(|service| service.uses(model));
        let users = entries.iter().filter(|(_, entry)| uses(&entry.stored) || uses(&entry.candidate));
        users.map(|(name, _)| name.to_string()).collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<ServiceName, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn shown(entry: &Entry) -> Option<(Service, Option<String>)> {
    let service = entry.stored.clone().or_else(|| entry.candidate.clone())?;
    Some((service, entry.operation.clone()))
}

/// Refuses a service that would call itself through others once `candidate` has replaced what its name is now.
fn check_calls(entries: &BTreeMap<ServiceName, Entry>, candidate: &Service) -> Result<(), ControlError> {
    let others = entries.iter().filter(|(name, _)| *name != candidate.name());
    let holding = others.filter_map(|(name, entry)| Some((name, entry.holding()?)));
    let mut grants: calls::Grants = holding.map(|(name, service)| (name.clone(), calls::granted(service))).collect();
    grants.insert(candidate.name().clone(), calls::granted(candidate));
    calls::check(candidate.name(), &grants)
}

/// Counts the distinct models of all running versions once `candidate` has replaced what its name runs now.
fn check_models(entries: &BTreeMap<ServiceName, Entry>, candidate: &Service, limit: usize) -> Result<(), ControlError> {
    let models = |service: &'_ Service| -> Vec<ModelId> {
        service.running().flat_map(|(_, version)| &version.spec.models).map(|model| model.id.clone()).collect()
    };
    let others = entries.iter().filter(|(name, _)| *name != candidate.name());
    let mut held: BTreeSet<ModelId> = others.filter_map(|(_, entry)| entry.holding()).flat_map(models).collect();
    let mut first = None;
    for model in models(candidate) {
        held.insert(model.clone());
        if held.len() > limit {
            first.get_or_insert(model);
        }
    }
    match first {
        Some(first) => {
            Err(ControlError::TooManyModels { service: candidate.name().clone(), count: held.len(), limit, first })
        }
        None => Ok(()),
    }
}
