#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::{DType, Shape};

use crate::testing::Builder;
use crate::{Attribute, Graph, NoFold, ValueShape};

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

/// The shapes of a graph's outputs for shapes of its inputs; `None` where they are not told.
fn shapes(graph: &Graph, inputs: &[&[u64]]) -> Vec<Option<Vec<u64>>> {
    let inputs: Vec<Shape> = inputs.iter().map(|shape| Shape::from_slice(shape)).collect();
    let shapes = graph.shapes(&inputs, &NoFold).unwrap();
    graph.outputs.iter().map(|value| shapes[value.0].as_ref().map(|shape| shape.shape.to_vec())).collect()
}

fn check(builder: Builder, inputs: &[&[u64]], expected: &[u64]) {
    let graph = builder.outputs(&["y"]);
    assert_eq!(shapes(&graph, inputs), [Some(expected.to_vec())], "{}", crate::testing::operators(&graph));
}

#[test]
fn shapes_of_elementwise_operators_broadcast() {
    let two = || Builder::floats(&[("a", &[-1, -1]), ("b", &[-1])]);
    check(two().node("Add a b -> y", &[]), &[&[2, 3], &[3]], &[2, 3]);
    check(two().node("Mul a b -> y", &[]), &[&[2, 1], &[5]], &[2, 5]);
    let graph = two().node("Add a b -> y", &[]).outputs(&["y"]);
    let message =
        graph.shapes(&[Shape::from_slice(&[2, 3]), Shape::from_slice(&[4])], &NoFold).unwrap_err().to_string();
    assert!(message.contains("[2, 3] and [4] do not broadcast"), "{message}");
}

#[test]
fn inputs_that_are_not_the_signatures_are_refused_by_name() {
    let graph = Builder::floats(&[("a", &[-1, 3])]).node("Relu a -> y", &[]).outputs(&["y"]);
    for shape in [&[2u64, 4][..], &[2], &[]] {
        let message = graph.shapes(&[Shape::from_slice(shape)], &NoFold).unwrap_err().to_string();
        assert!(message.contains("'a'"), "{message}");
    }
    assert!(graph.shapes(&[], &NoFold).is_err());
}

#[test]
fn shapes_of_convolutions_and_pools() {
    let image = || Builder::floats(&[("x", &[-1, 3, -1, -1])]).ones("w", &[8, 3, 3, 3]);
    let strided = [("strides", ints(&[2, 2])), ("pads", ints(&[1, 1, 1, 1]))];
    check(image().node("Conv x w -> y", &strided), &[&[2, 3, 224, 224]], &[2, 8, 112, 112]);
    let same = [("auto_pad", Attribute::String("SAME_UPPER".into())), ("strides", ints(&[2, 2]))];
    check(image().node("Conv x w -> y", &same), &[&[1, 3, 7, 9]], &[1, 8, 4, 5]);
    check(image().node("Conv x w -> y", &[("dilations", ints(&[2, 2]))]), &[&[1, 3, 9, 9]], &[1, 8, 5, 5]);
    let pool = [("kernel_shape", ints(&[3, 3])), ("strides", ints(&[2, 2])), ("ceil_mode", Attribute::Int(1))];
    check(image().node("MaxPool x -> y", &pool), &[&[1, 3, 8, 7]], &[1, 3, 4, 3]);
    check(image().node("GlobalAveragePool x -> y", &[]), &[&[1, 3, 8, 7]], &[1, 3, 1, 1]);
    let graph = image().node("Conv x w -> y", &[]).outputs(&["y"]);
    assert!(graph.shapes(&[Shape::from_slice(&[1, 3, 2, 2])], &NoFold).is_err(), "the window is larger than the image");
    let back = Builder::floats(&[("x", &[-1, 8, -1, -1])]).ones("w", &[8, 4, 2, 2]);
    check(back.node("ConvTranspose x w -> y", &[("strides", ints(&[2, 2]))]), &[&[1, 8, 5, 6]], &[1, 4, 10, 12]);
}

