//! Graphs that wasi:nn guests bring along, under the budget of all models.
//!
//! Such a graph cannot be read again from the registry, so it is pinned while an instance holds it, and gone with the last one that
//! does. One digest is one graph: instances and services that bring the same bytes share it, also with a registered model of that
//! content. All of them together may take a part of the budget only, so that no scorer keeps deployed models out of memory. They run
//! on the CPU: what is to run elsewhere is registered, and deployed there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use scorehost_batcher::Dispatcher;
use scorehost_core::{
    BoxFuture, CallContext, Deadline, DeviceKind, Digest, ErrorKind, Failure, Graph, GraphLoader, Model, ModelId,
    ModelMetadata, NamedTensor, NamedTensors, Placement, Signature,
};
use scorehost_device::{Devices, ModelSource, trim_memory};
use scorehost_memory::{KeptModel, ModelMemory, Pin, Resident, Source, Wanted};

use crate::realiser::blocking;

/// Of the budget for models, guests' own ones may take one part in so many.
const PART: u64 = 2;

/// Graphs of guests at once: as many as a host takes models.
const MOST: usize = 1000;

/// Loads the graphs that guests bring along.
pub(crate) struct GuestGraphs {
    devices: Arc<Devices>,
    dispatcher: Arc<Dispatcher>,
    memory: ModelMemory,
    /// Those that instances hold.
    held: Mutex<HashMap<Digest, Weak<Brought>>>,
}

/// A graph for as long as an instance holds it.
struct Brought {
    graph: Arc<Resident>,
    _pin: Pin,
}

impl GuestGraphs {
    pub(crate) fn new(devices: Arc<Devices>, dispatcher: Arc<Dispatcher>, memory: ModelMemory) -> Self {
        Self { devices, dispatcher, memory, held: Mutex::default() }
    }

    async fn bring(&self, onnx: Bytes) -> Result<Arc<dyn Model>, Failure> {
        let (key, onnx) = blocking(move || Ok((digest_of(&onnx), onnx))).await?;
        let brought = match self.find(&key) {
            Some(held) => held,
            None => self.load(key, onnx).await?,
        };
        let model = self.dispatcher.model(brought.graph.model().clone(), Arc::clone(&brought.graph) as _);
        let model = KeptModel::new(model, Arc::clone(&brought.graph), None, None);
        Ok(Arc::new(GuestModel { model, _brought: brought }))
    }

    async fn load(&self, key: Digest, onnx: Bytes) -> Result<Arc<Brought>, Failure> {
        let estimate = (onnx.len() as u64).max(1);
        self.check(&self.live(), estimate)?;
        let wanted = Wanted {
            key,
            // Graphs are told apart in lists and messages by the beginning of their digests.
            model: format!("wasi-nn-{}:1", &key.hex()[..12]).parse::<ModelId>()?,
            source: Box::new(Bytewise { devices: Arc::clone(&self.devices), onnx }),
            facts: None,
            estimate,
        };
        let graph = self.memory.open(wanted).await?;
        let pin = graph.pin().await?;
        self.enter(key, Arc::new(Brought { graph, _pin: pin }))
    }

    /// Counts a graph, unless another instance brought the same meanwhile.
    fn enter(&self, key: Digest, brought: Arc<Brought>) -> Result<Arc<Brought>, Failure> {
        let mut held = self.held();
        if let Some(known) = held.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        held.retain(|_, brought| brought.strong_count() > 0);
        let others: Vec<_> = held.values().filter_map(Weak::upgrade).collect();
        self.check(&others, brought.graph.size())?;
        held.insert(key, Arc::downgrade(&brought));
        Ok(brought)
    }

    fn check(&self, others: &[Arc<Brought>], size: u64) -> Result<(), Failure> {
        if others.len() >= MOST {
            let message = format!("{MOST} models that scorers brought along (wasi:nn load) are in memory already");
            return Err(
                Failure::new(ErrorKind::Overloaded, message).with_hint("drop graphs that are not used any more")
            );
        }
        let Some(budget) = self.memory.budget() else { return Ok(()) };
        let (share, taken) = (budget / PART, others.iter().map(|brought| brought.graph.size()).sum::<u64>());
        if taken.saturating_add(size) <= share {
            return Ok(());
        }
        let message = format!(
            "a model that the scorer brought along (wasi:nn load) takes {size} bytes of memory; all such models may take {share} \
             bytes, half of the host's budget for models, and {taken} are taken"
        );
        let hint =
            "register the model and open it by name (load-by-name), or start the host with a larger --model-memory";
        Err(Failure::new(ErrorKind::TooLarge, message).with_hint(hint))
    }

    fn find(&self, key: &Digest) -> Option<Arc<Brought>> {
        self.held().get(key).and_then(Weak::upgrade)
    }

    fn live(&self) -> Vec<Arc<Brought>> {
        self.held().values().filter_map(Weak::upgrade).collect()
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Brought>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GraphLoader for GuestGraphs {
    fn load(&self, onnx: Bytes) -> BoxFuture<'_, Result<Arc<dyn Model>, Failure>> {
        Box::pin(self.bring(onnx))
    }
}

fn digest_of(bytes: &[u8]) -> Digest {
    use sha2::{Digest as _, Sha256};

    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// A graph's bytes, kept for a load that comes after the graph was evicted: a deployment with the same content may outlive the
/// instance that brought it.
struct Bytewise {
    devices: Arc<Devices>,
    onnx: Bytes,
}

impl Source for Bytewise {
    fn load(&self) -> Result<Arc<dyn Graph>, Failure> {
        trim_memory();
        let graph = self.devices.load_on(ModelSource::Bytes(self.onnx.clone()), &Placement::default())?;
        Ok(Arc::new(WithBytes { graph, bytes: self.onnx.len() as u64 }))
    }
}

/// A graph whose file stays in memory with it.
struct WithBytes {
    graph: Arc<dyn Graph>,
    bytes: u64,
}

impl Graph for WithBytes {
    fn signature(&self) -> &Signature {
        self.graph.signature()
    }

    fn platform(&self) -> &'static str {
        self.graph.platform()
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        self.graph.run(inputs, outputs)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        self.graph.run_until(inputs, outputs, until)
    }

    fn memory_bytes(&self) -> u64 {
        self.graph.memory_bytes().saturating_add(self.bytes)
    }

    fn device(&self) -> DeviceKind {
        self.graph.device()
    }

    fn report(&self) -> Option<String> {
        self.graph.report()
    }

    fn health(&self) -> Result<(), Failure> {
        self.graph.health()
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.graph.batch()
    }
}

/// A graph as one instance calls it.
struct GuestModel {
    model: Arc<KeptModel>,
    _brought: Arc<Brought>,
}

impl Model for GuestModel {
    fn metadata(&self) -> &ModelMetadata {
        self.model.metadata()
    }

    fn run<'a>(
        &'a self,
        inputs: NamedTensors,
        outputs: &'a [Arc<str>],
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        self.model.run(inputs, outputs, call)
    }
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "guest_graphs_tests.rs"]
mod tests;
