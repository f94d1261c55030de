//! Which loaded graphs stay in memory: one copy of each by digest, under a budget, the least recently used evicted first.
//!
//! In: where a graph comes from ([`Source`]), called for its first load and for every reload, and calls of models. Out: a
//! [`Resident`] graph, which keeps its signature for ever and its weights while there is room, and a [`scorehost_core::Model`]
//! over it that has a call wait for the reload of its graph. Every evicted graph is reloaded once, however many calls wait for
//! it; a graph that a call uses stays; the budget holds while graphs are loaded, not only afterwards. Deliberately not here:
//! how big a graph is (`device` measures that), where its files lie, and who may deploy what.

mod error;
mod fetch;
mod model;
mod resident;
mod room;
mod snapshot;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::{Clock, DeviceKind, Digest, Failure, Graph, ModelId, Signature};
use scorehost_telemetry::Histogram;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

pub use error::MemoryError;
pub use model::{Audience, KeptModel};
pub use resident::{Pin, Resident, Use};
pub use snapshot::{GraphSnapshot, MemorySnapshot};

/// Where a graph comes from.
pub trait Source: Send + Sync {
    /// Loads it. Blocks. Called again after every eviction, so it must not depend on anything that goes away.
    ///
    /// # Errors
    /// Whatever keeps it from running, as its deployer should read it.
    fn load(&self) -> Result<Arc<dyn Graph>, Failure>;
    /// What it is to run on.
    fn device(&self) -> DeviceKind {
        DeviceKind::Cpu
    }
}

/// What is known of a graph without loading it: from its first load, perhaps in an earlier process.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// Inputs and outputs.
    pub signature: Signature,
    /// The Open Inference Protocol's platform name.
    pub platform: &'static str,
    /// Bytes that it holds when it is loaded, as measured.
    pub bytes: u64,
    /// Whether calls may be merged, or why not.
    pub batch: Result<(), Arc<str>>,
}

/// A graph that is to be kept.
pub struct Wanted {
    /// What it is, whatever it is called: two graphs with one key are one.
    pub key: Digest,
    /// The model that it belongs to, for messages.
    pub model: ModelId,
    /// Where it comes from.
    pub source: Box<dyn Source>,
    /// What an earlier load found; `None` loads it at once to find out.
    pub facts: Option<Facts>,
    /// Bytes that it will take, before anybody has measured: the size of its files.
    pub estimate: u64,
}

/// How much may be loaded, and for how long a call waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryConfig {
    /// Bytes that all loaded graphs may hold; `None` sets no limit, and nothing is ever evicted.
    pub budget: Option<u64>,
    /// Loads that run at once.
    pub loads: usize,
    /// Longest wait for room, and for a reload by a call without a deadline.
    pub patience: Duration,
}

impl Default for MemoryConfig {
    /// No limit; a load per core; 30 s.
    fn default() -> Self {
        let loads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { budget: None, loads, patience: Duration::from_secs(30) }
    }
}

/// The graphs of a process. Cheap to clone.
#[derive(Clone)]
pub struct ModelMemory(Arc<Shared>);

/// What all graphs share.
pub(crate) struct Shared {
    config: MemoryConfig,
    clock: Arc<dyn Clock>,
    began: Instant,
    /// Where loads run.
    workers: Handle,
    table: Mutex<Table>,
    /// Whether all graphs together are more than the budget, so that any may be evicted.
    pressed: AtomicBool,
    /// One first load at a time, so that the memory it takes can be told from that of others.
    first: tokio::sync::Mutex<()>,
    slots: Semaphore,
    /// Told whenever something might make room, while `waiting` says that somebody cares.
    freed: Notify,
    waiting: AtomicUsize,
    counts: Counts,
}

#[derive(Default)]
struct Table {
    /// Every graph that somebody holds, loaded or not.
    graphs: HashMap<Digest, Weak<Resident>>,
    /// Bytes of loads under way.
    reserved: u64,
}

#[derive(Default)]
struct Counts {
    loads: AtomicU64,
    failures: AtomicU64,
    evictions: AtomicU64,
    reloads: Histogram,
}

impl ModelMemory {
    /// Nothing loaded yet. Loads run on `workers`, which must have timers.
    #[must_use]
    pub fn new(config: MemoryConfig, clock: Arc<dyn Clock>, workers: Handle) -> Self {
        Self(Arc::new(Shared {
            config,
            began: clock.now(),
            clock,
            workers,
            table: Mutex::default(),
            pressed: AtomicBool::new(false),
            first: tokio::sync::Mutex::new(()),
            slots: Semaphore::new(config.loads.max(1)),
            freed: Notify::new(),
            waiting: AtomicUsize::new(0),
            counts: Counts::default(),
        }))
    }

    /// The bytes that loaded graphs may hold; `None` where there is no limit.
    #[must_use]
    pub fn budget(&self) -> Option<u64> {
        self.0.config.budget
    }

    /// The graph of that key: the one there is, or a new one. A new graph of which nothing is known is loaded at once; one
    /// whose facts are known is loaded by its first call, or by [`Resident::load`].
    ///
    /// # Errors
    /// Those of its source; `TooLarge` where it never fits; `Overloaded` where all memory is in use.
    pub async fn open(&self, wanted: Wanted) -> Result<Arc<Resident>, Failure> {
        if let Some(known) = self.0.find(&wanted.key) {
            return Ok(known);
        }
        if wanted.facts.is_some() {
            return Ok(self.0.enter(Resident::absent(&self.0, wanted)?));
        }
        let _one_at_a_time = self.0.first.lock().await;
        match self.0.find(&wanted.key) {
            Some(known) => Ok(known),
            None => fetch::first(&self.0, wanted).await,
        }
    }
}

impl Shared {
    fn find(&self, key: &Digest) -> Option<Arc<Resident>> {
        self.table.lock().graphs.get(key).and_then(Weak::upgrade)
    }

    /// Puts a graph into the table, unless another of its key is there already.
    fn enter(&self, graph: Arc<Resident>) -> Arc<Resident> {
        let mut table = self.table.lock();
        if let Some(known) = table.graphs.get(graph.key()).and_then(Weak::upgrade) {
            return known;
        }
        table.graphs.retain(|_, graph| graph.strong_count() > 0);
        table.graphs.insert(*graph.key(), Arc::downgrade(&graph));
        drop(table);
        self.recount();
        graph
    }

    /// Time since the beginning, in milliseconds: what "recently" is measured by.
    fn moment(&self) -> u64 {
        self.clock.now().saturating_duration_since(self.began).as_millis() as u64
    }
}

#[cfg(test)]
mod tests;
