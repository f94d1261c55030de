//! What should run, and what is known of how far it is.
//!
//! Control writes descriptions; a reconciler realises them and reports. The contract between the two:
//!
//! - A description has a generation. The reconciler builds a new generation *beside* what runs, swaps when it is ready,
//!   and keeps the old one where it fails.
//! - Where a generation fails, control puts the former [`Desired`] back *with its former generation*: the reconciler
//!   finds that this generation runs already and has nothing to do but forget the candidate.
//! - A report for a generation that is no longer wanted is ignored.
//! - A version that left the board ([`Board::leaving`]) is torn down and reported [`Observed::Gone`], also where it never
//!   ran.
//! - A service's [`EndpointSpec`] is on the board before any of its versions and leaves after the last: whoever realises a
//!   state puts access and traffic in force first, so that a new service is never reachable without its access rule.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use scorehost_core::{EndpointSpec, Failure, ServiceName, ServiceSpec, VersionKey};
use tokio::sync::watch;

/// One description of the board.
#[derive(Clone, Debug)]
pub struct Desired {
    /// What should run.
    pub spec: Arc<ServiceSpec>,
    /// Which description this is; higher is newer, over all services.
    pub generation: u64,
}

/// Everything that should run.
#[derive(Clone, Debug, Default)]
pub struct DesiredState {
    /// Versions of services.
    pub versions: BTreeMap<VersionKey, Desired>,
    /// Access and traffic of each service.
    pub endpoints: BTreeMap<ServiceName, Arc<EndpointSpec>>,
}

/// What the reconciler reports of one generation.
#[derive(Clone, Debug)]
pub enum Observed {
    /// Under way.
    Progressing {
        /// What is being done, for people: `compiling the scorer`.
        phase: String,
    },
    /// It answers requests.
    Ready,
    /// It cannot be made; what ran before still runs.
    Failed(Failure),
    /// Nothing of it is left.
    Gone,
}

/// A description, and what is known of it; `None` where it is not on the board.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    desired: Desired,
    observed: Observed,
}

/// What is known of one version.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The last report.
    pub(crate) observed: Observed,
    /// Every phase of this generation so far, oldest first: whoever follows an operation may look less often than a
    /// phase lasts, and still tells all of them.
    pub(crate) phases: Vec<String>,
}

impl Known {
    fn new(observed: Observed) -> Self {
        let mut known = Self { observed: Observed::Gone, phases: Vec::new() };
        known.take(observed);
        known
    }

    fn take(&mut self, report: Observed) {
        if let Observed::Progressing { phase } = &report
            && self.phases.last() != Some(phase)
        {
            self.phases.push(phase.clone());
        }
        self.observed = report;
    }
}

type ObservedVersions = BTreeMap<VersionKey, Known>;

/// The place where control writes and the reconciler reads and reports.
pub struct Board {
    desired: watch::Sender<DesiredState>,
    observed: watch::Sender<ObservedVersions>,
    /// The last generation given out; its lock makes every change of both sides one step.
    generation: Mutex<u64>,
}

impl Default for Board {
    fn default() -> Self {
        Self { desired: watch::Sender::default(), observed: watch::Sender::default(), generation: Mutex::new(0) }
    }
}

