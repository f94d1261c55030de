//! Models written field by field (numbers of `onnx.proto`), for what no exporter writes.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A message under construction.
#[derive(Clone, Default, Debug)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn bytes(mut self, field: u32, content: impl AsRef<[u8]>) -> Self {
        encode_key(field, WireType::LengthDelimited, &mut self.0);
        encode_varint(content.as_ref().len() as u64, &mut self.0);
        self.0.extend_from_slice(content.as_ref());
        self
    }

    pub(crate) fn int(mut self, field: u32, value: u64) -> Self {
        encode_key(field, WireType::Varint, &mut self.0);
        encode_varint(value, &mut self.0);
        self
    }

    pub(crate) fn float(mut self, field: u32, value: f32) -> Self {
        encode_key(field, WireType::ThirtyTwoBit, &mut self.0);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn message(self, field: u32, content: Self) -> Self {
        self.bytes(field, content.0)
    }
}

/// A float input or output.
pub(crate) fn float_value(name: &str, dims: &[u64]) -> Message {
    let dim = |shape: Message, dim: &u64| shape.message(1, Message::default().int(1, *dim));
    let shape = dims.iter().fold(Message::default(), dim);
    let tensor = Message::default().int(1, 1).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

pub(crate) fn node(operator: &str, inputs: &[&str], output: &str) -> Message {
    let named = inputs.iter().fold(Message::default(), |node, input| node.bytes(1, input));
    named.bytes(2, output).bytes(4, operator)
}

/// A float initialiser.
pub(crate) fn float_tensor(name: &str, dims: &[u64], values: &[f32]) -> Message {
    let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim)).int(2, 1).bytes(8, name).bytes(9, raw)
}

/// A model of operator set 17.
pub(crate) fn model(graph: Message) -> Vec<u8> {
    model_of(17, graph)
}

/// A model of some operator set.
pub(crate) fn model_of(opset: u64, graph: Message) -> Vec<u8> {
    let model = Message::default().int(1, 8).message(7, graph);
    let sets = [("", opset), ("ai.onnx.ml", if opset < 21 { 3 } else { 5 })];
    let set = |model: Message, (domain, version): (&str, u64)| {
        model.message(8, Message::default().bytes(1, domain).int(2, version))
    };
    sets.into_iter().fold(model, set).0
}

/// An attribute of a node.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Int(i64),
    Ints(Vec<i64>),
    Text(&'static str),
    Float(f32),
    Floats(Vec<f32>),
    Texts(Vec<&'static str>),
    Tensor(Message),
}

impl From<Vec<f32>> for Value {
    fn from(values: Vec<f32>) -> Self {
        Self::Floats(values)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<Vec<i64>> for Value {
    fn from(values: Vec<i64>) -> Self {
        Self::Ints(values)
    }
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text)
    }
}

pub(crate) fn attribute(name: &str, value: &Value) -> Message {
    let named = Message::default().bytes(1, name);
    match value {
        Value::Int(value) => named.int(3, *value as u64).int(20, 2),
        Value::Ints(values) => values.iter().fold(named, |all, value| all.int(8, *value as u64)).int(20, 7),
        Value::Text(text) => named.bytes(4, text).int(20, 3),
        Value::Float(value) => named.float(2, *value).int(20, 1),
        Value::Floats(values) => values.iter().fold(named, |all, value| all.float(7, *value)).int(20, 6),
        Value::Texts(texts) => texts.iter().fold(named, |all, text| all.bytes(9, text)).int(20, 8),
        Value::Tensor(tensor) => named.message(5, tensor.clone()).int(20, 4),
    }
}

/// An input or output of a type (ONNX's number) with named free dimensions where a size is `None`.
pub(crate) fn value(name: &str, dtype: u64, dims: &[Option<u64>]) -> Message {
    let dim = |size: &Option<u64>| match size {
        Some(size) => Message::default().int(1, *size),
        None => Message::default(),
    };
    let shape = dims.iter().fold(Message::default(), |shape, size| shape.message(1, dim(size)));
    let tensor = Message::default().int(1, dtype).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

/// An initialiser of ONNX's type number.
pub(crate) fn tensor(name: &str, dtype: u64, dims: &[u64], data: &[u8]) -> Message {
    dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim)).int(2, dtype).bytes(8, name).bytes(9, data)
}
