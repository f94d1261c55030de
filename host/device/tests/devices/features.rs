//! Operators of the reference executor that neither the fixtures nor the ONNX project's cases have.

use bytes::Bytes;
use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_device::ModelSource;

use crate::encode::{Message, node};
use crate::fixtures::{floats, reference};

/// A matrix of any size as an input or output; 1 is float, 7 is int64.
fn matrix(name: &str, element: u64) -> Message {
    let dim = || Message::default().bytes(2, "n");
    let shape = Message::default().message(1, dim()).message(1, dim());
    let tensor = Message::default().int(1, element).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

fn ints(name: &str, values: &[u64]) -> Message {
    values.iter().fold(Message::default().bytes(1, name).int(20, 7), |attribute, value| attribute.int(8, *value))
}

/// Runs one operator of `ai.onnx.ml`.
fn run(operator: &str, attribute: Message, inputs: &[(&str, u64, Tensor)]) -> Tensor {
    let names: Vec<&str> = inputs.iter().map(|input| input.0).collect();
    let node = node(operator, &names, "y").bytes(7, "ai.onnx.ml").message(5, attribute);
    let graph = inputs.iter().fold(Message::default().message(1, node), |graph, (name, element, _)| {
        graph.message(11, matrix(name, *element))
    });
    let graph = graph.message(12, matrix("y", 1));
    let opset = |domain: &str, version| Message::default().bytes(1, domain).int(2, version);
    let model =
        Message::default().int(1, 8).message(7, graph).message(8, opset("", 17)).message(8, opset("ai.onnx.ml", 3));
    let graph = reference().load(ModelSource::Bytes(Bytes::from(model.0))).unwrap();
    let inputs: Vec<NamedTensor> =
        inputs.iter().map(|(name, _, tensor)| NamedTensor::new(*name, tensor.clone())).collect();
    graph.run(&inputs, &[0]).unwrap()[0].tensor.clone()
}

fn of_floats(shape: [u64; 2], values: &[f32]) -> Tensor {
    Tensor::from_f32(shape.as_slice(), values).unwrap()
}

#[test]
fn feature_vectorizer_joins_cuts_and_fills_columns() {
    let inputs =
        [("a", 1, of_floats([2, 1], &[1.0, 2.0])), ("b", 1, of_floats([2, 3], &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0]))];
    let joined = run("FeatureVectorizer", ints("inputdimensions", &[2, 2]), &inputs);
    assert_eq!(joined.shape(), [2, 4]);
    assert_eq!(floats(&joined).unwrap(), [1.0, 0.0, 3.0, 4.0, 2.0, 0.0, 6.0, 7.0]);
}

#[test]
fn one_hot_encoder_marks_the_category_and_leaves_unknown_ones_at_zero() {
    let data: Vec<u8> = [3i64, 9, 5].iter().flat_map(|value| value.to_le_bytes()).collect();
    let input = Tensor::new(DType::I64, [3, 1].as_slice(), data.into()).unwrap();
    let hot = run("OneHotEncoder", ints("cats_int64s", &[3, 5]), &[("x", 7, input)]);
    assert_eq!(hot.shape(), [3, 1, 2]);
    assert_eq!(floats(&hot).unwrap(), [1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
}
