//! The built-in reference executor: plain Rust over `scorehost_graph`'s representation, one operator after the other.
//!
//! It serves every model where ONNX Runtime is missing and small ones where it is not, and is the oracle that other
//! devices are tested against; so it is written to be right first and fast second. A model with an operator that it
//! lacks is refused at load, with all such operators named.
//!
//! Constants are folded and patterns fused at load (`scorehost_graph`'s optimised graph). A run keeps a value until its last reader has run, which may write its result in the value's place; memory of dead
//! values serves later ones of the same thread ([`array::memory`]). Inputs are read where they are, outputs move into
//! their tensors. Runs of many threads share constants and nothing else.

mod array;
mod attributes;
mod fold;
mod multiply;
mod operators;
mod part;
mod program;
mod vector;

use std::sync::Arc;

use array::Array;
pub(crate) use fold::Kernels;
pub use part::CpuPart;
use program::Program;
use scorehost_core::{Failure, NamedTensor, NamedTensors, Signature};
use scorehost_graph::{Model, Node, Options};

use crate::DeviceError;
use crate::inventory::batch;

/// Number of operators that the executor has.
pub(crate) fn operators() -> usize {
    operators::many()
}

/// The platform name of the Open Inference Protocol.
pub(crate) const PLATFORM: &str = "scorehost_reference";

struct ReferenceGraph {
    signature: Signature,
    program: Program,
    /// Whether calls may be merged, or why not.
    batch: Result<(), Arc<str>>,
}

/// Loads a checked model, or names everything in it that has no implementation here. `as_written` leaves out folding and
/// fusion.
pub(crate) fn load(model: &Model, as_written: bool) -> Result<Arc<dyn scorehost_core::Graph>, DeviceError> {
    let mut graph = model.graph()?;
    let has = |node: &Node| operators::find(node).is_some();
    let unsupported = graph.unsupported(&has);
    if !unsupported.is_empty() {
        let operators = unsupported.iter().map(ToString::to_string).collect();
        return Err(DeviceError::Operators { device: "the reference executor", operators });
    }
    if !as_written {
        graph = graph.optimised(&Options { fold: &Kernels, supports: &has })?;
    }
    let batch = batch(&graph);
    Ok(Arc::new(ReferenceGraph { program: Program::new(&graph)?, signature: graph.signature, batch }))
}

impl ReferenceGraph {
    /// The inputs in the signature's order.
    fn ordered(&self, inputs: &[NamedTensor]) -> Result<Vec<Arc<Array>>, DeviceError> {
        if inputs.len() != self.signature.inputs.len() {
            return Err(self.mismatch(inputs));
        }
        let find = |spec: &scorehost_core::TensorSpec| {
            let input = inputs.iter().find(|input| input.name == spec.name).ok_or_else(|| self.mismatch(inputs))?;
            let actual = input.tensor.dtype();
            if actual != spec.dtype {
                return Err(DeviceError::InputType { name: spec.name.to_string(), expected: spec.dtype, actual });
            }
            Ok(Arc::new(Array::from_tensor(&input.tensor).map_err(DeviceError::Run)?))
        };
        self.signature.inputs.iter().map(find).collect()
    }

    fn mismatch(&self, inputs: &[NamedTensor]) -> DeviceError {
        DeviceError::Inputs {
            expected: self.signature.inputs.iter().map(|spec| &*spec.name).collect::<Vec<_>>().join(", "),
            actual: inputs.iter().map(|input| &*input.name).collect::<Vec<_>>().join(", "),
        }
    }
}

impl scorehost_core::Graph for ReferenceGraph {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn platform(&self) -> &'static str {
        PLATFORM
    }

    fn run(&self, inputs: &[NamedTensor], outputs: &[usize]) -> Result<NamedTensors, Failure> {
        let mut values = self.program.run(self.ordered(inputs)?.into_iter()).map_err(DeviceError::Run)?;
        let results: Result<NamedTensors, DeviceError> = outputs
            .iter()
            .enumerate()
            .map(|(place, index)| {
                let name = &self.signature.outputs[*index].name;
                let again = outputs[place + 1..].contains(index);
                let array = self.program.output(&mut values, *index, again);
                let array = array.map_err(|problem| DeviceError::Run(format!("output '{name}' {problem}")))?;
                let tensor = Arc::unwrap_or_clone(array).into_tensor().map_err(DeviceError::from)?;
                Ok(NamedTensor::new(name.clone(), tensor))
            })
            .collect();
        Program::recycle(values);
        Ok(results?)
    }

    fn memory_bytes(&self) -> u64 {
        self.program.weight_bytes()
    }

    fn batch(&self) -> Result<(), Arc<str>> {
        self.batch.clone()
    }
}
