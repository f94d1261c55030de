//! What is in memory at one moment.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use scorehost_core::{DeviceKind, Digest, Graph, ModelId};
use scorehost_telemetry::HistogramSnapshot;

use crate::ModelMemory;

/// One graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphSnapshot {
    /// What it is.
    pub key: Digest,
    /// The model that it was loaded for first.
    pub model: ModelId,
    /// What it runs on, or ran on when it was loaded last.
    pub device: DeviceKind,
    /// Bytes that it holds, or held when it was loaded last.
    pub bytes: u64,
    /// Whether it is loaded.
    pub loaded: bool,
    /// Whether it stays loaded.
    pub pinned: bool,
    /// Calls that use it.
    pub users: u32,
    /// Time since it was used last; `None` where it never was.
    pub idle: Option<Duration>,
}

/// All graphs, and what became of them since the start.
#[derive(Clone, Debug, Default)]
pub struct MemorySnapshot {
    /// Bytes that may be loaded; `None` without a limit.
    pub budget: Option<u64>,
    /// Every graph that a deployment uses, the most recently used first.
    pub graphs: Vec<GraphSnapshot>,
    /// Bytes of those that are loaded.
    pub loaded_bytes: u64,
    /// Loads begun, first ones and reloads.
    pub loads: u64,
    /// Loads that failed.
    pub failures: u64,
    /// Graphs evicted.
    pub evictions: u64,
    /// How long reloads took, the wait for room included.
    pub reloads: HistogramSnapshot,
}

/// The most recently used first, those that never were last.
fn by_use(graphs: &mut [GraphSnapshot]) {
    graphs.sort_by(|a, b| (a.idle.is_none(), a.idle, &a.key).cmp(&(b.idle.is_none(), b.idle, &b.key)));
}

impl MemorySnapshot {
    /// With the graphs and events of another memory; budget and bytes stay those of this one.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.graphs.extend(other.graphs);
        by_use(&mut self.graphs);
        self.loads += other.loads;
        self.failures += other.failures;
        self.evictions += other.evictions;
        self.reloads.merge(&other.reloads);
        self
    }

    /// Graphs that are loaded.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.graphs.iter().filter(|graph| graph.loaded).count()
    }
}

impl ModelMemory {
    /// What is in memory now.
    #[must_use]
    pub fn snapshot(&self) -> MemorySnapshot {
        let shared = &self.0;
        let (all, now) = (shared.table.lock().all(), shared.moment());
        let of = |graph: &std::sync::Arc<crate::Resident>| GraphSnapshot {
            key: *graph.key(),
            model: graph.model().clone(),
            device: Graph::device(&**graph),
            bytes: graph.held().max(graph.size()),
            loaded: graph.is_loaded(),
            pinned: graph.is_pinned(),
            users: graph.users(),
            idle: (graph.used() > 0).then(|| Duration::from_millis(now.saturating_sub(graph.used()))),
        };
        let mut graphs: Vec<GraphSnapshot> = all.iter().map(of).collect();
        by_use(&mut graphs);
        let loaded_bytes = graphs.iter().filter(|graph| graph.loaded).map(|graph| graph.bytes).sum();
        let mut reloads = HistogramSnapshot::default();
        shared.counts.reloads.add_to(&mut reloads);
        MemorySnapshot {
            budget: shared.config.budget,
            graphs,
            loaded_bytes,
            loads: shared.counts.loads.load(Relaxed),
            failures: shared.counts.failures.load(Relaxed),
            evictions: shared.counts.evictions.load(Relaxed),
            reloads,
        }
    }
}
