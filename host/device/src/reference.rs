//! The built-in reference executor: plain Rust over `scorehost_graph`'s representation, one operator after the other.
//!
//! It serves linear models, tree ensembles and small networks where ONNX Runtime is missing, and is the oracle that
//! other devices are tested against; so it is written to be right first. A model with any other operator is refused at
//! load, with all such operators named.

mod array;
mod attributes;
mod multiply;
mod operators;

use std::collections::BTreeSet;
use std::sync::Arc;

use array::Array;
use operators::Kernel;
use scorehost_core::{Failure, NamedTensor, NamedTensors, Signature};
use scorehost_graph::{Graph, Initialiser, Model, ValueId};

use crate::DeviceError;

/// The platform name of the Open Inference Protocol.
pub(crate) const PLATFORM: &str = "scorehost_reference";

struct Step {
    name: Arc<str>,
    kernel: Kernel,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
}

struct ReferenceGraph {
    signature: Signature,
    inputs: Vec<ValueId>,
    outputs: Vec<ValueId>,
    /// Constants in place, everything else absent.
    values: Vec<Option<Arc<Array>>>,
    steps: Vec<Step>,
    weight_bytes: u64,
}

/// Loads a checked model, or names everything in it that has no implementation here.
pub(crate) fn load(model: &Model) -> Result<Arc<dyn scorehost_core::Graph>, DeviceError> {
    let graph = model.graph()?;
    let unsupported: BTreeSet<String> =
        graph.nodes.iter().filter(|node| operators::find(node).is_none()).map(|node| node.id().to_string()).collect();
    if !unsupported.is_empty() {
        let operators = unsupported.into_iter().collect();
        return Err(DeviceError::Operators { device: "the reference executor", operators });
    }
    let mut values = vec![None; graph.values.len()];
    for (id, initialiser) in &graph.initialisers {
        values[id.0] = Some(Arc::new(constant(initialiser, &graph.values[id.0])?));
    }
    let steps = steps(&graph)?;
    let Graph { inputs, outputs, signature, .. } = graph;
    Ok(Arc::new(ReferenceGraph { signature, inputs, outputs, values, steps, weight_bytes: model.weight_bytes() }))
}

fn refused(name: &str, message: &str) -> DeviceError {
    DeviceError::Refused { device: "the reference executor", message: format!("'{name}': {message}") }
}

fn constant(initialiser: &Initialiser, name: &str) -> Result<Array, DeviceError> {
    match initialiser {
        Initialiser::Tensor(tensor) => Array::from_tensor(tensor).map_err(|problem| refused(name, &problem)),
        Initialiser::External(external) => {
            let tensor = external.read().map_err(DeviceError::Read)??;
            Array::from_tensor(&tensor).map_err(|problem| refused(name, &problem))
        }
        Initialiser::Unsupported { what } => Err(refused(name, &format!("its data is {what}"))),
    }
}

fn steps(graph: &Graph) -> Result<Vec<Step>, DeviceError> {
    let step = |node: &scorehost_graph::Node| {
        let build = operators::find(node).ok_or_else(|| refused(&node.name, "no such operator"))?;
        let kernel = build(&attributes::Attributes(node)).map_err(|problem| refused(&node.name, &problem))?;
        Ok(Step { name: node.name.clone(), kernel, inputs: node.inputs.clone(), outputs: node.outputs.clone() })
    };
    graph.nodes.iter().map(step).collect()
}

impl ReferenceGraph {
    fn execute(&self, inputs: &[NamedTensor]) -> Result<Vec<Option<Arc<Array>>>, DeviceError> {
        let mut values = self.values.clone();
        for (spec, id) in self.signature.inputs.iter().zip(&self.inputs) {
            let input = inputs.iter().find(|input| input.name == spec.name).ok_or_else(|| self.mismatch(inputs))?;
            let actual = input.tensor.dtype();
            if actual != spec.dtype {
                let name = spec.name.to_string();
                return Err(DeviceError::InputType { name, expected: spec.dtype, actual });
            }
            values[id.0] = Some(Arc::new(Array::from_tensor(&input.tensor).map_err(DeviceError::Run)?));
        }
        if inputs.len() != self.inputs.len() {
            return Err(self.mismatch(inputs));
        }
        for step in &self.steps {
            let arguments: Vec<Option<Arc<Array>>> =
                step.inputs.iter().map(|id| id.and_then(|id| values[id.0].clone())).collect();
            let failed = |problem| DeviceError::Run(format!("node '{}': {problem}", step.name));
            let results = (step.kernel)(&operators::Arguments(&arguments)).map_err(failed)?;
            for (id, result) in step.outputs.iter().zip(results) {
                if let Some(id) = id {
                    values[id.0] = Some(Arc::new(result));
                }
            }
        }
        Ok(values)
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
        let values = self.execute(inputs)?;
        let output = |index: &usize| {
            let name = self.signature().outputs[*index].name.clone();
            let missing = || DeviceError::Run(format!("output '{name}' was not computed"));
            let array = values[self.outputs[*index].0].as_ref().ok_or_else(missing)?;
            Ok(NamedTensor::new(name.clone(), array.to_tensor().map_err(DeviceError::from)?))
        };
        outputs.iter().map(output).collect()
    }

    fn memory_bytes(&self) -> u64 {
        self.weight_bytes
    }
}
