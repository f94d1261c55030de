//! Small graphs: those where calling ONNX Runtime costs more than the computation.
//!
//! A call of the library costs about 4 µs before the first operator runs; a linear model or a small network is done in less by
//! the built-in executor (`examples/measure.rs` shows both). Such a graph runs there while a call is small, and in the
//! library from a larger batch on. The choice depends on the model and the shapes alone, so that an answer never
//! depends on the load.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use scorehost_core::{Deadline, Failure, Graph, NamedTensor, NamedTensors, Signature};
use scorehost_graph::{Initialiser, Model};

use crate::onnxruntime::{self, Runtime};
use crate::{DeviceError, reference};

/// Multiplications and moved elements up to which the built-in executor is the faster one.
const SMALL_WORK: u64 = 8192;
/// Nodes of a small graph at most.
const SMALL_NODES: usize = 24;
/// Operators whose built-in form is slower than the library's from the first row on.
const SLOW: [&str; 2] = ["TreeEnsembleClassifier", "TreeEnsembleRegressor"];

struct SmallGraph {
    built_in: Arc<dyn Graph>,
    /// For large calls, loaded by the first of them; the built-in executor takes those as well where the library refuses the
    /// model.
    large: OnceLock<Arc<dyn Graph>>,
    runtime: Arc<Runtime>,
    bytes: Bytes,
    nodes: u64,
    weight_elements: u64,
}

/// The graph, where it is small; `None` leaves it to the library.
pub(crate) fn load(runtime: &Arc<Runtime>, model: &Model, bytes: &Bytes) -> Option<Arc<dyn Graph>> {
    // A file this large holds no small graph, and is not worth decoding twice.
    if bytes.len() as u64 > 16 * SMALL_WORK {
        return None;
    }
    let graph = model.graph().ok()?;
    let slow = |node: &scorehost_graph::Node| SLOW.contains(&&*node.operator);
    if graph.nodes.len() > SMALL_NODES || graph.nodes.iter().any(slow) {
        return None;
    }
    let elements = |(_, initialiser): &(_, Initialiser)| match initialiser {
        Initialiser::Tensor(tensor) => Some(tensor.shape().iter().product::<u64>()),
        Initialiser::External(_) | Initialiser::Unsupported { .. } => None,
    };
    let weight_elements = graph.initialisers.iter().map(elements).sum::<Option<u64>>()?;
    if weight_elements > SMALL_WORK {
        return None;
    }
    let built_in = reference::load(model, false).ok()?;
    Some(Arc::new(SmallGraph {
        built_in,
        large: OnceLock::new(),
        runtime: Arc::clone(runtime),
        bytes: bytes.clone(),
        nodes: graph.nodes.len().max(1) as u64,
        weight_elements,
    }))
}

impl SmallGraph {
    /// An estimate that grows with the batch: every weight once a row, every input element once a node.
    fn work(&self, inputs: &[NamedTensor]) -> u64 {
        let rows = inputs.first().and_then(|input| input.tensor.shape().first()).copied().unwrap_or(1);
        let elements = inputs
            .iter()
            .flat_map(|input| input.tensor.shape().iter().copied().reduce(u64::saturating_mul))
            .sum::<u64>();
        rows.saturating_mul(self.weight_elements).saturating_add(elements.saturating_mul(self.nodes))
    }

    fn large(&self) -> &dyn Graph {
        let load = || {
            let model = Model::read(self.bytes.clone(), None)?;
            onnxruntime::load(&self.runtime, &model, &self.bytes, None)
        };
        let large = || {
            load().unwrap_or_else(|reason: DeviceError| {
                tracing::warn!(%reason, "large calls of a small model run on the built-in executor");
                Arc::clone(&self.built_in)
            })
        };
        &**self.large.get_or_init(large)
    }
}

impl Graph for SmallGraph {
    fn signature(&self) -> &Signature {
        self.built_in.signature()
    }

    fn platform(&self) -> &'static str {
        onnxruntime::PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        if self.work(inputs) <= SMALL_WORK {
            return self.built_in.run(inputs, outputs);
        }
        self.large().run(inputs, outputs)
    }

    fn run_until(
        &self,
        inputs: &[NamedTensor],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<NamedTensors, Failure> {
        if self.work(inputs) <= SMALL_WORK {
            return self.built_in.run(inputs, outputs);
        }
        self.large().run_until(inputs, outputs, until)
    }

    fn memory_bytes(&self) -> u64 {
        let large = self.large.get().map_or(0, |large| large.memory_bytes());
        self.built_in.memory_bytes() + self.bytes.len() as u64 + large
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.built_in.batch()
    }
}