#[test]
fn shapes_of_products() {
    let stack = || Builder::floats(&[("a", &[-1, -1, -1]), ("b", &[-1, -1])]);
    check(stack().node("MatMul a b -> y", &[]), &[&[5, 2, 3], &[3, 4]], &[5, 2, 4]);
    let pair = || Builder::floats(&[("a", &[-1, -1]), ("b", &[-1, -1])]);
    check(pair().node("Gemm a b -> y", &[("transB", Attribute::Int(1))]), &[&[2, 3], &[4, 3]], &[2, 4]);
    let equation = [("equation", Attribute::String("ij,kj->ik".into()))];
    check(pair().node("Einsum a b -> y", &equation), &[&[2, 3], &[4, 3]], &[2, 4]);
}

#[test]
fn shapes_computed_by_the_graph_itself_are_followed() {
    let builder = Builder::floats(&[("x", &[-1, -1, 12])])
        .ints("zero", &[0])
        .ints("one", &[1])
        .ints("heads", &[3])
        .ints("rest", &[-1])
        .node("Shape x -> s", &[])
        .node("Gather s zero -> n", &[])
        .node("Gather s one -> t", &[])
        .node("Concat n t heads rest -> target", &[("axis", Attribute::Int(0))])
        .node("Reshape x target -> h", &[])
        .node("Transpose h -> y", &[("perm", ints(&[0, 2, 1, 3]))]);
    check(builder, &[&[2, 5, 12]], &[2, 3, 5, 4]);
    let arithmetic = Builder::floats(&[("x", &[-1, -1])])
        .scalar("at", 1)
        .ints("two", &[2])
        .ints("axis", &[0])
        .node("Shape x -> s", &[])
        .node("Gather s at -> n", &[])
        .node("Unsqueeze n axis -> v", &[])
        .node("Mul v two -> double", &[])
        .node("Div double two -> half", &[])
        .node("Concat half double -> target", &[("axis", Attribute::Int(0))])
        .node("ConstantOfShape target -> y", &[]);
    check(arithmetic, &[&[7, 3]], &[3, 6]);
}

#[test]
fn shapes_of_parts_and_joins() {
    let row = || Builder::floats(&[("x", &[-1, -1])]);
    let slice = row().ints("s", &[1]).ints("e", &[i64::MAX]).ints("a", &[-1]).ints("t", &[2]);
    check(slice.node("Slice x s e a t -> y", &[]), &[&[2, 6]], &[2, 3]);
    let back = row().ints("s", &[-1]).ints("e", &[i64::MIN]).ints("a", &[1]).ints("t", &[-1]);
    check(back.node("Slice x s e a t -> y", &[]), &[&[2, 6]], &[2, 6]);
    check(row().node("Concat x x -> y", &[("axis", Attribute::Int(1))]), &[&[2, 6]], &[2, 12]);
    let split = row().node("Split x -> y z", &[("axis", Attribute::Int(1))]).outputs(&["y", "z"]);
    assert_eq!(shapes(&split, &[&[2, 5]]), [Some(vec![2, 3]), Some(vec![2, 2])]);
    check(row().ints("p", &[0, 1, 0, 2]).node("Pad x p -> y", &[]), &[&[2, 5]], &[2, 8]);
    check(row().ints("r", &[2, 3]).node("Tile x r -> y", &[]), &[&[2, 5]], &[4, 15]);
    check(row().ints("e", &[4, 2, 5]).node("Expand x e -> y", &[]), &[&[2, 1]], &[4, 2, 5]);
}

#[test]
fn shapes_of_reductions_and_selections() {
    let cube = || Builder::floats(&[("x", &[-1, -1, -1])]);
    check(cube().node("ReduceMean x -> y", &[("axes", ints(&[-1]))]), &[&[2, 3, 4]], &[2, 3, 1]);
    let flat = [("axes", ints(&[0, 2])), ("keepdims", Attribute::Int(0))];
    check(cube().node("ReduceSum x -> y", &flat), &[&[2, 3, 4]], &[3]);
    let arg = [("axis", Attribute::Int(2)), ("keepdims", Attribute::Int(0))];
    check(cube().node("ArgMax x -> y", &arg), &[&[2, 3, 4]], &[2, 3]);
    let table = Builder::new(&[("ids", DType::I64, &[-1, -1])]).ones("words", &[100, 16]);
    check(table.node("Gather words ids -> y", &[]), &[&[2, 7]], &[2, 7, 16]);
}

