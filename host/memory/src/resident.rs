//! One graph: its facts always, its weights while there is room.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Weak, mpsc};

use parking_lot::{Mutex, RwLock};
use scorehost_core::{
    Deadline, DeviceKind, Digest, Failure, Graph, MemoryId, ModelId, NamedTensor, NamedTensors, NamedValue,
    NamedValues, OutputSet, Signature,
};
use tokio::sync::watch;

use crate::model::Audience;
use crate::{Facts, MemoryError, Shared, Source, Wanted};

/// Set in [`Resident::users`] while the graph is not loaded.
const ABSENT: u32 = 1 << 31;

/// How a load came out; everyone who waited for it gets a use of the graph.
pub(crate) type Landing = Option<Result<Use, Failure>>;

/// A graph that can be evicted and comes back when it is called.
pub struct Resident {
    key: Digest,
    model: ModelId,
    signature: Signature,
    platform: &'static str,
    pub(crate) source: Box<dyn Source>,
    pub(crate) shared: Arc<Shared>,
    /// Calls that use the graph, and [`ABSENT`].
    users: AtomicU32,
    graph: RwLock<Option<Arc<dyn Graph>>>,
    /// Bytes that it held when it was loaded last.
    bytes: AtomicU64,
    /// Whether calls may be merged, as the graph said when it was loaded first.
    batch: Result<(), Arc<str>>,
    /// When it was used last.
    used: AtomicU64,
    pins: AtomicU32,
    /// The load under way.
    pub(crate) flight: Mutex<Option<watch::Receiver<Landing>>>,
    /// Deployments that hear of evictions and reloads.
    audiences: Mutex<Vec<Weak<Audience>>>,
}

/// A use of a loaded graph: it is not evicted while this lives.
pub struct Use(pub(crate) Arc<Resident>);

/// Keeps a graph loaded for as long as this lives.
pub struct Pin(Arc<Resident>);

impl Resident {
    /// A graph of which only the facts are here.
    pub(crate) fn absent(shared: &Arc<Shared>, wanted: Wanted) -> Result<Arc<Self>, Failure> {
        let facts = wanted.facts.ok_or_else(|| Failure::internal("a graph without facts was not loaded"))?;
        Ok(Arc::new(Self {
            key: wanted.key,
            model: wanted.model,
            signature: facts.signature,
            platform: facts.platform,
            source: wanted.source,
            shared: Arc::clone(shared),
            users: AtomicU32::new(ABSENT),
            graph: RwLock::new(None),
            bytes: AtomicU64::new(facts.bytes),
            batch: facts.batch,
            used: AtomicU64::new(0),
            pins: AtomicU32::new(0),
            flight: Mutex::new(None),
            audiences: Mutex::default(),
        }))
    }

    /// What it is.
    #[must_use]
    pub const fn key(&self) -> &Digest {
        &self.key
    }

    /// The model that it was loaded for first.
    #[must_use]
    pub const fn model(&self) -> &ModelId {
        &self.model
    }

