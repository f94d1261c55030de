#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use scorehost_core::{DType, Shape};

use super::*;
use crate::testing::Builder;

/// A graph of random nodes, each with up to three of the values before it, and the number of bytes of each value.
fn graphs() -> impl Strategy<Value = (Graph, Vec<Option<ValueShape>>)> {
    let node = (prop::collection::vec(any::<prop::sample::Index>(), 1..4), 0u64..200, any::<bool>(), any::<bool>());
    (prop::collection::vec(node, 1..40), any::<prop::sample::Index>()).prop_map(|(nodes, output)| {
        let mut builder = Builder::floats(&[("v0", &[-1])]);
        let mut sizes = vec![7];
        for (index, (inputs, size, view, known)) in nodes.iter().enumerate() {
            let inputs: Vec<usize> = inputs.iter().map(|at| at.index(index + 1)).collect();
            let names: Vec<String> = inputs.iter().map(|input| format!("v{input}")).collect();
            let operator = if *view { "Reshape" } else { "Sum" };
            builder = builder.node(&format!("{operator} {} -> v{}", names.join(" "), index + 1), &[]);
            sizes.push(if *view {
                sizes[inputs[0]]
            } else if *known {
                *size
            } else {
                u64::MAX
            });
        }
        let last = format!("v{}", output.index(nodes.len() + 1));
        let graph = builder.outputs(&[&last]);
        let shape = |size: &u64| ValueShape { dtype: DType::U8, shape: Shape::from_slice(&[*size]) };
        let shapes = sizes.iter().map(|size| (*size != u64::MAX).then(|| shape(size))).collect();
        (graph, shapes)
    })
}

/// When a value is needed: from its node to the last that reads it.
fn life(graph: &Graph, value: usize) -> Option<(usize, usize)> {
    let born = graph.nodes.iter().position(|node| node.outputs.iter().flatten().any(|output| output.0 == value))?;
    let read = graph.nodes.iter().rposition(|node| node.uses().any(|used| used.0 == value)).unwrap_or(born);
    let end = if graph.outputs.contains(&ValueId(value)) { usize::MAX } else { read };
    Some((born, end))
}

/// The value whose elements a value has, through views.
fn origin(graph: &Graph, plan: &MemoryPlan, value: usize) -> usize {
    let made = graph.nodes.iter().find(|node| is_view(node) && node.output(0) == Some(ValueId(value)));
    match made.and_then(|node| node.input(0)) {
        Some(from) if plan.slots[from.0].is_some() => origin(graph, plan, from.0),
        _ => value,
    }
}

proptest! {
    #[test]
    fn values_that_live_together_do_not_overlap((graph, shapes) in graphs(), align in 1u64..70) {
        let plan = MemoryPlan::of(&graph, &shapes, align);
        let placed: Vec<usize> = (0..graph.values.len()).filter(|value| plan.slots[*value].is_some()).collect();
        let mut sum = 0;
        for (index, one) in placed.iter().enumerate() {
            let slot = plan.slots[*one].unwrap();
            prop_assert_eq!(slot.offset % align, 0);
            prop_assert!(slot.offset + slot.bytes <= plan.bytes);
            sum += slot.bytes.next_multiple_of(align);
            for two in &placed[index + 1..] {
                let other = plan.slots[*two].unwrap();
                let (a, b) = (life(&graph, *one).unwrap(), life(&graph, *two).unwrap());
                let together = a.0 <= b.1 && b.0 <= a.1;
                let apart = slot.offset + slot.bytes <= other.offset || other.offset + other.bytes <= slot.offset;
                let empty = slot.bytes == 0 || other.bytes == 0;
                let views = origin(&graph, &plan, *one) == origin(&graph, &plan, *two);
                prop_assert!(!together || apart || empty || views, "{} and {}: {:?} {:?}", one, two, slot, other);
            }
        }
        prop_assert!(plan.bytes <= sum);
    }

    #[test]
    fn inputs_and_values_of_unknown_size_have_no_place((graph, shapes) in graphs()) {
        let plan = MemoryPlan::of(&graph, &shapes, 64);
        prop_assert!(plan.slots[0].is_none());
        for (value, shape) in shapes.iter().enumerate().skip(1) {
            prop_assert_eq!(plan.slots[value].is_some(), shape.is_some());
        }
    }
}

#[test]
fn memory_of_a_chain_is_that_of_two_neighbours() {
    let mut builder = Builder::floats(&[("v0", &[-1])]);
    for index in 0..20 {
        builder = builder.node(&format!("Relu v{index} -> v{}", index + 1), &[]);
    }
    let graph = builder.outputs(&["v20"]);
    let shapes = graph.shapes(&[Shape::from_slice(&[100])], &crate::NoFold).unwrap();
    assert_eq!(MemoryPlan::of(&graph, &shapes, 64).bytes, 2 * 448);
}

#[test]
fn views_have_the_place_of_what_they_show_and_keep_it_alive() {
    let graph = Builder::floats(&[("x", &[-1, 4])])
        .ints("s", &[-1])
        .node("Relu x -> a", &[])
        .node("Reshape a s -> b", &[])
        .node("Relu x -> c", &[])
        .node("Relu b -> d", &[])
        .node("Concat c d -> y", &[])
        .outputs(&["y"]);
    let shapes = graph.shapes(&[Shape::from_slice(&[2, 4])], &crate::NoFold);
    let shapes = shapes.unwrap_or_else(|_| {
        let shape = |size| Some(ValueShape { dtype: DType::F32, shape: Shape::from_slice(&[size]) });
        graph.values.iter().map(|_| shape(8)).collect()
    });
    let plan = MemoryPlan::of(&graph, &shapes, 1);
    let slot = |name: &str| plan.slots[graph.values.iter().position(|value| &**value == name).unwrap()].unwrap();
    assert_eq!(slot("a"), slot("b"));
    assert_ne!(slot("b").offset, slot("c").offset);
}
