//! Where the values of one run lie in one piece of memory.

mod arena;
#[cfg(test)]
mod tests;

use arena::Arena;

use crate::{Graph, Node, ValueId, ValueShape};

/// A value's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// First byte.
    pub offset: u64,
    /// Bytes of the value; what lies between them and the next multiple of the alignment is unused.
    pub bytes: u64,
}

/// Places for the values that nodes compute, such that values that are needed at the same time do not overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Bytes of memory needed.
    pub bytes: u64,
    /// Places by [`ValueId`]; `None` for inputs, constants, strings and values whose shape is not known: those live elsewhere.
    pub slots: Vec<Option<Slot>>,
}

impl MemoryPlan {
    /// Plans one run of the graph's nodes in their order, every offset a multiple of `align` (0 counts as 1).
    ///
    /// A value lives from the node that computes it through the last node that reads it; outputs of the graph to the
    /// end. The output of a node that only gives elements another shape ([`is_view`]) has the place of its
    /// input, where that has one: an executor compares the two offsets and copies nothing where they are equal.
    #[must_use]
    pub fn of(graph: &Graph, shapes: &[Option<ValueShape>], align: u64) -> Self {
        let mut lives = Lives::of(graph, shapes);
        let mut arena = Arena::new(align.max(1));
        let mut slots: Vec<Option<Slot>> = vec![None; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            for value in node.outputs.iter().flatten().map(|value| value.0) {
                let root = lives.roots[value];
                let Some(bytes) = lives.bytes[value] else { continue };
                let offset = match slots[root] {
                    Some(slot) if root != value => slot.offset,
                    _ => arena.take(lives.bytes[root].unwrap_or(bytes)),
                };
                slots[value] = Some(Slot { offset, bytes });
            }
            for root in std::mem::take(&mut lives.ends[index]) {
                if let Some(slot) = slots[root] {
                    arena.give(slot.offset, slot.bytes);
                }
            }
        }
        Self { bytes: arena.bytes(), slots }
    }
}

/// Whether a node's first output has the elements of its first input in the same order, only under another shape.
#[must_use]
pub fn is_view(node: &Node) -> bool {
    let inference = node.input(2).is_none();
    matches!(&*node.operator, "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" | "Identity") && node.domain.is_empty()
        || node.is("Dropout") && inference && node.output(1).is_none()
}

/// When values are born and die.
struct Lives {
    /// Bytes of the values that get a place.
    bytes: Vec<Option<u64>>,
    /// The value whose memory each uses: itself, or what it is a view of.
    roots: Vec<usize>,
    /// Values whose memory is free behind a node.
    ends: Vec<Vec<usize>>,
}

impl Lives {
    fn of(graph: &Graph, shapes: &[Option<ValueShape>]) -> Self {
        let count = graph.values.len();
        let mut bytes = vec![None; count];
        let mut roots: Vec<usize> = (0..count).collect();
        let mut last: Vec<Option<usize>> = vec![None; count];
        for (index, node) in graph.nodes.iter().enumerate() {
            for ValueId(value) in node.uses() {
                last[roots[value]] = Some(index);
            }
            for ValueId(value) in node.outputs.iter().flatten().copied() {
                bytes[value] = shapes.get(value).and_then(Option::as_ref).and_then(ValueShape::bytes);
                last[value] = Some(index);
            }
            if let (true, Some(from), Some(to)) = (is_view(node), node.input(0), node.output(0))
                && bytes[from.0].is_some()
                && bytes[from.0] == bytes[to.0]
            {
                roots[to.0] = roots[from.0];
            }
        }
        graph.outputs.iter().for_each(|output| last[roots[output.0]] = None);
        let mut ends = vec![Vec::new(); graph.nodes.len()];
        for (value, index) in last.into_iter().enumerate() {
            if let (Some(index), true) = (index, roots[value] == value) {
                ends[index].push(value);
            }
        }
        Self { bytes, roots, ends }
    }
}
