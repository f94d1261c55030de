//! A part of a graph, for devices that run the rest of it.

use std::sync::Arc;

use scorehost_core::{Failure, Tensor};
use scorehost_graph::{Graph, Node};

use super::array::Array;
use super::operators;
use super::program::Program;
use crate::DeviceError;

/// A part of a graph on the built-in executor: values in, values out, in the order of the part's own inputs and outputs.
pub struct CpuPart {
    program: Program,
    outputs: usize,
}

impl CpuPart {
    /// Makes a graph ready to run. Its signature is not looked at: values come and go by their place.
    ///
    /// # Errors
    /// `Unsupported` naming every operator that the executor lacks, `InvalidInput` where a node or a constant is wrong.
    pub fn new(graph: &Graph) -> Result<Self, Failure> {
        let has = |node: &Node| operators::find(node).is_some();
        let unsupported = graph.unsupported(&has);
        if !unsupported.is_empty() {
            let operators = unsupported.iter().map(ToString::to_string).collect();
            return Err(DeviceError::Operators { device: "the reference executor", operators }.into());
        }
        Ok(Self { program: Program::new(graph)?, outputs: graph.outputs.len() })
    }

    /// Runs once; `inputs` are in the order of the part's inputs.
    ///
    /// # Errors
    /// `InvalidInput` where the shapes do not work in this part.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, Failure> {
        let arrays = inputs.iter().map(|tensor| Array::from_tensor(tensor).map(Arc::new));
        let arrays = arrays.collect::<Result<Vec<_>, String>>().map_err(DeviceError::Run)?;
        let mut values = self.program.run(arrays.into_iter()).map_err(DeviceError::Run)?;
        let output = |index| {
            let array = self.program.output(&mut values, index, false).map_err(DeviceError::Run)?;
            Arc::unwrap_or_clone(array).into_tensor().map_err(DeviceError::from)
        };
        let outputs = (0..self.outputs).map(output).collect::<Result<Vec<_>, DeviceError>>();
        Program::recycle(values);
        Ok(outputs?)
    }

    /// Bytes of constants.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.program.weight_bytes()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use scorehost_core::Signature;
    use scorehost_graph::ValueId;

    use super::*;

    /// `Operator a b -> c` over values by number.
    fn graph(operator: &str) -> Graph {
        let node = Node {
            name: "n".into(),
            domain: "".into(),
            operator: operator.into(),
            opset: 13,
            inputs: vec![Some(ValueId(0)), Some(ValueId(1))],
            outputs: vec![Some(ValueId(2))],
            attributes: BTreeMap::new(),
        };
        Graph {
            values: vec!["a".into(), "b".into(), "c".into()],
            inputs: vec![ValueId(0), ValueId(1)],
            outputs: vec![ValueId(2)],
            initialisers: Vec::new(),
            nodes: vec![node],
            signature: Signature::default(),
            dimension_names: Vec::new(),
            captures: Vec::new(),
        }
    }

    #[test]
    fn values_come_and_go_by_their_place() {
        let part = CpuPart::new(&graph("Sub")).unwrap();
        let tensors = [[5.0, 7.0], [1.0, 2.0]].map(|values| Tensor::from_f32([2].as_slice(), &values).unwrap());
        let outputs = part.run(&tensors).unwrap();
        assert_eq!(outputs[0].data(), Tensor::from_f32([2].as_slice(), &[4.0, 5.0]).unwrap().data());
    }

    #[test]
    fn a_part_with_an_unknown_operator_is_refused_by_name() {
        let failure = CpuPart::new(&graph("Frobnicate")).map(drop).unwrap_err();
        assert!(failure.message.contains("Frobnicate"), "{failure}");
    }
}