#[test]
fn shapes_of_tables_and_recurrent_layers() {
    let table = Builder::floats(&[("x", &[-1, 4])]);
    let classes = [("classlabels_ints", ints(&[0, 1, 2]))];
    let graph = table.node("ai.onnx.ml:LinearClassifier x -> y z", &classes).outputs(&["y", "z"]);
    assert_eq!(shapes(&graph, &[&[5, 4]]), [Some(vec![5]), Some(vec![5, 3])]);
    let lstm = Builder::floats(&[("x", &[-1, -1, 8])]).ones("w", &[1, 64, 8]).ones("r", &[1, 64, 16]);
    let graph = lstm.node("LSTM x w r -> y h c", &[]).outputs(&["y", "h", "c"]);
    let state = Some(vec![1, 2, 16]);
    assert_eq!(shapes(&graph, &[&[5, 2, 8]]), [Some(vec![5, 1, 2, 16]), state.clone(), state]);
}

#[test]
fn what_depends_on_data_is_not_told() {
    let graph =
        Builder::floats(&[("x", &[-1])]).node("NonZero x -> y", &[]).node("Mystery x -> z", &[]).outputs(&["y", "z"]);
    assert_eq!(shapes(&graph, &[&[5]]), [None, None]);
}

#[test]
fn absurd_sizes_neither_overflow_nor_panic() {
    let huge = Builder::floats(&[("x", &[-1, -1])])
        .ints("many", &[i64::MAX, i64::MAX])
        .node("Tile x many -> a", &[])
        .node("ConstantOfShape many -> b", &[])
        .node("Flatten b -> c", &[])
        .node("Concat b b -> d", &[("axis", Attribute::Int(0))])
        .node("Reshape b many -> e", &[])
        .outputs(&["a", "c", "d", "e"]);
    let _ = huge.shapes(&[Shape::from_slice(&[u64::MAX, 3])], &NoFold);
    let shape = ValueShape { dtype: DType::F32, shape: Shape::from_slice(&[u64::MAX, u64::MAX]) };
    assert_eq!(shape.bytes(), Some(u64::MAX));
}

/// A subgraph of these inputs and outputs.
fn body(builder: Builder, outputs: &[&str]) -> Attribute {
    let mut graph = builder.outputs(outputs);
    graph.signature = scorehost_core::Signature::default();
    Attribute::Graph(std::sync::Arc::new(graph))
}

fn round() -> Builder {
    Builder::new(&[("i", DType::I64, &[]), ("go", DType::Bool, &[]), ("s", DType::F32, &[-1])])
}

/// What goes round grows by two, is collected as it was, and so is the round's number.
fn growing() -> Attribute {
    let grown = round().ones("two", &[2]).node("Concat s two -> t", &[("axis", Attribute::Int(0))]);
    body(grown.node("Identity go -> on", &[]).node("Identity i -> n", &[]), &["on", "t", "n"])
}

#[test]
fn shapes_of_loops_follow_their_rounds() {
    let x = || Builder::floats(&[("x", &[-1])]);
    let told = |builder: Builder, inputs: &[&[u64]]| shapes(&builder.outputs(&["y", "z"]), inputs);
    let three = x().scalar("three", 3).node("Loop three - x -> y z", &[("body", growing())]);
    assert_eq!(told(three, &[&[4]]), [Some(vec![10]), Some(vec![3])]);
    // As many rounds as an input says: what grows is not told, nor how much is collected.
    let free = || Builder::new(&[("m", DType::I64, &[]), ("x", DType::F32, &[-1])]);
    let any = free().node("Loop m - x -> y z", &[("body", growing())]);
    assert_eq!(told(any, &[&[], &[4]]), [None, None]);
    let same = round().node("Neg s -> t", &[]).node("Identity go -> on", &[]);
    let same = body(same.node("Identity i -> n", &[]), &["on", "t", "n"]);
    let kept = free().node("Loop m - x -> y z", &[("body", same)]);
    assert_eq!(told(kept, &[&[], &[4]]), [Some(vec![4]), None]);
    // One that may end before its rounds are over.
    let ending = round().scalar("one", 1).node("Less i one -> on", &[]).node("Neg s -> t", &[]);
    let ending = body(ending.node("Identity i -> n", &[]), &["on", "t", "n"]);
    let ending = x().scalar("three", 3).node("Loop three - x -> y z", &[("body", ending)]);
    assert_eq!(told(ending, &[&[4]]), [Some(vec![4]), None]);
}

