//! Loads: the first one of a graph, and reloads, of which there is one at a time for all calls that wait.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use scorehost_core::{Deadline, Failure, Graph};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::resident::Landing;
use crate::{Facts, MemoryError, Resident, Shared, Use, Wanted};

/// Loads a graph of which nothing is known. The caller sees to it that no other first load runs.
pub(crate) async fn first(shared: &Arc<Shared>, wanted: Wanted) -> Result<Arc<Resident>, Failure> {
    shared.check_size(&wanted.model, wanted.estimate)?;
    let room = shared.room(&wanted.model, wanted.estimate).await?;
    let _slot = shared.slots.acquire().await.map_err(Failure::internal)?;
    let (wanted, graph) = load_first(shared, wanted).await?;
    let facts = Facts {
        signature: graph.signature().clone(),
        platform: graph.platform(),
        bytes: graph.memory_bytes().max(1),
        batch: graph.batch(),
    };
    shared.check_size(&wanted.model, facts.bytes)?;
    let resident = Resident::absent(shared, Wanted { facts: Some(facts), ..wanted })?;
    let landed = resident.land(graph);
    let resident = shared.enter(resident);
    drop(room);
    shared.settle().await;
    drop(landed);
    Ok(resident)
}

async fn load_first(shared: &Shared, wanted: Wanted) -> Result<(Wanted, Arc<dyn Graph>), Failure> {
    shared.counts.loads.fetch_add(1, Relaxed);
    let load = shared.workers.spawn_blocking(move || {
        let loaded = wanted.source.load();
        (wanted, loaded)
    });
    let (wanted, loaded) = load.await.map_err(Failure::internal)?;
    let graph = loaded.inspect_err(|_| {
        shared.counts.failures.fetch_add(1, Relaxed);
    })?;
    Ok((wanted, graph))
}

impl Resident {
    /// Loads it now, where it is not.
    ///
    /// # Errors
    /// Those of its source, and those of room for it.
    pub async fn load(self: &Arc<Self>) -> Result<(), Failure> {
        self.acquire(None).await.map(drop)
    }

    /// A use of the graph, which is loaded first where it is not: once, however many ask for it.
    ///
    /// # Errors
    /// `Deadline` where that passes first (the load goes on), those of the source, `Overloaded` where all memory is in use.
    pub async fn acquire(self: &Arc<Self>, deadline: Option<Deadline>) -> Result<Use, Failure> {
        if let Some(held) = self.try_use() {
            return Ok(held);
        }
        let mut landing = self.flight();
        let patience = self.shared.config.patience;
        let wait = deadline.map_or(patience, |deadline| deadline.remaining(self.shared.clock.now()).min(patience));
        let late = || MemoryError::Deadline { model: self.model().clone() };
        let landed = timeout(wait, landing.wait_for(Option::is_some)).await.map_err(|_| late())?;
        let lost = || Failure::internal(format!("the load of model '{}' ended without a result", self.model()));
        let landed = landed.map_err(|_| lost())?.clone();
        landed.unwrap_or_else(|| Err(lost()))
    }

    /// The load under way, or a new one. It goes on when those who wait for it go away: the next call needs it, too.
    fn flight(self: &Arc<Self>) -> watch::Receiver<Landing> {
        let mut flight = self.flight.lock();
        if let Some(under_way) = &*flight {
            return under_way.clone();
        }
        let (told, landing) = watch::channel(None);
        *flight = Some(landing.clone());
        let this = Arc::clone(self);
        self.shared.workers.spawn(async move {
            let mut aloft = Aloft { graph: this, told };
            let landed = aloft.graph.reload().await;
            aloft.land(landed);
        });
        landing
    }

    async fn reload(self: &Arc<Self>) -> Result<Use, Failure> {
        // The graph may have come back between the caller's look and the beginning of this load.
        if let Some(held) = self.try_use() {
            return Ok(held);
        }
        let shared = &self.shared;
        let began = shared.clock.now();
        let room = shared.room(self.model(), self.size()).await?;
        let _slot = shared.slots.acquire().await.map_err(Failure::internal)?;
        shared.counts.loads.fetch_add(1, Relaxed);
        let this = Arc::clone(self);
        let load = shared.workers.spawn_blocking(move || this.source.load());
        let graph = load.await.map_err(Failure::internal)?.inspect_err(|failure| {
            shared.counts.failures.fetch_add(1, Relaxed);
            tracing::warn!(model = %self.model(), detail = failure.detail, "not loaded again: {failure}");
        })?;
        self.check(&*graph)?;
        let landed = self.land(graph);
        drop(room);
        shared.settle().await;
        let took = shared.clock.now().saturating_duration_since(began);
        shared.counts.reloads.record(took);
        self.announce(&format!("was loaded into memory in {} ms, {} bytes", took.as_millis(), self.size()));
        Ok(landed)
    }

    /// The same key must mean the same graph, or callers would be answered by another model.
    fn check(&self, graph: &dyn Graph) -> Result<(), Failure> {
        if graph.signature() == scorehost_core::Graph::signature(self) {
            return Ok(());
        }
        Err(Failure::internal(format!("model '{}' has another signature than when it was loaded before", self.model())))
    }
}

/// A load under way. Whatever ends it, a panic included, lets the next one begin.
struct Aloft {
    graph: Arc<Resident>,
    told: watch::Sender<Landing>,
}

impl Aloft {
    fn land(&mut self, landed: Result<Use, Failure>) {
        // First the flight, so that whoever finds the graph gone again begins a new one.
        *self.graph.flight.lock() = None;
        self.told.send_replace(Some(landed));
    }
}

impl Drop for Aloft {
    fn drop(&mut self) {
        let mut flight = self.graph.flight.lock();
        if flight.as_ref().is_some_and(|landing| landing.same_channel(&self.told.subscribe())) {
            *flight = None;
        }
    }
}