impl Board {
    /// What should run, and every change of it.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<DesiredState> {
        self.desired.subscribe()
    }

    /// Takes a reconciler's report; ignores those of generations that are no longer wanted.
    pub fn report(&self, key: &VersionKey, generation: u64, report: Observed) {
        let _step = self.step();
        let wanted = self.desired.borrow().versions.get(key).map(|desired| desired.generation);
        match wanted {
            Some(wanted) if wanted == generation => {
                self.observed.send_modify(|observed| match observed.get_mut(key) {
                    Some(known) => known.take(report),
                    None => drop(observed.insert(key.clone(), Known::new(report))),
                });
            }
            None if matches!(report, Observed::Gone) => {
                self.observed.send_modify(|observed| drop(observed.remove(key)));
            }
            _ => {}
        }
    }

    /// What is known of a version: `None` when it neither should run nor still does.
    #[must_use]
    pub fn observed(&self, key: &VersionKey) -> Option<Observed> {
        self.observed.borrow().get(key).map(|known| known.observed.clone())
    }

    /// Versions that left the board and are not yet reported gone.
    #[must_use]
    pub fn leaving(&self) -> Vec<VersionKey> {
        let _step = self.step();
        let desired = self.desired.borrow();
        self.observed.borrow().keys().filter(|key| !desired.versions.contains_key(*key)).cloned().collect()
    }

    /// Every change of what is known.
    pub(crate) fn reports(&self) -> watch::Receiver<ObservedVersions> {
        self.observed.subscribe()
    }

    /// Writes a new generation and tells its number.
    pub fn put(&self, spec: Arc<ServiceSpec>) -> u64 {
        let mut step = self.step();
        *step += 1;
        let key = spec.key();
        let desired = Desired { spec, generation: *step };
        self.write(&key, Some(Placed { desired, observed: progressing("waiting for its turn") }));
        *step
    }

    /// Takes a version off the board; the reconciler reports [`Observed::Gone`] when it has torn it down.
    pub fn remove(&self, key: &VersionKey) {
        let _step = self.step();
        self.write(key, None);
    }

    /// Writes who may call a service and which of its versions answers; in force at once, without a new generation.
    pub fn put_endpoint(&self, endpoint: Arc<EndpointSpec>) {
        let _step = self.step();
        self.desired.send_modify(|all| drop(all.endpoints.insert(endpoint.name.clone(), endpoint)));
    }

    /// Takes a service's front off the board, after the last of its versions.
    pub fn remove_endpoint(&self, name: &ServiceName) {
        let _step = self.step();
        self.desired.send_modify(|all| drop(all.endpoints.remove(name)));
    }

    /// A service's front as it should be.
    #[must_use]
    pub fn endpoint(&self, name: &ServiceName) -> Option<Arc<EndpointSpec>> {
        self.desired.borrow().endpoints.get(name).cloned()
    }

    /// What is on the board for a version.
    pub(crate) fn placed(&self, key: &VersionKey) -> Option<Placed> {
        let _step = self.step();
        let desired = self.desired.borrow().versions.get(key).cloned()?;
        let observed = self.observed(key)?;
        Some(Placed { desired, observed })
    }

    /// Puts back what was there before, with its generation. What was still being made gets a new one: its report may have
    /// come while it was not wanted.
    pub(crate) fn restore(&self, key: &VersionKey, before: Option<Placed>) {
        let mut step = self.step();
        let on_board = self.desired.borrow().versions.get(key).map(|desired| desired.generation);
        let before = before.map(|placed| match placed.observed {
            Observed::Progressing { .. } if on_board != Some(placed.desired.generation) => {
                *step += 1;
                Placed { desired: Desired { generation: *step, ..placed.desired }, ..placed }
            }
            _ => placed,
        });
        if on_board != before.as_ref().map(|placed| placed.desired.generation) {
            self.write(key, before);
        }
    }

    fn write(&self, key: &VersionKey, placed: Option<Placed>) {
        let (desired, observed) = match placed {
            Some(placed) => (Some(placed.desired), placed.observed),
            None => (None, progressing("stopping")),
        };
        // What is known changes first: a reconciler that answers at once must not be overwritten.
        self.observed.send_modify(|all| drop(all.insert(key.clone(), Known::new(observed))));
        self.desired.send_modify(|all| {
            match desired {
                Some(desired) => all.versions.insert(key.clone(), desired),
                None => all.versions.remove(key),
            };
        });
    }

    fn step(&self) -> MutexGuard<'_, u64> {
        self.generation.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn progressing(phase: &str) -> Observed {
    Observed::Progressing { phase: phase.to_owned() }
}

#[cfg(test)]
mod tests;
