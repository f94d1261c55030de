//! Functions of a model: no recursion, and no expansion to an absurd size (a runtime may inline them).

use std::collections::HashMap;

use super::normal;
use crate::GraphError;
use crate::onnx::{FunctionProto, ModelProto, NodeProto};

/// Nodes that all functions together may expand to.
const EXPANSION: u64 = 200_000;

type Key<'a> = (&'a str, &'a str, &'a str);

fn key(function: &FunctionProto) -> Key<'_> {
    (normal(&function.domain), &function.name, &function.overload)
}

/// Refuses recursive functions and functions that expand to more than [`EXPANSION`] nodes.
pub(super) fn check(model: &ModelProto) -> Result<(), GraphError> {
    if model.functions.is_empty() {
        return Ok(());
    }
    let functions = model.functions.iter().map(|function| (key(function), function)).collect();
    let mut sizes = Sizes { functions, known: HashMap::new() };
    let too_large = |name: &str| GraphError::Functions(name.to_owned());
    for function in &model.functions {
        sizes.function(key(function), 0).ok_or_else(|| too_large(&function.name))?;
    }
    let nodes = model.graph.as_ref().map_or(&[][..], |graph| &graph.node);
    sizes.nodes(nodes, 0).map(|_| ()).ok_or_else(|| too_large("of the graph"))
}

struct Sizes<'a> {
    functions: HashMap<Key<'a>, &'a FunctionProto>,
    /// Expanded sizes; `None` while a function is being measured, so that meeting it again is a recursion.
    known: HashMap<Key<'a>, Option<u64>>,
}

impl<'a> Sizes<'a> {
    /// Nodes that a call expands to; `None` for a recursion or too many.
    fn function(&mut self, key: Key<'a>, depth: u32) -> Option<u64> {
        // Calls nest on this stack, so their depth has a bound of its own.
        if depth > 100 {
            return None;
        }
        let Some(function) = self.functions.get(&key).copied() else { return Some(1) };
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        self.known.insert(key, None);
        let size = self.nodes(&function.node, depth + 1)?;
        self.known.insert(key, Some(size));
        Some(size)
    }

    fn nodes(&mut self, nodes: &'a [NodeProto], depth: u32) -> Option<u64> {
        let mut total = 0u64;
        for node in nodes {
            total += self.function((normal(&node.domain), &node.op_type, &node.overload), depth)?;
            for attribute in &node.attribute {
                for graph in attribute.g.as_deref().into_iter().chain(&attribute.graphs) {
                    total += self.nodes(&graph.node, depth)?;
                }
            }
            if total > EXPANSION {
                return None;
            }
        }
        Some(total)
    }
}
