#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::DType;

use crate::testing::Builder;
use crate::{Attribute, NoFold};

fn int(value: i64) -> Attribute {
    Attribute::Int(value)
}

fn ints(values: &[i64]) -> Attribute {
    Attribute::Ints(values.to_vec())
}

fn apart(builder: Builder) {
    let graph = builder.outputs(&["y"]);
    let operators = crate::testing::operators(&graph);
    assert_eq!(graph.batch(&NoFold), Ok(()), "{operators}");
}

fn mixed(builder: Builder, word: &str) {
    let graph = builder.outputs(&["y"]);
    let reason = graph.batch(&NoFold).unwrap_err().to_string();
    assert!(reason.contains(word), "{}: {reason}", crate::testing::operators(&graph));
}

fn table() -> Builder {
    Builder::floats(&[("x", &[-1, 4])])
}

fn sequence() -> Builder {
    Builder::floats(&[("x", &[-1, -1, 12])])
}

#[test]
fn rows_of_plain_networks_stay_apart() {
    apart(table().ones("w", &[4, 3]).ones("b", &[3]).node("Gemm x w b -> h", &[]).node("Softmax h -> y", &[]));
    apart(table().ones("w", &[4, 3]).node("MatMul x w -> h", &[]).node("Relu h -> y", &[]));
    apart(table().node("ReduceMean x -> m", &[("axes", ints(&[1]))]).node("Sub x m -> y", &[]));
    let image = Builder::floats(&[("x", &[-1, 3, -1, -1])]).ones("w", &[8, 3, 3, 3]);
    let image = image.node("Conv x w -> c", &[("pads", ints(&[1, 1, 1, 1]))]).node("GlobalAveragePool c -> p", &[]);
    apart(image.node("Flatten p -> y", &[]));
    let classes = [("classlabels_ints", ints(&[0, 1, 2]))];
    apart(table().node("ai.onnx.ml:TreeEnsembleClassifier x -> y -", &classes));
}

#[test]
fn rows_of_attention_stay_apart_though_their_number_is_in_shapes() {
    let split = |name: &str| [format!("Reshape x target -> {name}h"), format!("Transpose {name}h -> {name}")];
    let [q, qt] = split("q");
    let [v, vt] = split("v");
    apart(
        sequence()
            .scalar("zero", 0)
            .scalar("one", 1)
            .ints("axis", &[0])
            .ints("heads", &[3])
            .ints("size", &[4])
            .ints("width", &[12])
            .node("Shape x -> s", &[])
            .node("Gather s zero -> n0", &[])
            .node("Unsqueeze n0 axis -> n", &[])
            .node("Gather s one -> t0", &[])
            .node("Unsqueeze t0 axis -> t", &[])
            .node("Concat n t heads size -> target", &[("axis", int(0))])
            .node(&q, &[])
            .node(&qt, &[("perm", ints(&[0, 2, 1, 3]))])
            .node(&v, &[])
            .node(&vt, &[("perm", ints(&[0, 2, 1, 3]))])
            .node("Transpose q -> k", &[("perm", ints(&[0, 1, 3, 2]))])
            .node("MatMul q k -> scores", &[])
            .node("Softmax scores -> p", &[("axis", int(-1))])
            .node("MatMul p v -> c", &[])
            .node("Transpose c -> ct", &[("perm", ints(&[0, 2, 1, 3]))])
            .node("Concat n t width -> back", &[("axis", int(0))])
            .node("Reshape ct back -> y", &[]),
    );
}

#[test]
fn a_batch_may_move_and_come_back() {
    let steps = sequence().ones("w", &[1, 64, 12]).ones("r", &[1, 64, 16]).ints("one", &[1]);
    apart(
        steps
            .node("Transpose x -> t", &[("perm", ints(&[1, 0, 2]))])
            .node("LSTM t w r -> h - -", &[])
            .node("Squeeze h one -> s", &[])
            .node("Transpose s -> y", &[("perm", ints(&[1, 0, 2]))]),
    );
    let flat = || sequence().ints("rows", &[-1, 12]);
    mixed(flat().node("Reshape x rows -> y", &[]), "no row for each row");
    // The same rows, one behind the other, are a batch again where their number is restored.
    apart(
        flat()
            .node("Shape x -> s", &[])
            .node("Reshape x rows -> f", &[])
            .node("Relu f -> g", &[])
            .node("Reshape g s -> y", &[]),
    );
}

