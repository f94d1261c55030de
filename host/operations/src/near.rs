//! Operations in the memory of a device: small models, loaded there once.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use scorehost_core::{DeviceMemory, ErrorKind, Failure, Graph, MemoryId, NamedValues, OutputSet, Shape, Value};

use crate::Operation;
use crate::device::named;

/// Operations that stay loaded; the one that was not used for longest goes first.
const MAX_LOADED: usize = 64;
/// Shapes of inputs that are remembered of each, as many as devices keep plans for.
const MAX_SHAPES: usize = 64;

/// Operations that were loaded on devices.
#[derive(Default)]
pub(crate) struct Near(Mutex<Vec<Arc<Loaded>>>);

/// An operation on a device.
struct Loaded {
    memory: MemoryId,
    model: Bytes,
    /// Why there is none.
    graph: Result<Arc<dyn Graph>, Failure>,
    /// Input shapes that it has run with.
    shapes: Mutex<Vec<Vec<Shape>>>,
}

/// The one memory in which all inputs are that are on a device.
fn memory(inputs: &[Value]) -> Option<&Arc<dyn DeviceMemory>> {
    let mut memories = inputs.iter().filter_map(|value| match value {
        Value::Device(tensor) => Some(tensor.memory()),
        Value::Host(_) => None,
    });
    let first = memories.next()?;
    memories.all(|other| other.id() == first.id()).then_some(first)
}

fn shapes(inputs: &[Value]) -> Vec<Shape> {
    inputs.iter().map(|value| Shape::from(value.shape())).collect()
}

impl Near {
    /// Runs an operation; `None` where no device does.
    pub(crate) fn run(&self, operation: &Operation, inputs: &[Value]) -> Option<Result<Vec<Value>, Failure>> {
        let memory = memory(inputs)?;
        if let Err(refused) = operation.plan(inputs) {
            return Some(Err(refused.into()));
        }
        if let (Operation::Slice(slice), [value]) = (operation, inputs)
            && let Some((start, end)) = slice.rows(value)
        {
            return Some(value.rows(start, end).map(|rows| vec![rows]).map_err(Failure::from));
        }
        let loaded = self.loaded(memory, operation.model(inputs)?);
        Some(loaded.run(inputs))
    }

    /// Whether the operation is not loaded yet, or has not run with such shapes.
    pub(crate) fn prepares(&self, operation: &Operation, inputs: &[Value]) -> bool {
        let Some(memory) = memory(inputs).filter(|_| operation.plan(inputs).is_ok()) else { return false };
        let Some(model) = operation.model(inputs) else { return false };
        let known = self.known(memory.id(), &model);
        known.is_none_or(|loaded| loaded.graph.is_ok() && !loaded.shapes.lock().contains(&shapes(inputs)))
    }

    fn known(&self, memory: &MemoryId, model: &Bytes) -> Option<Arc<Loaded>> {
        let mut all = self.0.lock();
        let at = all.iter().position(|loaded| loaded.model == *model && loaded.memory == *memory)?;
        let found = all.remove(at);
        all.push(Arc::clone(&found));
        Some(found)
    }

    /// Two calls may load the same one at the same time; the later one stays.
    fn loaded(&self, memory: &Arc<dyn DeviceMemory>, model: Bytes) -> Arc<Loaded> {
        if let Some(known) = self.known(memory.id(), &model) {
            return known;
        }
        let graph = memory.load(&model);
        // What the device may find room for, or be there for, another time is tried again.
        let lasting = graph.as_ref().err().is_none_or(|failure| failure.kind == ErrorKind::Unsupported);
        let loaded = Arc::new(Loaded { memory: memory.id().clone(), model, graph, shapes: Mutex::default() });
        if lasting {
            let mut all = self.0.lock();
            all.retain(|other| other.model != loaded.model || other.memory != loaded.memory);
            if all.len() >= MAX_LOADED {
                all.remove(0);
            }
            all.push(Arc::clone(&loaded));
        }
        loaded
    }
}

impl Loaded {
    fn run(&self, inputs: &[Value]) -> Result<Vec<Value>, Failure> {
        let graph = self.graph.as_ref().map_err(Clone::clone)?;
        let call: NamedValues = inputs.iter().enumerate().map(|(index, value)| named(index, value)).collect();
        let outputs = graph.run_calls(&[&call], &[0], OutputSet::NONE.with(0), None)?;
        let mut seen = self.shapes.lock();
        let now = shapes(inputs);
        if !seen.contains(&now) {
            if seen.len() >= MAX_SHAPES {
                seen.remove(0);
            }
            seen.push(now);
        }
        Ok(outputs.into_iter().map(|output| output.value).collect())
    }
}
