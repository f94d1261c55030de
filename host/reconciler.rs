//! Turns desired services into running ones: compares the board with what runs, and realises the difference.
//!
//! Who may call a service and how its requests are divided comes into force first, so that nothing is ever reachable without
//! its rule. A new generation of a version is built beside the old one and takes its place in the router's table when it is
//! ready, so a failed deployment changes nothing and a good one loses no request: calls under way finish on the object they
//! began on. Only this task changes the table.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use scorehost_control::desired::{Board, Desired, DesiredState, Observed};
use scorehost_core::{Access, BoxFuture, EndpointSpec, Failure, Service, ServiceName, ServiceSpec, VersionKey};
use scorehost_router::Router;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

/// Makes versions and fronts real. The [`Realiser`](crate::realiser::Realiser) implements it; tests have their own.
pub(crate) trait Realise: Clone + Send + Sync + 'static {
    /// A version that answers requests.
    type Version: Service + 'static;

    /// Builds a version, ready to answer; `report` hears of each phase.
    fn realise<'a>(
        &'a self,
        spec: &'a Arc<ServiceSpec>,
        report: &'a (dyn Fn(&str) + Sync),
    ) -> BoxFuture<'a, Result<Arc<Self::Version>, Failure>>;
    /// What stands in the table for a version: the version itself, or what sees its requests on their way.
    fn face(&self, _spec: &Arc<ServiceSpec>, version: &Arc<Self::Version>) -> Arc<dyn Service> {
        Arc::clone(version) as _
    }
    /// Hears that a version is in the table from now on.
    fn went_live(&self, spec: &Arc<ServiceSpec>, version: &Arc<Self::Version>);
    /// Changes the number of replicas of a version that is in the table.
    fn rescale(&self, spec: &Arc<ServiceSpec>, version: &Arc<Self::Version>);
    /// Lets a version that is out of the table finish its calls and give up its replicas.
    fn drain(&self, version: Arc<Self::Version>);
    /// Says who may call a service, from now on.
    fn open(&self, name: &ServiceName, access: &Access);
    /// Lets nobody call a service any more.
    fn close(&self, name: &ServiceName);
    /// Drops what was kept of a version that is gone.
    fn forget_version(&self, key: &VersionKey);
    /// Drops what was kept of a service whose last version is gone.
    fn forget(&self, service: &ServiceName);
}

/// What is being built for a version, or runs as it.
struct Progress<V> {
    /// What answers requests.
    running: Option<Running<V>>,
    /// Generation being built, and the task that does it.
    building: Option<(u64, tokio::task::AbortHandle)>,
}

impl<V> Default for Progress<V> {
    fn default() -> Self {
        Self { running: None, building: None }
    }
}

/// A generation in the router's table.
struct Running<V> {
    generation: u64,
    spec: Arc<ServiceSpec>,
    service: Arc<V>,
}

/// The end of a build.
struct Built<V> {
    key: VersionKey,
    generation: u64,
    spec: Arc<ServiceSpec>,
    service: Result<Arc<V>, Failure>,
}

/// The loop between the board and the router's table.
pub(crate) struct Reconciler<R: Realise> {
    board: Arc<Board>,
    router: Arc<Router>,
    realiser: R,
    /// Fronts in force.
    endpoints: BTreeMap<ServiceName, Arc<EndpointSpec>>,
    versions: HashMap<VersionKey, Progress<R::Version>>,
    /// Builds that run at once: each loads and compiles, which is work for a whole core.
    slots: Arc<Semaphore>,
    builds: JoinSet<Built<R::Version>>,
}

impl<R: Realise> Reconciler<R> {
    pub(crate) fn new(board: Arc<Board>, router: Arc<Router>, realiser: R) -> Self {
        let slots = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
        let (endpoints, versions) = (BTreeMap::new(), HashMap::new());
        Self { board, router, realiser, endpoints, versions, slots, builds: JoinSet::new() }
    }