#[test]
fn operators_that_mix_rows_are_told() {
    mixed(table().node("Softmax x -> y", &[("axis", int(0))]), "which is the batch");
    mixed(table().node("ReduceMean x -> y", &[("axes", ints(&[0]))]), "which is the batch");
    mixed(table().node("ReduceMax x -> y", &[]), "which is the batch");
    mixed(table().node("Transpose x -> y", &[]), "no row for each row");
    mixed(table().ints("s", &[3, -1]).node("Reshape x s -> y", &[]), "");
    mixed(table().ints("s", &[-1, 2]).node("Reshape x s -> y", &[]), "no row for each row");
    mixed(table().ones("c", &[3, 4]).node("Add x c -> y", &[]), "for certain rows");
    mixed(table().node("CumSum x z -> y", &[]).scalar("z", 0), "along the batch");
    mixed(table().node("Transpose x -> t", &[]).node("MatMul x t -> y", &[]), "with one another");
    mixed(table().node("Transpose x -> t", &[]).node("MatMul t x -> y", &[]), "sums over the batch");
    mixed(table().scalar("i", 0).node("Gather x i -> y", &[]), "which is the batch");
    mixed(table().node("Concat x x -> y", &[("axis", int(0))]), "which is the batch");
    mixed(table().ones("c", &[1, 4]).node("Concat x c -> y", &[("axis", int(0))]), "joins rows with a constant");
    mixed(table().ints("s", &[0]).ints("e", &[1]).node("Slice x s e -> y", &[]), "cuts the batch");
    mixed(
        table()
            .ints("s", &[-1])
            .ints("e", &[i64::MIN])
            .ints("a", &[0])
            .ints("t", &[-1])
            .node("Slice x s e a t -> y", &[]),
        "cuts",
    );
    mixed(table().node("NonZero x -> y", &[]), "may mix");
    mixed(table().node("DynamicQuantizeLinear x -> y s z", &[]), "may mix");
    mixed(table().node("Mystery x -> y", &[]), "not known");
    mixed(table().ints("p", &[1, 0, -1, 0]).node("Pad x p -> y", &[]), "number of rows");
    let pool = || Builder::floats(&[("x", &[-1, 1, 8, 8])]);
    let window = [("kernel_shape", ints(&[2, 2]))];
    apart(pool().node("MaxPool x -> y", &window));
    mixed(pool().node("MaxPool x -> z y", &window), "through all rows");
    let norm = table().ones("s", &[4]).ones("b", &[4]).ones("m", &[4]).ones("v", &[4]);
    mixed(norm.node("BatchNormalization x s b m v -> y", &[("training_mode", int(1))]), "training");
}

/// Rows that lie several to a row of the batch, beside rows that lie one to each: place 1 is then in another row of the batch.
#[test]
fn rows_of_different_numbers_do_not_go_together() {
    let folded = || {
        Builder::new(&[("x", DType::F32, &[-1, 3, 4]), ("i", DType::I64, &[-1, 4])])
            .ints("rows", &[-1, 4])
            .node("Reshape x rows -> f", &[])
    };
    mixed(folded().node("GatherElements f i -> y", &[("axis", int(1))]), "different numbers");
    let scattered = folded().node("Cast i -> u", &[("to", int(1))]);
    mixed(scattered.node("ScatterElements f i u -> y", &[("axis", int(1))]), "different numbers");
}

/// Chance inside a subgraph that takes nothing of the batch, and that of training, is chance all the same.
#[test]
fn random_numbers_are_found_wherever_they_are() {
    let mut inner = Builder::floats(&[]).node("RandomNormal -> r", &[("shape", ints(&[4]))]).outputs(&["r"]);
    inner.signature = scorehost_core::Signature::default();
    let branch = || Attribute::Graph(std::sync::Arc::new(inner.clone()));
    let condition = table().ints("c", &[1]);
    let both = [("then_branch", branch()), ("else_branch", branch())];
    mixed(condition.node("If c -> r", &both).node("Add x r -> y", &[]), "is random");
    let trained = table().ones("c", &[4]).ones("half", &[]).ints("on", &[1]);
    mixed(trained.node("Dropout c half on -> r", &[]).node("Add x r -> y", &[]), "is random");
}

#[test]
fn the_number_of_rows_may_only_restore_rows() {
    let count = || table().scalar("zero", 0).node("Shape x -> s", &[]).node("Gather s zero -> n", &[]);
    mixed(count().node("Cast n -> f", &[("to", int(1))]).node("Div x f -> y", &[]), "batch's size");
    mixed(count().scalar("one", 1).node("Range zero n one -> y", &[]), "");
    let doubled = count().ints("axis", &[0]).node("Unsqueeze n axis -> v", &[]).node("Mul v v -> q", &[]);
    mixed(doubled.node("ConstantOfShape q -> y", &[]), "");
    mixed(table().node("Size x -> y", &[]), "no row for each row");
}

#[test]
fn inputs_must_all_have_a_free_first_dimension() {
    mixed(Builder::floats(&[("x", &[1, 4])]).node("Relu x -> y", &[]), "first dimension is fixed");
    mixed(Builder::floats(&[("x", &[-1, 4]), ("z", &[4])]).node("Add x z -> y", &[]), "first dimension is fixed");
    mixed(Builder::floats(&[("x", &[])]).node("Relu x -> y", &[]), "first dimension is fixed");
    apart(Builder::floats(&[("x", &[-1, 4]), ("z", &[-1, 4])]).node("Add x z -> y", &[]));
    mixed(Builder::floats(&[("x", &[-1, 4]), ("z", &[-1])]).node("Add x z -> y", &[]), "with one another");
    let mut named = Builder::new(&[("x", DType::F32, &[-1, -1])]);
    named.0.dimension_names = vec![vec![Some("N".into()), Some("N".into())]];
    mixed(named.node("Relu x -> y", &[]), "another dimension");
}

#[test]
fn outputs_that_are_no_rows_are_told() {
    mixed(table().ones("y", &[3]).node("Relu x -> z", &[]), "no row for each row");
}
