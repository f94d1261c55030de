//! Attributes of nodes.

use std::sync::Arc;

use super::Lowering;
use crate::onnx::{AttributeProto, attribute_kind};
use crate::{Attribute, GraphError};

impl<'a> Lowering<'a> {
    /// An attribute's value; `None` where it refers to one that the call around it does not have.
    pub(super) fn attribute(&mut self, proto: &'a AttributeProto) -> Result<Option<Attribute>, GraphError> {
        if !proto.ref_attr_name.is_empty() {
            let depth = self.levels.len();
            let value = self.frame()?.attributes.get(&proto.ref_attr_name).cloned();
            return Ok(value.map(|value| here(value, depth)));
        }
        Ok(Some(match (kind(proto), &proto.t, &proto.g) {
            (attribute_kind::FLOAT, ..) => Attribute::Float(proto.f),
            (attribute_kind::INT, ..) => Attribute::Int(proto.i),
            (attribute_kind::STRING, ..) => Attribute::String(proto.s.clone()),
            (attribute_kind::TENSOR, Some(tensor), _) => Attribute::Tensor(self.tensor(tensor)?),
            (attribute_kind::GRAPH, _, Some(graph)) => Attribute::Graph(Arc::new(self.subgraph(graph)?)),
            (attribute_kind::FLOATS, ..) => Attribute::Floats(proto.floats.clone()),
            (attribute_kind::INTS, ..) => Attribute::Ints(proto.ints.clone()),
            (attribute_kind::STRINGS, ..) => Attribute::Strings(proto.strings.clone()),
            _ => Attribute::Unsupported,
        }))
    }
}

/// A call's attribute where it is used. A graph with captures means values of the graph that holds the call; inside a
/// subgraph of the function those numbers would mean others.
fn here(value: Attribute, depth: usize) -> Attribute {
    match value {
        Attribute::Graph(graph) if depth > 1 && !graph.captures.is_empty() => Attribute::Unsupported,
        value => value,
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
