//! Nodes and constants that no output needs.

use std::sync::Arc;

use crate::{Attribute, Graph, Node};

/// Removes nodes none of whose outputs is used, initialisers without use and captures without use, in subgraphs first.
pub(super) fn remove(graph: &mut Graph) {
    graph.nodes.iter_mut().for_each(inside);
    let mut used = vec![false; graph.values.len()];
    for output in &graph.outputs {
        used[output.0] = true;
    }
    let mut keep = vec![false; graph.nodes.len()];
    for (node, keep) in graph.nodes.iter().zip(&mut keep).rev() {
        *keep = node.outputs.iter().flatten().any(|output| used[output.0]);
        if *keep {
            node.uses().for_each(|value| used[value.0] = true);
        }
    }
    let mut kept = keep.into_iter();
    graph.nodes.retain(|_| kept.next().unwrap_or(true));
    graph.initialisers.retain(|(value, _)| used[value.0]);
    graph.captures.retain(|capture| used[capture.inner.0]);
}

fn inside(node: &mut Node) {
    for attribute in node.attributes.values_mut() {
        if let Attribute::Graph(graph) = attribute {
            remove(Arc::make_mut(graph));
        }
    }
}