    /// What is known of it, for a later process.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            signature: self.signature.clone(),
            platform: self.platform,
            bytes: self.size(),
            batch: self.batch.clone(),
        }
    }

    /// Bytes that it holds when it is loaded.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Whether it is loaded.
    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.users.load(Acquire) & ABSENT == 0
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.pins.load(SeqCst) > 0
    }

    pub(crate) fn users(&self) -> u32 {
        self.users.load(Relaxed) & !ABSENT
    }

    /// When it was used last, in milliseconds since the memory's beginning.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Remembers that it is used now.
    pub(crate) fn touch(&self) {
        self.used.store(self.shared.moment(), Relaxed);
    }

    /// A use of the graph; `None` while it is not loaded.
    pub(crate) fn try_use(self: &Arc<Self>) -> Option<Use> {
        if self.users.fetch_add(1, SeqCst) & ABSENT != 0 {
            self.users.fetch_sub(1, SeqCst);
            return None;
        }
        Some(Use(Arc::clone(self)))
    }

    /// Takes the graph in, with a first use of it.
    pub(crate) fn land(self: &Arc<Self>, graph: Arc<dyn Graph>) -> Use {
        self.bytes.store(graph.memory_bytes().max(1), Relaxed);
        let mut place = self.graph.write();
        *place = Some(graph);
        self.touch();
        // Removes the mark and adds this use in one step; attempts that saw the mark take themselves back. Under the lock, so that
        // a run that finds the device lost sees both or neither.
        self.users.fetch_sub(ABSENT - 1, SeqCst);
        drop(place);
        Use(Arc::clone(self))
    }

    /// Gives the graph up, unless someone uses it.
    pub(crate) fn evict(&self) -> Option<Arc<dyn Graph>> {
        if self.is_pinned() || self.users.compare_exchange(0, ABSENT, SeqCst, SeqCst).is_err() {
            return None;
        }
        self.graph.write().take()
    }

    /// Gives a graph up whose device is lost, whoever uses it: the next call loads it again, on a device that is left.
    fn lose(&self, lost: &Arc<dyn Graph>, reason: &Failure) {
        let mut graph = self.graph.write();
        if !graph.as_ref().is_some_and(|graph| Arc::ptr_eq(graph, lost)) {
            // Another call has seen it before.
            return;
        }
        self.users.fetch_or(ABSENT, SeqCst);
        *graph = None;
        drop(graph);
        tracing::warn!(model = %self.model, "given up: {reason}");
        self.announce(&format!("lost its device ({reason}); its next request loads it on another one"));
    }

    /// Bytes that it holds now; what a graph took on since it was loaded counts.
    pub(crate) fn held(&self) -> u64 {
        let graph = self.graph.read();
        let Some(graph) = &*graph else { return 0 };
        let bytes = graph.memory_bytes().max(1);
        self.bytes.store(bytes, Relaxed);
        bytes
    }

    /// Keeps it loaded from now on.
    ///
    /// # Errors
    /// `TooLarge` where all pinned graphs together would be more than the budget.
    pub async fn pin(self: &Arc<Self>) -> Result<Pin, Failure> {
        let pin = self.shared.pin(self)?;
        self.load().await?;
        Ok(pin)
    }

    pub(crate) fn count_pin(self: &Arc<Self>) -> Pin {
        self.pins.fetch_add(1, SeqCst);
        Pin(Arc::clone(self))
    }

    /// Has a deployment hear of evictions and reloads for as long as it lives.
    pub(crate) fn tell(&self, audience: &Arc<Audience>) {
        let mut audiences = self.audiences.lock();
        audiences.retain(|audience| audience.strong_count() > 0);
        audiences.push(Arc::downgrade(audience));
    }

    pub(crate) fn announce(&self, event: &str) {
        let audiences: Vec<_> = self.audiences.lock().iter().filter_map(Weak::upgrade).collect();
        audiences.iter().for_each(|audience| audience.hear(event));
    }

    /// Ends a use.
    fn done(&self) {
        if self.users.fetch_sub(1, SeqCst) == 1 {
            self.shared.might_have_room();
        }
    }

    /// Runs something on the graph, which is given up where its device turns out to be lost.
    fn run_here<T>(&self, run: impl FnOnce(&dyn Graph) -> Result<T, Failure>) -> Result<T, Failure> {
        let _running = Running::new(self);
        let graph = self.here()?;
        let answer = run(&*graph);
        if answer.is_err()
            && let Err(reason) = graph.health()
        {
            self.lose(&graph, &reason);
        }
        answer
    }

    /// The graph, also where no use holds it: a call that a worker runs after its caller has left.
    fn here(&self) -> Result<Arc<dyn Graph>, Failure> {
        if let Some(graph) = &*self.graph.read() {
            return Ok(Arc::clone(graph));
        }
        let Some(this) = self.shared.find(&self.key) else {
            return Err(Failure::internal(format!("model '{}' is called after it is gone", self.model)));
        };
        let (answer, answered) = mpsc::channel();
        self.shared.workers.spawn(async move {
            // Whoever asked may have given up.
            let _ = answer.send(this.acquire(None).await);
        });
        let waited = self.shared.config.patience;
        let used = answered.recv_timeout(waited).map_err(|_| MemoryError::Deadline { model: self.model.clone() })??;
        let graph = used.0.graph.read().clone();
        graph.ok_or_else(|| Failure::internal(format!("model '{}' is not where it was loaded", self.model)))
    }
}

impl Graph for Resident {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        self.platform
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.run_until(inputs, outputs, None)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        self.run_here(|graph| graph.run_until(inputs, outputs, until))
    }

    fn memory(&self) -> Option<MemoryId> {
        self.graph.read().as_ref()?.memory()
    }

    fn run_calls(
        &self,
        calls: &[&[NamedValue]],
        outputs: &[usize],
        keep: OutputSet,
        until: Option<Deadline>,
    ) -> Result<NamedValues, Failure> {
        self.run_here(|graph| graph.run_calls(calls, outputs, keep, until))
    }

    fn report(&self) -> Option<String> {
        self.graph.read().as_ref()?.report()
    }

    fn device(&self) -> DeviceKind {
        self.graph.read().as_ref().map_or_else(|| self.source.device(), |graph| graph.device())
    }

    fn memory_bytes(&self) -> u64 {
        self.held()
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.batch.clone()
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        self.shared.might_have_room();
    }
}

/// A run, which uses the graph also where its caller did not hold a use.
struct Running<'a>(&'a Resident);

impl<'a> Running<'a> {
    fn new(graph: &'a Resident) -> Self {
        graph.users.fetch_add(1, SeqCst);
        Self(graph)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.done();
    }
}

impl Clone for Use {
    fn clone(&self) -> Self {
        // There is a use already, so the graph is loaded.
        self.0.users.fetch_add(1, SeqCst);
        Self(Arc::clone(&self.0))
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.done();
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        if self.0.pins.fetch_sub(1, SeqCst) == 1 {
            self.0.shared.might_have_room();
        }
    }
}
