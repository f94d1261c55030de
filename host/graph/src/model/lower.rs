//! From the messages of a checked model to the executors' representation.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use scorehost_core::Signature;

use crate::check::{label, normal};
use crate::external::Folder;
use crate::onnx::{AttributeProto, ModelProto, NodeProto, attribute_kind};
use crate::{Attribute, Graph, GraphError, Initialiser, Node, ValueId, tensor};

/// Lowers the main graph; [`crate::check::model`] has passed `proto`.
pub(super) fn lower(proto: &ModelProto, folder: Folder<'_>, signature: Signature) -> Result<Graph, GraphError> {
    let graph = proto.graph.as_ref().ok_or(GraphError::NoGraph)?;
    let mut lowering = Lowering { folder, opsets: opsets(proto), values: Vec::new(), ids: HashMap::new() };
    let inputs = signature.inputs.iter().map(|input| lowering.value(&input.name)).collect();
    let mut initialisers = Vec::with_capacity(graph.initializer.len());
    for initialiser in &graph.initializer {
        initialisers.push((lowering.value(&initialiser.name), tensor::read(initialiser, folder)?));
    }
    for sparse in graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()) {
        initialisers.push((lowering.value(&sparse.name), Initialiser::Unsupported { what: "a sparse tensor" }));
    }
    let nodes = graph.node.iter().map(|node| lowering.node(node)).collect::<Result<_, _>>()?;
    let outputs = signature.outputs.iter().map(|output| lowering.value(&output.name)).collect();
    Ok(Graph { values: lowering.values, inputs, outputs, initialisers, nodes, signature })
}

fn opsets(proto: &ModelProto) -> HashMap<&str, i64> {
    proto.opset_import.iter().map(|set| (normal(&set.domain), set.version)).collect()
}

struct Lowering<'a> {
    folder: Folder<'a>,
    opsets: HashMap<&'a str, i64>,
    values: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, ValueId>,
}

impl Lowering<'_> {
    fn value(&mut self, name: &str) -> ValueId {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let (id, name) = (ValueId(self.values.len()), Arc::<str>::from(name));
        self.values.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    /// Values of names; an empty name is an optional value that is left out.
    fn optional(&mut self, names: &[String]) -> Vec<Option<ValueId>> {
        names.iter().map(|name| if name.is_empty() { None } else { Some(self.value(name)) }).collect()
    }

    fn node(&mut self, node: &NodeProto) -> Result<Node, GraphError> {
        let domain = normal(&node.domain);
        let no_opset = || GraphError::NoOperatorSet { node: label(node), domain: domain.to_owned() };
        let opset = *self.opsets.get(domain).ok_or_else(no_opset)?;
        let mut attributes = BTreeMap::new();
        for attribute in &node.attribute {
            attributes.insert(attribute.name.as_str().into(), self.attribute(attribute)?);
        }
        let name = if node.name.is_empty() { node.output.first().unwrap_or(&node.op_type) } else { &node.name };
        Ok(Node {
            name: name.as_str().into(),
            domain: domain.into(),
            operator: node.op_type.as_str().into(),
            opset,
            inputs: self.optional(&node.input),
            outputs: self.optional(&node.output),
            attributes,
        })
    }

    fn attribute(&self, proto: &AttributeProto) -> Result<Attribute, GraphError> {
        Ok(match (kind(proto), &proto.t) {
            (attribute_kind::FLOAT, _) => Attribute::Float(proto.f),
            (attribute_kind::INT, _) => Attribute::Int(proto.i),
            (attribute_kind::STRING, _) => Attribute::String(proto.s.clone()),
            (attribute_kind::TENSOR, Some(tensor)) => Attribute::Tensor(tensor::read(tensor, self.folder)?),
            (attribute_kind::FLOATS, _) => Attribute::Floats(proto.floats.clone()),
            (attribute_kind::INTS, _) => Attribute::Ints(proto.ints.clone()),
            (attribute_kind::STRINGS, _) => Attribute::Strings(proto.strings.clone()),
            _ => Attribute::Unsupported,
        })
    }
}

/// The declared kind; models of IR version 1 declare none, there the field that is set tells.
fn kind(proto: &AttributeProto) -> i32 {
    match proto {
        AttributeProto { kind: declared @ 1.., .. } => *declared,
        AttributeProto { t: Some(_), .. } => attribute_kind::TENSOR,
        AttributeProto { g: Some(_), .. } => attribute_kind::GRAPH,
        _ if !proto.floats.is_empty() => attribute_kind::FLOATS,
        _ if !proto.ints.is_empty() => attribute_kind::INTS,
        _ if !proto.strings.is_empty() => attribute_kind::STRINGS,
        _ if !proto.s.is_empty() => attribute_kind::STRING,
        _ if proto.f != 0.0 => attribute_kind::FLOAT,
        _ => attribute_kind::INT,
    }
}
