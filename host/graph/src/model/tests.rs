#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use scorehost_core::DType;

use super::*;
use crate::{Attribute, messages};

fn fixture(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models").join(name);
    std::fs::read(path).unwrap().into()
}

#[test]
fn the_signature_has_names_types_and_symbolic_dimensions() {
    let model = Model::read(fixture("logistic_words.onnx"), None).unwrap();
    let Signature { inputs, outputs } = model.signature();
    let spec = |spec: &scorehost_core::TensorSpec| (spec.name.to_string(), spec.dtype, spec.shape.clone());
    assert_eq!(inputs.iter().map(spec).collect::<Vec<_>>(), [("X".to_owned(), DType::F32, vec![-1, 6])]);
    let labels = outputs.iter().map(spec).collect::<Vec<_>>();
    assert_eq!(labels[0], ("label".to_owned(), DType::Bytes, vec![-1]));
    assert_eq!(labels[1], ("probabilities".to_owned(), DType::F32, vec![-1, 3]));
}

#[test]
fn inputs_with_a_default_are_not_asked_for() {
    let mut proto = ModelProto::decode(fixture("ops_gemm.onnx")).unwrap();
    let graph = proto.graph.as_mut().unwrap();
    let mut given = graph.input[0].clone();
    given.name = "w".to_owned();
    graph.input.push(given);
    let model = Model::read(proto.encode_to_vec().into(), None).unwrap();
    let names: Vec<_> = model.signature().inputs.iter().map(|input| &*input.name).collect();
    assert_eq!(names, ["x"]);
}

#[test]
fn nodes_keep_their_operator_attributes_and_values() {
    let graph = Model::read(fixture("ops_gemm.onnx"), None).unwrap().graph().unwrap();
    assert_eq!(graph.nodes.len(), 3);
    assert_eq!(graph.nodes[0].id().to_string(), "ai.onnx.Gemm (opset 17)");
    assert!(matches!(graph.nodes[1].attributes["transB"], Attribute::Int(1)));
    assert!(matches!(graph.nodes[1].attributes["alpha"], Attribute::Float(0.5)));
    assert_eq!(graph.nodes[0].inputs[0], Some(graph.inputs[0]));
    assert_eq!(graph.nodes[0].outputs[0], Some(graph.outputs[0]));
    assert_eq!(graph.initialisers.len(), 4);
}

#[test]
fn files_with_more_parts_than_any_model_are_refused_before_they_are_decoded() {
    let bytes = fixture("ops_gemm.onnx");
    assert!(matches!(messages::check_count(&bytes, 10), Err(GraphError::TooManyParts { limit: 10 })));
    assert!(messages::check_count(&bytes, 1000).is_ok());
}

#[test]
fn what_is_no_model_is_refused() {
    let read = |bytes: &'static [u8]| Model::read(Bytes::from_static(bytes), None).unwrap_err();
    assert!(matches!(read(b""), GraphError::NoGraph));
    assert!(matches!(read(b"this is text, not a model"), GraphError::Malformed | GraphError::Protobuf(_)));
    // A group, which ONNX does not have, would pass the count unseen.
    assert!(matches!(read(&[0x0b, 0x0c]), GraphError::Malformed));
}
