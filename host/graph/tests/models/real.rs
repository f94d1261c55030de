//! Models that people serve.

use std::collections::BTreeSet;

use scorehost_core::Shape;
use scorehost_graph::{Graph, MemoryPlan, NoFold, Options};

use crate::{found, operators, read};

/// The graph of a model as an executor with every fused node gets it.
fn optimised(name: &str) -> Option<Graph> {
    let graph = read(&found(name)?).unwrap();
    Some(graph.optimised(&Options { fold: &NoFold, supports: &|_| true }).unwrap())
}

/// Checks that every shape is told, the output's among them, and that memory is planned in less than half of the sum.
fn check_shapes(graph: &Graph, inputs: &[&[u64]], output: &[u64]) {
    let inputs: Vec<Shape> = inputs.iter().map(|shape| Shape::from_slice(shape)).collect();
    let shapes = graph.shapes(&inputs, &NoFold).unwrap();
    let untold: BTreeSet<_> = graph
        .nodes
        .iter()
        .filter(|node| node.outputs.iter().flatten().any(|value| shapes[value.0].is_none()))
        .map(|node| format!("{} {}", node.operator, node.name))
        .collect();
    assert!(untold.is_empty(), "not told: {untold:?}");
    assert_eq!(shapes[graph.outputs[0].0].as_ref().unwrap().shape.as_slice(), output);
    let plan = MemoryPlan::of(graph, &shapes, 64);
    let sum: u64 = plan.slots.iter().flatten().map(|slot| slot.bytes).sum();
    assert!(plan.bytes * 2 < sum, "{} of {sum} bytes", plan.bytes);
}

#[test]
fn residual_networks_become_fused_convolutions() {
    let Some(graph) = optimised("resnet50.onnx") else { return };
    let counts = operators(&graph);
    assert_eq!(
        (counts["FusedConv"], counts.get("BatchNormalization"), counts.get("Add")),
        (49, None, None),
        "{counts:?}"
    );
    check_shapes(&graph, &[&[2, 3, 224, 224]], &[2, 1000]);
    assert_eq!(graph.batch(&NoFold), Ok(()));
}

#[test]
fn mobile_networks_become_fused_convolutions() {
    let Some(graph) = optimised("mobilenetv2.onnx") else { return };
    let counts = operators(&graph);
    assert_eq!((counts["FusedConv"], counts.get("Clip"), counts.get("Add")), (45, None, None), "{counts:?}");
    check_shapes(&graph, &[&[2, 3, 224, 224]], &[2, 1000]);
    assert_eq!(graph.batch(&NoFold), Ok(()));
}

#[test]
fn encoders_become_products_attention_and_normalisation() {
    let Some(graph) = optimised("minilm.onnx") else { return };
    let counts = operators(&graph);
    assert_eq!((counts["FusedAttention"], counts["FusedMatMul"]), (6, 36), "{counts:?}");
    // The first normalisation is of a sum with positions, which are the same for all rows.
    assert_eq!((counts["SkipLayerNorm"], counts["LayerNormalization"]), (12, 1), "{counts:?}");
    assert_eq!((counts.get("Erf"), counts.get("Reshape"), counts.get("Transpose")), (None, None, None), "{counts:?}");
    check_shapes(&graph, &[&[3, 20], &[3, 20], &[3, 20]], &[3, 20, 384]);
    assert_eq!(graph.batch(&NoFold), Ok(()));
}

#[test]
fn text_detection_is_fused_and_batched() {
    let Some(graph) = optimised("ppocr_det.onnx") else { return };
    let counts = operators(&graph);
    assert_eq!(
        (counts.get("Div"), counts.get("Clip"), counts.get("BatchNormalization")),
        (None, None, None),
        "{counts:?}"
    );
    check_shapes(&graph, &[&[2, 3, 64, 96]], &[2, 1, 64, 96]);
    assert_eq!(graph.batch(&NoFold), Ok(()));
}

#[test]
fn text_recognition_is_fused_and_batched() {
    let Some(graph) = optimised("ppocr_rec.onnx") else { return };
    let counts = operators(&graph);
    assert_eq!((counts.get("Div"), counts.get("BatchNormalization")), (None, None), "{counts:?}");
    check_shapes(&graph, &[&[2, 3, 48, 320]], &[2, 40, 6625]);
    assert_eq!(graph.batch(&NoFold), Ok(()));
}

#[test]
fn tables_are_batched() {
    for name in ["digits.onnx", "digits_forest.onnx", "digits_mlp.onnx", "forest.onnx"] {
        let Some(graph) = optimised(name) else { return };
        assert_eq!(graph.batch(&NoFold), Ok(()), "{name}: {:?}", operators(&graph));
    }
}
