#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use scorehost_core::{DType, Tensor};

use super::*;
use crate::testing::{Builder, operators};
use crate::{Attribute, Capture, Initialiser, Node, ValueId};

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// Adds, so that folding can be seen.
struct Adder;

impl Fold for Adder {
    fn fold(&self, node: &Node, inputs: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        let [Some(a), Some(b)] = inputs else { return None };
        let sum = |(a, b): (&[u8], &[u8])| {
            f32::from_le_bytes(a.try_into().unwrap()) + f32::from_le_bytes(b.try_into().unwrap())
        };
        let sums: Vec<f32> = a.data().chunks(4).zip(b.data().chunks(4)).map(sum).collect();
        (node.is("Add") && a.shape() == b.shape()).then(|| vec![Tensor::from_f32(a.shape(), &sums).unwrap()])
    }
}

fn optimised(graph: Graph) -> Graph {
    graph.optimised(&Options { fold: &Adder, supports: &|_| true }).unwrap()
}

fn check(builder: Builder, expected: &str) -> Graph {
    let graph = optimised(builder.outputs(&["y"]));
    assert_eq!(operators(&graph), expected);
    graph
}

fn constant(graph: &Graph, value: Option<ValueId>) -> Vec<f32> {
    let found = graph.initialisers.iter().find(|(id, _)| Some(*id) == value).unwrap();
    let Initialiser::Tensor(tensor) = &found.1 else { panic!("no tensor") };
    tensor.data().chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn constants_are_computed_and_what_nobody_needs_is_gone() {
    let builder = Builder::floats(&[("x", &[-1, 2])])
        .constant("a", &[2], &[1.0, 2.0])
        .constant("b", &[2], &[3.0, 4.0])
        .node("Add a b -> c", &[])
        .node("Relu x -> unused", &[])
        .node("Sub x c -> y", &[]);
    let graph = check(builder, "Sub");
    assert_eq!(constant(&graph, graph.nodes[0].input(1)), [4.0, 6.0]);
    assert_eq!(graph.initialisers.len(), 1);
}

#[test]
fn shapes_that_are_fixed_are_constants() {
    let builder = Builder::floats(&[("x", &[-1, 6])])
        .ints("one", &[1])
        .node("Shape x -> s", &[])
        .node("Gather s one -> width", &[])
        .node("Reshape x width -> y", &[]);
    check(builder, "Reshape");
    let free = || Builder::floats(&[("x", &[-1, 6])]).node("Shape x -> s", &[]);
    check(free().node("Expand x s -> y", &[]), "Shape Expand");
    // A target that only says "as before" needs no size.
    check(free().node("Reshape x s -> y", &[]), "Reshape");
}

/// Says of every node what it makes, as an executor that folds too eagerly would.
struct Eager;

impl Fold for Eager {
    fn fold(&self, node: &Node, _: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        panic!("{} was to be computed", node.operator)
    }
}

#[test]
fn constants_that_would_be_enormous_are_never_made() {
    let graph = Builder::floats(&[("x", &[-1])])
        .ints("size", &[1 << 20, 1 << 20])
        .node("ConstantOfShape size -> huge", &[])
        .ints("times", &[1 << 30])
        .ones("one", &[1])
        .node("Tile one times -> wide", &[])
        .ones("column", &[40000, 1])
        .ones("row", &[1, 40000])
        .node("MatMul column row -> product", &[])
        .node("Sum x huge wide product -> y", &[])
        .outputs(&["y"]);
    let graph = graph.optimised(&Options { fold: &Eager, supports: &|_| true }).unwrap();
    assert_eq!(graph.nodes.len(), 4);
}

#[test]
fn batch_normalisation_goes_into_the_weights() {
    let builder = Builder::floats(&[("x", &[-1, 1, -1, -1])])
        .constant("w", &[2, 1, 1, 1], &[1.0, 2.0])
        .constant("s", &[2], &[2.0, 3.0])
        .constant("b", &[2], &[0.5, 0.25])
        .constant("m", &[2], &[1.0, 2.0])
        .constant("v", &[2], &[4.0, 9.0])
        .node("Conv x w -> c", &[])
        .node("BatchNormalization c s b m v -> n", &[("epsilon", Attribute::Float(0.0))])
        .node("Relu n -> y", &[]);
    let graph = check(builder, "FusedConv");
    assert_eq!(constant(&graph, graph.nodes[0].input(1)), [1.0, 2.0]);
    assert_eq!(constant(&graph, graph.nodes[0].input(2)), [0.5 - 1.0, 0.25 - 2.0]);
    assert_eq!(graph.nodes[0].text("activation", ""), "Relu");
}

#[test]
fn scales_and_shifts_of_channels_go_into_the_weights() {
    let builder = Builder::floats(&[("x", &[-1, 1, -1, -1])])
        .constant("w", &[2, 1, 1, 1], &[1.0, 2.0])
        .constant("k", &[1], &[3.0])
        .constant("t", &[1, 2, 1, 1], &[5.0, 6.0])
        .node("Conv x w -> c", &[])
        .node("Mul k c -> m", &[])
        .node("Add m t -> y", &[]);
    let graph = check(builder, "Conv");
    assert_eq!(constant(&graph, graph.nodes[0].input(1)), [3.0, 6.0]);
    assert_eq!(constant(&graph, graph.nodes[0].input(2)), [5.0, 6.0]);
}

#[test]
fn scales_and_shifts_before_a_convolution_go_into_it_where_nothing_is_padded() {
    let scaled = || {
        Builder::floats(&[("x", &[-1, 1, -1, -1])])
            .constant("w", &[2, 1, 1, 1], &[1.0, 2.0])
            .constant("a", &[1], &[3.0])
            .constant("b", &[1], &[10.0])
            .node("Mul a x -> m", &[])
            .node("Add m b -> s", &[])
    };
    let graph = check(scaled().node("Conv s w -> y", &[]), "Conv");
    assert_eq!(constant(&graph, graph.nodes[0].input(1)), [3.0, 6.0]);
    assert_eq!(constant(&graph, graph.nodes[0].input(2)), [10.0, 20.0]);
    check(scaled().node("Conv s w -> y", &[("pads", ints(&[1, 1, 1, 1]))]), "Mul Add Conv");
}

fn image() -> Builder {
    let pads = [("pads", ints(&[1, 1, 1, 1]))];
    Builder::floats(&[("x", &[-1, 4, -1, -1])]).ones("w", &[4, 4, 3, 3]).node("Conv x w -> c", &pads)
}

#[test]
fn residuals_and_activations_end_a_convolution() {
    let builder = image().node("Add c x -> s", &[]).node("Relu s -> y", &[]);
    let graph = check(builder, "FusedConv");
    assert_eq!(graph.nodes[0].input(3), Some(graph.inputs[0]));
    // What is of another shape may broadcast, which the fused operator does not.
    let graph = image().node("GlobalAveragePool x -> p", &[]).node("Add c p -> y", &[]);
    check(graph, "Conv GlobalAveragePool Add");
}

#[test]
fn values_that_others_read_are_not_fused_away() {
    check(image().node("Relu c -> r", &[]).node("Sum r c -> y", &[]), "Conv Relu Sum");
    let graph = image().node("Relu c -> y", &[]).outputs(&["y", "c"]);
    assert_eq!(operators(&optimised(graph)), "Conv Relu");
}

#[test]
fn what_the_executor_lacks_is_not_made() {
    let graph = image().node("Relu c -> y", &[]).outputs(&["y"]);
    let graph = graph.optimised(&Options { fold: &NoFold, supports: &|node| &*node.operator != "FusedConv" }).unwrap();
    assert_eq!(operators(&graph), "Conv Relu");
}

#[test]
fn written_out_activations_are_found() {
    let x = || Builder::floats(&[("x", &[-1, 4])]);
    let number = |builder: Builder, name: &str, value: f32| builder.constant(name, &[], &[value]);
    let swish = number(number(number(number(x(), "three", 3.0), "zero", 0.0), "six", 6.0), "sixth", 6.0);
    let swish = swish.node("Add x three -> a", &[]).node("Clip a zero six -> b", &[]).node("Mul x b -> c", &[]);
    check(swish.node("Div c sixth -> y", &[]), "HardSwish");
    check(x().node("Sigmoid x -> s", &[]).node("Mul x s -> y", &[]), "Swish");
    let gelu = number(number(number(x(), "root", std::f32::consts::SQRT_2), "one", 1.0), "half", 0.5);
    let gelu = gelu.node("Div x root -> a", &[]).node("Erf a -> b", &[]).node("Add b one -> c", &[]);
    check(gelu.node("Mul x c -> d", &[]).node("Mul d half -> y", &[]), "Gelu");
    let tanh = number(
        number(number(number(number(x(), "c3", 3.0), "k", 0.044_715), "r", 0.797_884_6), "one", 1.0),
        "half",
        0.5,
    );
    let tanh =
        tanh.node("Pow x c3 -> p", &[]).node("Mul k p -> q", &[]).node("Add x q -> s", &[]).node("Mul s r -> t", &[]);
    let tanh = tanh.node("Tanh t -> u", &[]).node("Add u one -> v", &[]).node("Mul half x -> h", &[]);
    let graph = check(tanh.node("Mul h v -> y", &[]), "Gelu");
    assert_eq!(graph.nodes[0].text("approximate", "none"), "tanh");
}

fn normalised(builder: Builder, x: &str, y: &str) -> Builder {
    let last = [("axes", ints(&[-1]))];
    builder
        .node(&format!("ReduceMean {x} -> {y}m"), &last)
        .node(&format!("Sub {x} {y}m -> {y}d"), &[])
        .node(&format!("Pow {y}d two -> {y}p"), &[])
        .node(&format!("ReduceMean {y}p -> {y}v"), &last)
        .node(&format!("Add {y}v eps -> {y}e"), &[])
        .node(&format!("Sqrt {y}e -> {y}s"), &[])
        .node(&format!("Div {y}d {y}s -> {y}q"), &[])
        .node(&format!("Mul {y}q scale -> {y}g"), &[])
        .node(&format!("Add {y}g shift -> {y}"), &[])
}

fn hidden() -> Builder {
    Builder::floats(&[("x", &[-1, -1, 8])])
        .constant("two", &[], &[2.0])
        .constant("eps", &[], &[1e-6])
        .ones("scale", &[8])
        .ones("shift", &[8])
}

#[test]
fn layer_normalisation_is_found_and_takes_the_sum_before_it() {
    let graph = check(normalised(hidden(), "x", "y"), "LayerNormalization");
    assert_eq!(graph.nodes[0].float("epsilon", 0.0), 1e-6);
    let summed = hidden().node("Relu x -> r", &[]).node("Add r x -> s", &[]);
    check(normalised(summed, "s", "y"), "Relu SkipLayerNorm");
    let summed = hidden().node("Relu x -> r", &[]).node("Add r x -> s", &[]);
    let graph = normalised(summed, "s", "n").node("Sub n s -> y", &[]);
    let graph = check(graph, "Relu SkipLayerNorm Sub");
    assert_eq!(graph.nodes[1].outputs.len(), 2);
}

#[test]
fn products_take_vectors_sums_and_activations() {
    let product = || hidden().ones("w", &[8, 8]).ones("b", &[8]).node("MatMul x w -> m", &[]);
    let graph = check(product().node("Add b m -> a", &[]).node("Relu a -> y", &[]), "FusedMatMul");
    assert_eq!(graph.nodes[0].inputs.len(), 3);
    let graph = check(product().node("Add m b -> a", &[]).node("Add x a -> y", &[]), "FusedMatMul");
    assert_eq!(graph.nodes[0].input(3), Some(graph.inputs[0]));
}

/// Attention as BERT's exporters write it, with a scale on the scores or on both sides.
fn attention(key: &str) -> Builder {
    let heads = |builder: Builder, name: &str, perm: &[i64]| {
        builder
            .node(&format!("Reshape {name} split -> {name}r"), &[])
            .node(&format!("Transpose {name}r -> {name}h"), &[("perm", ints(perm))])
    };
    let builder =
        Builder::floats(&[("q", &[-1, 5, 12]), ("k", &[-1, 5, 12]), ("v", &[-1, 5, 12]), ("mask", &[-1, 1, 1, 5])]);
    let mut builder = builder.ints("split", &[0, 0, 3, 4]).ints("join", &[0, 0, 12]).constant("root", &[], &[2.0]);
    builder.0.dimension_names = vec![vec![Some("N".into())]; 4];
    let builder = heads(builder, "q", &[0, 2, 1, 3]);
    let builder = heads(builder, "v", &[0, 2, 1, 3]);
    let builder = match key {
        "at once" => heads(builder, "k", &[0, 2, 3, 1]),
        _ => {
            let builder =
                builder.node("Reshape k split -> kr", &[]).node("Transpose kr -> kt", &[("perm", ints(&[0, 2, 1, 3]))]);
            builder.node("Transpose kt -> kh", &[("perm", ints(&[0, 1, 3, 2]))])
        }
    };
    builder
        .node("MatMul qh kh -> scores", &[])
        .node("Div scores root -> scaled", &[])
        .node("Add scaled mask -> masked", &[])
        .node("Softmax masked -> weights", &[("axis", int(-1))])
        .node("MatMul weights vh -> context", &[])
        .node("Transpose context -> turned", &[("perm", ints(&[0, 2, 1, 3]))])
        .node("Reshape turned join -> y", &[])
}

#[test]
fn attention_is_found_with_the_reshapes_around_it() {
    for key in ["at once", "in steps"] {
        let graph = check(attention(key), "FusedAttention");
        let node = &graph.nodes[0];
        assert_eq!((node.int("heads", 0), node.float("scale", 0.0), node.text("layout", "")), (3, 0.5, "BSH"));
        let inputs: Vec<_> = graph.inputs.iter().copied().map(Some).collect();
        assert_eq!(node.inputs, inputs);
        assert!(graph.batch(&NoFold).is_ok());
    }
}

#[test]
fn subgraphs_are_folded_with_what_they_capture_and_keep_what_they_use() {
    let mut inner =
        Builder::floats(&[]).constant("one", &[1], &[1.0]).node("Add outer one -> sum", &[]).outputs(&["sum"]);
    inner.signature = scorehost_core::Signature::default();
    let outer = ValueId(inner.values.iter().position(|name| &**name == "outer").unwrap());
    let mut builder = Builder::new(&[("c", DType::Bool, &[1])]).constant("a", &[1], &[2.0]);
    inner.captures.push(Capture { outer: builder.value("a"), inner: outer });
    let branch = Attribute::Graph(Arc::new(inner));
    let graph = builder.node("If c -> y", &[("then_branch", branch.clone()), ("else_branch", branch)]).outputs(&["y"]);
    let graph = optimised(graph);
    let inside = graph.nodes[0].subgraphs().next().unwrap();
    assert!(inside.nodes.is_empty() && inside.captures.is_empty());
    assert_eq!(constant(inside, Some(inside.outputs[0])), [3.0]);
}

#[test]
fn what_is_computed_twice_is_computed_once() {
    let twice = || Builder::floats(&[("x", &[-1, 4])]).node("Exp x -> a", &[]).node("Exp x -> b", &[]);
    check(twice().node("Add a b -> y", &[]), "Exp Add");
    // Small constants of one content are one, so that what is computed with them is, too.
    let shifted = Builder::floats(&[("x", &[-1, 4])]).constant("c", &[1], &[2.0]).constant("d", &[1], &[2.0]);
    let shifted = shifted.node("Pow x c -> a", &[]).node("Pow x d -> b", &[]);
    check(shifted.node("Exp a -> e", &[]).node("Exp b -> f", &[]).node("Sub e f -> y", &[]), "Pow Exp Sub");
    let parts = |builder: Builder| builder.node("Split x -> a b", &[("axis", int(1))]);
    let both = parts(parts(Builder::floats(&[("x", &[-1, 4])])).node("Neg a -> n", &[]));
    let graph = Builder(both.0).node("Sub n b -> y", &[]).outputs(&["y"]);
    assert_eq!(operators(&graph), "Split Neg Split Sub");
}

#[test]
fn what_only_looks_the_same_is_computed_twice() {
    let x = || Builder::floats(&[("x", &[-1, 4])]);
    let other = x().node("LeakyRelu x -> a", &[("alpha", Attribute::Float(0.1))]);
    check(other.node("LeakyRelu x -> b", &[]).node("Sub a b -> y", &[]), "LeakyRelu LeakyRelu Sub");
    let drawn = x().node("RandomNormalLike x -> a", &[]).node("RandomNormalLike x -> b", &[]);
    check(drawn.node("Sub a b -> y", &[]), "RandomNormalLike RandomNormalLike Sub");
    let unknown = x().node("Mystery x -> a", &[]).node("Mystery x -> b", &[]);
    check(unknown.node("Sub a b -> y", &[]), "Mystery Mystery Sub");
    let axes = x().node("Softmax x -> a", &[("axis", int(0))]).node("Softmax x -> b", &[("axis", int(1))]);
    check(axes.node("Sub a b -> y", &[]), "Softmax Softmax Sub");
    let wanted = Builder::floats(&[("x", &[-1, 1, 8, 8])]);
    let window = [("kernel_shape", ints(&[2, 2]))];
    let wanted = wanted.node("MaxPool x -> a", &window).node("MaxPool x -> b i", &window);
    check(
        wanted.node("Sub a b -> d", &[]).node("Cast i -> j", &[("to", int(1))]).node("Sub d j -> y", &[]),
        "MaxPool MaxPool Sub Cast Sub",
    );
}

#[test]
fn outputs_of_the_graph_keep_their_values() {
    let graph =
        Builder::floats(&[("x", &[-1, 4])]).node("Exp x -> y", &[]).node("Exp x -> z", &[]).outputs(&["y", "z"]);
    let (names, outputs) = (graph.values.clone(), graph.outputs.clone());
    let graph = optimised(graph);
    assert_eq!((operators(&graph).as_str(), &graph.outputs), ("Exp Exp", &outputs));
    assert_eq!(graph.outputs.iter().map(|value| &*names[value.0]).collect::<Vec<_>>(), ["y", "z"]);
}

/// A subgraph is merged by itself: what it computes is not computed in every branch, and what it captures twice is one value.
#[test]
fn subgraphs_are_merged_each_by_itself() {
    let inner = Builder::floats(&[]).node("Add p q -> r", &[]).node("Exp p -> e", &[]).node("Exp q -> f", &[]);
    let mut inner = inner.node("Sub e f -> s", &[]).node("Add r s -> t", &[]).outputs(&["t"]);
    inner.signature = scorehost_core::Signature::default();
    let mut outer = Builder::floats(&[("x", &[-1, 4])]).node("Neg x -> a", &[]).node("Neg x -> b", &[]);
    let captures = [("a", "p"), ("b", "q")].map(|(outside, inside)| Capture {
        outer: outer.value(outside),
        inner: ValueId(inner.values.iter().position(|name| &**name == inside).unwrap()),
    });
    inner.captures = captures.to_vec();
    let condition = outer.ints("c", &[1]);
    let branch = || Attribute::Graph(Arc::new(inner.clone()));
    let graph = condition.node("If c -> y", &[("then_branch", branch()), ("else_branch", branch())]);
    let graph = optimised(graph.outputs(&["y"]));
    assert_eq!(operators(&graph), "Neg If");
    for inner in graph.nodes[1].subgraphs() {
        assert_eq!((operators(inner).as_str(), inner.captures.len()), ("Add Exp Sub Add", 1));
        assert_eq!(Some(inner.captures[0].outer), graph.nodes[0].output(0));
    }
}
