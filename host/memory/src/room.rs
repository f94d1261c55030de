//! Room under the budget: who gets it, and who goes for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use scorehost_core::{Graph, ModelId};
use tokio::time::timeout;

use crate::{MemoryError, Pin, Resident, Shared, Table};

/// Room for a load under way.
pub(crate) struct Room {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shared.table.lock().reserved -= self.bytes;
        self.shared.might_have_room();
    }
}

/// What a look for room came to.
enum Found {
    Room(Room),
    /// Not before someone is done.
    Later,
    /// Not as long as `pinned` bytes are.
    Never {
        pinned: u64,
    },
}

/// A graph on its way out. It is freed by dropping it, which takes longer than a lock should be held.
struct Evicted {
    graph: Arc<Resident>,
    weights: Arc<dyn Graph>,
}

impl Shared {
    /// Makes room for `need` bytes: evicts what nobody uses, least recently used first, and waits for uses to end.
    pub(crate) async fn room(self: &Arc<Self>, model: &ModelId, need: u64) -> Result<Room, MemoryError> {
        let Some(budget) = self.config.budget else { return Ok(self.reserve(&mut self.table.lock(), need)) };
        let waited = self.config.patience;
        let found = timeout(waited, self.wait_for_room(need, budget)).await;
        match found.map_err(|_| MemoryError::InUse { model: model.clone(), budget, waited })? {
            Ok(room) => Ok(room),
            Err(pinned) => Err(MemoryError::TooLarge { model: model.clone(), size: need, budget, pinned }),
        }
    }

    async fn wait_for_room(self: &Arc<Self>, need: u64, budget: u64) -> Result<Room, u64> {
        let _waiting = Waiting::new(self);
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // From here on no message is missed.
            freed.as_mut().enable();
            let (found, evicted) = self.look(need, budget);
            self.let_go(evicted).await;
            match found {
                Found::Room(room) => return Ok(room),
                Found::Never { pinned } => return Err(pinned),
                Found::Later => freed.await,
            }
        }
    }

    fn look(self: &Arc<Self>, need: u64, budget: u64) -> (Found, Vec<Evicted>) {
        let mut table = self.table.lock();
        let loaded = table.loaded();
        let pinned = loaded.iter().filter(|graph| graph.is_pinned()).map(|graph| graph.held()).sum();
        if need.saturating_add(pinned) > budget {
            return (Found::Never { pinned }, Vec::new());
        }
        let over = table.held(&loaded).saturating_add(need).saturating_sub(budget);
        if over > 0 {
            // From here on calls hold what they use.
            self.pressed.store(true, SeqCst);
        }
        if !can_go(&loaded, over) {
            return (Found::Later, Vec::new());
        }
        match evict(loaded, over) {
            // A use began meanwhile.
            (left, evicted) if left > 0 => (Found::Later, evicted),
            (_, evicted) => (Found::Room(self.reserve(&mut table, need)), evicted),
        }
    }

    /// Frees graphs, counts them, and tells their deployments.
    async fn let_go(&self, evicted: Vec<Evicted>) {
        if evicted.is_empty() {
            return;
        }
        self.counts.evictions.fetch_add(evicted.len() as u64, Relaxed);
        // Giving hundreds of megabytes back takes milliseconds.
        let freed = self.workers.spawn_blocking(move || {
            for Evicted { graph, weights } in evicted {
                drop(weights);
                tracing::info!(model = %graph.model(), bytes = graph.size(), "evicted from memory");
                graph.announce("was evicted from memory to make room for another model; its next request reloads it");
            }
        });
        if let Err(error) = freed.await {
            tracing::warn!(%error, "freeing an evicted model failed");
        }
    }

    /// After a load that took more than was thought: the others make up for it as far as nobody uses them.
    pub(crate) async fn settle(&self) {
        let Some(budget) = self.config.budget else { return };
        let evicted = {
            let table = self.table.lock();
            let loaded = table.loaded();
            let over = table.held(&loaded).saturating_sub(budget);
            evict(loaded, over).1
        };
        self.let_go(evicted).await;
        self.recount();
    }

    fn reserve(self: &Arc<Self>, table: &mut Table, bytes: u64) -> Room {
        table.reserved += bytes;
        Room { shared: Arc::clone(self), bytes }
    }

    /// Pins a graph where all pinned ones fit together.
    pub(crate) fn pin(&self, graph: &Arc<Resident>) -> Result<Pin, MemoryError> {
        let table = self.table.lock();
        if let Some(budget) = self.config.budget.filter(|_| !graph.is_pinned()) {
            let pinned: u64 = table.all().iter().filter(|graph| graph.is_pinned()).map(|graph| graph.size()).sum();
            let size = graph.size();
            if pinned.saturating_add(size) > budget {
                return Err(MemoryError::PinnedTooMuch { model: graph.model().clone(), size, pinned, budget });
            }
        }
        Ok(graph.count_pin())
    }

    /// Refuses a graph that could never be loaded beside those that are pinned.
    pub(crate) fn check_size(&self, model: &ModelId, size: u64) -> Result<(), MemoryError> {
        let Some(budget) = self.config.budget else { return Ok(()) };
        let all = self.table.lock().all();
        let pinned: u64 = all.iter().filter(|graph| graph.is_pinned()).map(|graph| graph.size()).sum();
        if size.saturating_add(pinned) > budget {
            return Err(MemoryError::TooLarge { model: model.clone(), size, budget, pinned });
        }
        Ok(())
    }

    /// Decides anew whether graphs may have to go.
    pub(crate) fn recount(&self) {
        let all = self.table.lock().all();
        let bytes: u64 = all.iter().map(|graph| graph.size()).sum();
        self.pressed.store(self.config.budget.is_some_and(|budget| bytes > budget), SeqCst);
    }

    /// Whether any graph may be evicted at any time.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pressed.load(Relaxed)
    }

    /// Wakes loads that wait for room; free where there are none.
    pub(crate) fn might_have_room(&self) {
        if self.waiting.load(SeqCst) > 0 {
            self.freed.notify_waiters();
        }
    }
}

