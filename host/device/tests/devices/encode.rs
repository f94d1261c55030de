//! Models written field by field (numbers of `onnx.proto`), for what no exporter writes.

use prost::encoding::{WireType, encode_key, encode_varint};

/// A message under construction.
#[derive(Clone, Default)]
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
    let opset = Message::default().bytes(1, "").int(2, 17);
    Message::default().int(1, 8).message(7, graph).message(8, opset).0
}
