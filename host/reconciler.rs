//! Turns desired services into running ones: compares the board with what runs, and realises the difference.
//!
//! A new generation is built beside the old one and takes its place in the router's table when it is ready, so a
//! failed deployment changes nothing and a good one loses no request: calls under way finish on the object they began on.

use std::collections::HashMap;
use std::sync::Arc;

use scorehost_control::desired::{Board, Desired, DesiredState, Observed};
use scorehost_core::{Failure, VersionKey};
use scorehost_router::{RoutedService, Router};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::realiser::Realiser;

/// What is being built for a version, or runs as it.
#[derive(Default)]
struct Progress {
    /// Generation that answers requests, and the service that does.
    running: Option<(u64, Arc<RoutedService>)>,
    /// Generation being built, and the task that does it.
    building: Option<(u64, tokio::task::AbortHandle)>,
}

/// The loop between the board and the router's table.
pub(crate) struct Reconciler {
    board: Arc<Board>,
    router: Arc<Router>,
    realiser: Arc<Realiser>,
    versions: HashMap<VersionKey, Progress>,
    /// Builds that run at once: each loads and compiles, which is work for a whole core.
    slots: Arc<Semaphore>,
    builds: JoinSet<Built>,
}

/// The end of a build; no service where it failed.
type Built = (VersionKey, u64, Option<Arc<RoutedService>>);

impl Reconciler {
    pub(crate) fn new(board: Arc<Board>, router: Arc<Router>, realiser: Arc<Realiser>) -> Self {
        let slots = Arc::new(Semaphore::new(std::thread::available_parallelism().map_or(2, usize::from)));
        Self { board, router, realiser, versions: HashMap::new(), slots, builds: JoinSet::new() }
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
        for (key, desired) in &wanted.versions {
            self.want(key, desired);
        }
        for key in self.board.leaving() {
            self.tear_down(&key);
            self.board.report(&key, 0, Observed::Gone);
        }
    }

    fn tear_down(&mut self, key: &VersionKey) {
        self.router.remove(&key.service);
        if let Some(progress) = self.versions.remove(key) {
            if let Some((_, build)) = progress.building {
                build.abort();
            }
            if let Some((_, service)) = progress.running {
                drain(service);
            }
        }
        self.realiser.forget(&key.service);
    }

    fn want(&mut self, key: &VersionKey, desired: &Desired) {
        let progress = self.versions.entry(key.clone()).or_default();
        if progress.building.as_ref().is_some_and(|(generation, _)| *generation == desired.generation) {
            return;
        }
        if let Some((_, obsolete)) = progress.building.take() {
            obsolete.abort();
        }
        if progress.running.as_ref().is_some_and(|(generation, _)| *generation == desired.generation) {
            return;
        }
        let (key, desired) = (key.clone(), desired.clone());
        let generation = desired.generation;
        let (board, router) = (Arc::clone(&self.board), Arc::clone(&self.router));
        let (realiser, slots) = (Arc::clone(&self.realiser), Arc::clone(&self.slots));
        let build = self.builds.spawn(async move {
            let _slot = slots.acquire_owned().await;
            let report = |phase: &str| {
                board.report(&key, generation, Observed::Progressing { phase: phase.to_owned() });
            };
            match realiser.realise(&desired.spec, &report).await {
                Ok(service) => {
                    router.put(Arc::clone(&service) as _);
                    board.report(&key, generation, Observed::Ready);
                    (key, generation, Some(service))
                }
                Err(failure) => {
                    log_failure(&key, &failure);
                    board.report(&key, generation, Observed::Failed(failure));
                    (key, generation, None)
                }
            }
        });
        progress.building = Some((generation, build));
    }

    fn built(&mut self, done: Result<Built, tokio::task::JoinError>) {
        let Ok((key, generation, service)) = done else {
            return self.lost_build(done.err());
        };
        let Some(progress) = self.versions.get_mut(&key) else {
            // It left the board while it was being built; whatever it put into the table goes with it.
            self.router.remove(&key.service);
            return;
        };
        progress.building.take_if(|(building, _)| *building == generation);
        if let Some(service) = service
            && let Some((_, former)) = progress.running.replace((generation, service))
        {
            drain(former);
        }
    }

    /// An aborted build is expected; a panicked one fails the generation it was for.
    fn lost_build(&mut self, error: Option<tokio::task::JoinError>) {
        let Some(error) = error.filter(tokio::task::JoinError::is_panic) else { return };
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

/// Lets a service that is out of the table finish its calls and give up its replicas.
fn drain(service: Arc<RoutedService>) {
    tokio::spawn(async move { service.drain().await });
}

fn log_failure(key: &VersionKey, failure: &Failure) {
    tracing::warn!(service = %key, kind = failure.kind.name(), detail = failure.detail, "not deployed: {failure}");
}
