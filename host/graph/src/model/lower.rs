//! From the messages of a checked model to the executors' representation: functions inlined, `Constant` nodes turned into
//! constants, subgraphs lowered with what they read from outside.

mod attributes;
mod calls;
mod constants;
mod scope;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use scorehost_core::{Signature, TensorSpec};

use crate::check::{label, normal};
use crate::external::Folder;
use crate::onnx::{GraphProto, ModelProto, NodeProto, TensorProto};
use crate::{Graph, GraphError, Initialiser, Node, signature, tensor};
use calls::Functions;
use scope::{Frame, Level};

/// Lowers the main graph; [`crate::check::model`] has passed `proto`.
pub(super) fn lower(proto: &ModelProto, folder: Folder<'_>, signature: Signature) -> Result<Graph, GraphError> {
    let graph = proto.graph.as_ref().ok_or(GraphError::NoGraph)?;
    let mut lowering = Lowering {
        folder,
        functions: calls::functions(proto),
        levels: vec![Level::new(Frame::main(calls::opsets(&proto.opset_import)))],
        tensors: HashMap::new(),
        copied: 0,
        inlining: 0,
    };
    let inputs = signature.inputs.iter().map(|input| lowering.define(&input.name)).collect();
    lowering.body(graph)?;
    let outputs = signature.outputs.iter().map(|output| lowering.value(&output.name)).collect::<Result<_, _>>()?;
    let level = lowering.levels.pop().ok_or(GraphError::NoGraph)?;
    let names = |input: &TensorSpec| signature::dimension_names(graph, &input.name);
    let dimension_names = signature.inputs.iter().map(names).collect();
    Ok(Graph { dimension_names, ..level.graph(inputs, outputs, signature) })
}

struct Lowering<'a> {
    folder: Folder<'a>,
    functions: Functions<'a>,
    /// The graphs being built: the main one, and in it the subgraphs down to the one at hand.
    levels: Vec<Level>,
    /// Tensors read before, by the address of their message: a function's are read once, however often it is called.
    tensors: HashMap<usize, Initialiser>,
    /// Bytes that inlining has copied.
    copied: u64,
    /// Calls around the node at hand.
    inlining: u32,
}

impl<'a> Lowering<'a> {
    fn level(&mut self) -> Result<&mut Level, GraphError> {
        self.levels.last_mut().ok_or(GraphError::NoGraph)
    }

    fn body(&mut self, graph: &'a GraphProto) -> Result<(), GraphError> {
        for initialiser in &graph.initializer {
            let content = self.tensor(initialiser)?;
            self.constant(&initialiser.name, content)?;
        }
        for sparse in graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()) {
            self.constant(&sparse.name, Initialiser::Unsupported { what: "a sparse tensor" })?;
        }
        graph.node.iter().try_for_each(|node| self.node(node))
    }

    fn constant(&mut self, name: &str, content: Initialiser) -> Result<(), GraphError> {
        let value = self.define(name);
        self.level()?.initialisers.push((value, content));
        Ok(())
    }

    fn tensor(&mut self, proto: &'a TensorProto) -> Result<Initialiser, GraphError> {
        let address = std::ptr::from_ref(proto) as usize;
        if let Some(known) = self.tensors.get(&address) {
            return Ok(known.clone());
        }
        let content = tensor::read(proto, self.folder)?;
        if self.inlining > 0 {
            self.tensors.insert(address, content.clone());
        }
        Ok(content)
    }

    fn node(&mut self, proto: &'a NodeProto) -> Result<(), GraphError> {
        if let Some(function) = self.functions.get(&calls::key(&proto.domain, &proto.op_type, &proto.overload)).copied()
        {
            return self.call(proto, function);
        }
        if proto.op_type == "Constant" && normal(&proto.domain).is_empty() {
            return self.constant_node(proto);
        }
        let domain = normal(&proto.domain);
        let no_opset = || GraphError::NoOperatorSet { node: label(proto), domain: domain.to_owned() };
        let opset = self.frame()?.opsets.get(domain).copied().ok_or_else(no_opset)?;
        let mut attributes = BTreeMap::new();
        for attribute in &proto.attribute {
            if let Some(value) = self.attribute(attribute)? {
                attributes.insert(attribute.name.as_str().into(), value);
            }
        }
        let name = if proto.name.is_empty() { proto.output.first().unwrap_or(&proto.op_type) } else { &proto.name };
        let inputs = self.optional(&proto.input)?;
        let outputs = proto.output.iter().map(|name| (!name.is_empty()).then(|| self.define(name))).collect();
        let node = Node {
            name: self.frame()?.named(name),
            domain: domain.into(),
            operator: proto.op_type.as_str().into(),
            opset,
            inputs,
            outputs,
            attributes,
        };
        self.account(&node)?;
        self.level()?.nodes.push(node);
        Ok(())
    }
}

/// A short name for inlined parts, whatever the length of the names in the file.
fn inlined(call: &str, name: &str) -> Arc<str> {
    fn cut(text: &str) -> &str {
        text.char_indices().nth(48).map_or(text, |(end, _)| &text[..end])
    }
    format!("{}/{}", cut(call), cut(name)).into()
}
