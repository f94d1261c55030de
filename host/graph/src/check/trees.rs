//! Tree ensembles without a way back: runtimes walk trees without counting steps, so a cycle would hold a thread for
//! ever. Nodes that are reached on several ways are fine (some exporters share them).

use std::collections::HashMap;

use crate::GraphError;
use crate::check::label;
use crate::onnx::NodeProto;

/// Refuses a tree ensemble of `ai.onnx.ml` with a cycle.
pub(super) fn check(node: &NodeProto) -> Result<(), GraphError> {
    let endless = match &*node.op_type {
        "TreeEnsembleClassifier" | "TreeEnsembleRegressor" => named_children(node).is_some_and(|next| has_cycle(&next)),
        "TreeEnsemble" => indexed_children(node).is_some_and(|next| has_cycle(&next)),
        _ => false,
    };
    if endless { Err(GraphError::Trees { node: label(node) }) } else { Ok(()) }
}

/// The nodes behind each node.
type Next = Vec<[Option<usize>; 2]>;

fn ints<'a>(node: &'a NodeProto, name: &str) -> &'a [i64] {
    node.attribute.iter().find(|attribute| attribute.name == name).map_or(&[], |attribute| &attribute.ints)
}

/// Children by tree and node number; `None` for tables of different lengths, which every device refuses itself.
fn named_children(node: &NodeProto) -> Option<Next> {
    let (trees, ids) = (ints(node, "nodes_treeids"), ints(node, "nodes_nodeids"));
    let (yes, no) = (ints(node, "nodes_truenodeids"), ints(node, "nodes_falsenodeids"));
    let modes = node.attribute.iter().find(|attribute| attribute.name == "nodes_modes").map(|modes| &*modes.strings)?;
    if [ids.len(), yes.len(), no.len(), modes.len()] != [trees.len(); 4] {
        return None;
    }
    let places: HashMap<_, usize> = trees.iter().zip(ids).enumerate().map(|(index, place)| (place, index)).collect();
    let children = |index: usize| {
        let child = |ids: &[i64]| places.get(&(&trees[index], &ids[index])).copied();
        if *modes[index] == *b"LEAF" { [None; 2] } else { [child(yes), child(no)] }
    };
    Some((0..trees.len()).map(children).collect())
}

/// Children by place in the table, where they are no leaves (operator set 5).
fn indexed_children(node: &NodeProto) -> Option<Next> {
    let (yes, no) = (ints(node, "nodes_truenodeids"), ints(node, "nodes_falsenodeids"));
    let (yes_leaf, no_leaf) = (ints(node, "nodes_trueleafs"), ints(node, "nodes_falseleafs"));
    if [no.len(), yes_leaf.len(), no_leaf.len()] != [yes.len(); 3] {
        return None;
    }
    let child = |ids: &[i64], leaf: &[i64], index: usize| {
        usize::try_from(ids[index]).ok().filter(|child| leaf[index] == 0 && *child < ids.len())
    };
    Some((0..yes.len()).map(|index| [child(yes, yes_leaf, index), child(no, no_leaf, index)]).collect())
}

/// Takes away nodes that nothing points to, until none is left or the rest is a cycle.
fn has_cycle(next: &Next) -> bool {
    let mut pointers = vec![0u32; next.len()];
    next.iter().flatten().flatten().for_each(|child| pointers[*child] += 1);
    let mut free: Vec<usize> = (0..next.len()).filter(|index| pointers[*index] == 0).collect();
    let mut taken = 0;
    while let Some(node) = free.pop() {
        taken += 1;
        for child in next[node].iter().flatten() {
            pointers[*child] -= 1;
            if pointers[*child] == 0 {
                free.push(*child);
            }
        }
    }
    taken < next.len()
}
