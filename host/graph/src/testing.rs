//! Graphs for tests.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use scorehost_core::{DType, Signature, Tensor, TensorSpec};

use crate::{Attribute, Graph, Initialiser, Node, ValueId};

/// Builds a graph node by node; values come into being where they are first named.
pub(crate) struct Builder(pub(crate) Graph);

impl Builder {
    pub(crate) fn new(inputs: &[(&str, DType, &[i64])]) -> Self {
        let (values, nodes, initialisers) = (Vec::new(), Vec::new(), Vec::new());
        let (signature, dimension_names, captures) = (Signature::default(), Vec::new(), Vec::new());
        let (inputs_of, outputs) = (Vec::new(), Vec::new());
        let graph =
            Graph { values, inputs: inputs_of, outputs, initialisers, nodes, signature, dimension_names, captures };
        let mut builder = Self(graph);
        for (name, dtype, shape) in inputs {
            let value = builder.value(name);
            builder.0.inputs.push(value);
            let spec = TensorSpec { name: (*name).into(), dtype: *dtype, shape: shape.to_vec() };
            builder.0.signature.inputs.push(spec);
        }
        builder
    }

    pub(crate) fn floats(inputs: &[(&str, &[i64])]) -> Self {
        Self::new(&inputs.iter().map(|(name, shape)| (*name, DType::F32, *shape)).collect::<Vec<_>>())
    }

    pub(crate) fn value(&mut self, name: &str) -> ValueId {
        if let Some(found) = self.0.values.iter().position(|known| &**known == name) {
            return ValueId(found);
        }
        self.0.values.push(name.into());
        ValueId(self.0.values.len() - 1)
    }

    pub(crate) fn constant(mut self, name: &str, shape: &[u64], values: &[f32]) -> Self {
        let value = self.value(name);
        self.0.initialisers.push((value, Initialiser::Tensor(Tensor::from_f32(shape, values).unwrap())));
        self
    }

    /// A constant vector of ones.
    pub(crate) fn ones(self, name: &str, shape: &[u64]) -> Self {
        let values = vec![1.0; shape.iter().product::<u64>() as usize];
        self.constant(name, shape, &values)
    }

    pub(crate) fn ints(mut self, name: &str, values: &[i64]) -> Self {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let tensor = Tensor::new(DType::I64, [values.len() as u64].as_slice(), data.into()).unwrap();
        let value = self.value(name);
        self.0.initialisers.push((value, Initialiser::Tensor(tensor)));
        self
    }

    pub(crate) fn scalar(mut self, name: &str, number: i64) -> Self {
        let tensor = Tensor::new(DType::I64, [].as_slice(), number.to_le_bytes().to_vec().into()).unwrap();
        let value = self.value(name);
        self.0.initialisers.push((value, Initialiser::Tensor(tensor)));
        self
    }

    /// A node written as `Operator a b -> c`; `-` is an input that is left out. An operator of another domain has it before a colon.
    pub(crate) fn node(mut self, text: &str, attributes: &[(&str, Attribute)]) -> Self {
        let (left, right) = text.split_once(" -> ").unwrap();
        let mut words = left.split(' ');
        let operator = words.next().unwrap();
        let (domain, operator) = operator.split_once(':').unwrap_or(("", operator));
        let inputs: Vec<_> = words.map(|name| (name != "-").then(|| self.value(name))).collect();
        let outputs: Vec<_> = right.split(' ').map(|name| (name != "-").then(|| self.value(name))).collect();
        let attributes = attributes.iter().map(|(name, value)| ((*name).into(), value.clone()));
        self.0.nodes.push(Node {
            name: right.into(),
            domain: domain.into(),
            operator: operator.into(),
            opset: 17,
            inputs,
            outputs,
            attributes: attributes.collect::<BTreeMap<_, _>>(),
        });
        self
    }

    pub(crate) fn outputs(mut self, names: &[&str]) -> Graph {
        for name in names {
            let value = self.value(name);
            self.0.outputs.push(value);
            self.0.signature.outputs.push(TensorSpec { name: (*name).into(), dtype: DType::F32, shape: vec![-1] });
        }
        self.0
    }
}

/// The operators of a graph in order, in one line.
pub(crate) fn operators(graph: &Graph) -> String {
    graph.nodes.iter().map(|node| &*node.operator).collect::<Vec<_>>().join(" ")
}