/// A dimension that is given up in one value may be another value's in the next round.
#[test]
fn values_that_follow_one_that_grows_are_not_told() {
    let two =
        [("i", DType::I64, &[][..]), ("go", DType::Bool, &[]), ("s", DType::F32, &[-1]), ("t", DType::F32, &[-1])];
    let grown = Builder::new(&two).ones("one", &[1]).node("Concat s one -> u", &[("axis", Attribute::Int(0))]);
    let swapped = grown.node("Identity s -> v", &[]).node("Identity go -> on", &[]);
    let swapped = body(swapped, &["on", "u", "v"]);
    let graph = Builder::new(&[("m", DType::I64, &[]), ("x", DType::F32, &[-1])]);
    let graph = graph.node("Loop m - x x -> y z", &[("body", swapped)]).outputs(&["y", "z"]);
    assert_eq!(shapes(&graph, &[&[], &[4]]), [None, None]);
}

#[test]
fn shapes_of_scans_have_the_length_that_is_scanned() {
    let inner = Builder::floats(&[("s", &[-1]), ("e", &[-1])]).node("Add s e -> t", &[]).node("Neg t -> o", &[]);
    let attributes = [
        ("body", body(inner, &["t", "o"])),
        ("num_scan_inputs", Attribute::Int(1)),
        ("scan_input_axes", ints(&[1])),
        ("scan_output_axes", ints(&[-1])),
    ];
    let graph = Builder::floats(&[("s", &[-1]), ("x", &[-1, -1])]).node("Scan s x -> y z", &attributes);
    assert_eq!(shapes(&graph.outputs(&["y", "z"]), &[&[3], &[3, 7]]), [Some(vec![3]), Some(vec![3, 7])]);
}

#[test]
fn shapes_of_sequences_are_those_of_their_elements() {
    let x = || Builder::floats(&[("x", &[-1, -1])]);
    let parts = || x().scalar("two", 2).node("SplitToSequence x two -> q", &[]);
    check(parts().scalar("last", -1).node("SequenceAt q last -> y", &[]), &[&[5, 3]], &[1, 3]);
    check(parts().node("ConcatFromSequence q -> y", &[("axis", Attribute::Int(0))]), &[&[5, 3]], &[5, 3]);
    let longer = parts().node("SequenceInsert q x -> r", &[]).scalar("n", 3).node("SequenceAt r n -> y", &[]);
    check(longer, &[&[5, 3]], &[5, 3]);
    let rows = || x().node("SplitToSequence x -> q", &[("keepdims", Attribute::Int(0))]);
    let twice = Builder::floats(&[("e", &[-1])]).node("Concat e e -> f", &[("axis", Attribute::Int(0))]);
    let mapped = rows().node("SequenceMap q -> r", &[("body", body(twice, &["f"]))]);
    let joined = [("axis", Attribute::Int(0)), ("new_axis", Attribute::Int(1))];
    check(mapped.node("ConcatFromSequence r -> y", &joined), &[&[5, 3]], &[5, 6]);
    let outside = parts().scalar("n", 9).node("SequenceAt q n -> y", &[]).outputs(&["y"]);
    let message = outside.shapes(&[Shape::from_slice(&[5, 3])], &NoFold).unwrap_err().to_string();
    assert!(message.contains("place 9 is outside a sequence of 3"), "{message}");
}

/// Loops of loops are walked as long as that is little work.
#[test]
fn loops_inside_loops_are_given_up_in_time() {
    let counted = |inner: Option<Attribute>| {
        let round = round().scalar("many", 64).node("Identity go -> on", &[]);
        let round = match inner {
            Some(inner) => round.node("Loop many - s -> t", &[("body", inner)]),
            None => round.node("Neg s -> t", &[]),
        };
        body(round, &["on", "t"])
    };
    let deep = (0..6).fold(counted(None), |inner, _| counted(Some(inner)));
    let graph = Builder::floats(&[("x", &[-1])]).scalar("many", 64).node("Loop many - x -> y", &[("body", deep)]);
    assert_eq!(shapes(&graph.outputs(&["y"]), &[&[4]]), [None]);
}