    /// Follows the board until its sender is gone. `settled` becomes true once everything that was on the board at the start is
    /// ready or has failed.
    pub(crate) async fn run(mut self, settled: watch::Sender<bool>) {
        let mut wanted = self.board.subscribe();
        let first = wanted.borrow_and_update().clone();
        self.reconcile(&first);
        loop {
            if self.builds.is_empty() {
                settled.send_if_modified(|settled| !std::mem::replace(settled, true));
            }
            tokio::select! {
                Some(done) = self.builds.join_next() => self.built(done),
                changed = wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let wanted = wanted.borrow_and_update().clone();
                    self.reconcile(&wanted);
                }
            }
        }
    }

    fn reconcile(&mut self, wanted: &DesiredState) {
        for (name, endpoint) in &wanted.endpoints {
            self.open(name, endpoint);
        }
        for (key, desired) in &wanted.versions {
            self.want(key, desired);
        }
        for key in self.board.leaving() {
            self.tear_down(&key);
            self.board.report(&key, 0, Observed::Gone);
        }
        let gone = |name: &&ServiceName| !wanted.endpoints.contains_key(*name);
        for name in self.endpoints.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.close(&name);
        }
    }

    /// Puts a front in force: who may call, then which version answers.
    fn open(&mut self, name: &ServiceName, endpoint: &Arc<EndpointSpec>) {
        if self.endpoints.get(name).is_some_and(|known| known == endpoint) {
            return;
        }
        self.realiser.open(name, &endpoint.access);
        self.router.set_endpoint(name, &endpoint.traffic);
        self.endpoints.insert(name.clone(), Arc::clone(endpoint));
    }

    /// Takes a front away: first nothing answers, then nobody may call.
    fn close(&mut self, name: &ServiceName) {
        self.router.remove_endpoint(name);
        self.realiser.close(name);
        self.endpoints.remove(name);
    }

    fn tear_down(&mut self, key: &VersionKey) {
        self.router.remove(key);
        if let Some(progress) = self.versions.remove(key) {
            if let Some((_, build)) = progress.building {
                build.abort();
            }
            if let Some(running) = progress.running {
                self.realiser.drain(running.service);
            }
        }
        self.realiser.forget_version(key);
        if !self.versions.keys().any(|other| other.service == key.service) {
            self.realiser.forget(&key.service);
        }
    }

    fn want(&mut self, key: &VersionKey, desired: &Desired) {
        let progress = self.versions.entry(key.clone()).or_default();
        if progress.building.as_ref().is_some_and(|(generation, _)| *generation == desired.generation) {
            return;
        }
        if let Some((_, obsolete)) = progress.building.take() {
            obsolete.abort();
        }
        if let Some(running) = &mut progress.running {
            if running.generation == desired.generation {
                return;
            }
            if running.differs_in_scaling_only(&desired.spec) {
                self.realiser.rescale(&desired.spec, &running.service);
                (running.generation, running.spec) = (desired.generation, Arc::clone(&desired.spec));
                return self.board.report(key, desired.generation, Observed::Ready);
            }
        }
        let build = self.build(key.clone(), desired.clone());
        self.versions.entry(key.clone()).or_default().building = Some((desired.generation, build));
    }

    fn build(&mut self, key: VersionKey, Desired { spec, generation }: Desired) -> tokio::task::AbortHandle {
        let board = Arc::clone(&self.board);
        let (realiser, slots) = (self.realiser.clone(), Arc::clone(&self.slots));
        self.builds.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let report = |phase: &str| {
                board.report(&key, generation, Observed::Progressing { phase: phase.to_owned() });
            };
            let service = realiser.realise(&spec, &report).await;
            Built { key, generation, spec, service }
        })
    }

    fn built(&mut self, done: Result<Built<R::Version>, tokio::task::JoinError>) {
        let Built { key, generation, spec, service } = match done {
            Ok(built) => built,
            Err(error) => return self.lost_build(error),
        };
        let progress = self.versions.get_mut(&key);
        let current = progress
            .and_then(|progress| progress.building.take_if(|(building, _)| *building == generation).map(|_| progress));
        match (current, service) {
            (Some(progress), Ok(service)) => {
                self.router.put(self.realiser.face(&spec, &service));
                self.realiser.went_live(&spec, &service);
                let former = progress.running.replace(Running { generation, spec, service });
                self.board.report(&key, generation, Observed::Ready);
                former.into_iter().for_each(|former| self.realiser.drain(former.service));
            }
            (Some(_), Err(failure)) => {
                log_failure(&key, &failure);
                self.board.report(&key, generation, Observed::Failed(failure));
            }
            // Nobody wants it any more.
            (None, Ok(service)) => self.realiser.drain(service),
            (None, Err(_)) => {}
        }
    }

    /// An aborted build is expected; a panicked one fails the generation it was for.
    fn lost_build(&mut self, error: tokio::task::JoinError) {
        if !error.is_panic() {
            return;
        }
        let id = error.id();
        for (key, progress) in &mut self.versions {
            if let Some((generation, _)) = progress.building.take_if(|(_, build)| build.id() == id) {
                let failure = Failure::internal(format!("panic while building generation {generation}: {error}"));
                log_failure(key, &failure);
                self.board.report(key, generation, Observed::Failed(failure));
            }
        }
    }
}

impl<V> Running<V> {
    /// Whether it becomes `wanted` by a change of its number of replicas, or is that already.
    fn differs_in_scaling_only(&self, wanted: &ServiceSpec) -> bool {
        ServiceSpec { scaling: self.spec.scaling, ..wanted.clone() } == *self.spec
    }
}

fn log_failure(key: &VersionKey, failure: &Failure) {
    tracing::warn!(service = %key, kind = failure.kind.name(), detail = failure.detail, "not deployed: {failure}");
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "reconciler_tests.rs"]
mod tests;