impl Table {
    pub(crate) fn all(&self) -> Vec<Arc<Resident>> {
        self.graphs.values().filter_map(std::sync::Weak::upgrade).collect()
    }

    fn loaded(&self) -> Vec<Arc<Resident>> {
        self.all().into_iter().filter(|graph| graph.is_loaded()).collect()
    }

    fn held(&self, loaded: &[Arc<Resident>]) -> u64 {
        self.reserved + loaded.iter().map(|graph| graph.held()).sum::<u64>()
    }
}

/// Whether graphs of `over` bytes can be evicted at all: it makes no sense to give up some for a load that must wait.
fn can_go(loaded: &[Arc<Resident>], over: u64) -> bool {
    let idle = |graph: &&Arc<Resident>| graph.users() == 0 && !graph.is_pinned();
    loaded.iter().filter(idle).map(|graph| graph.size()).sum::<u64>() >= over
}

/// Evicts graphs of `over` bytes, least recently used first, as far as nobody uses them; the bytes that are left to evict.
fn evict(mut loaded: Vec<Arc<Resident>>, mut over: u64) -> (u64, Vec<Evicted>) {
    let mut evicted = Vec::new();
    loaded.sort_by_key(|graph| graph.used());
    for graph in loaded {
        if over == 0 {
            break;
        }
        let size = graph.size();
        if let Some(weights) = graph.evict() {
            over = over.saturating_sub(size);
            evicted.push(Evicted { graph, weights });
        }
    }
    (over, evicted)
}

/// Someone who waits for room.
struct Waiting<'a>(&'a Shared);

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, SeqCst);
        Self(shared)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}
