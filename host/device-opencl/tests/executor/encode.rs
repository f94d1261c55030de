//! Models encoded by hand: ONNX's wire format, as much of it as products need.

use crate::inputs::Random;

/// A field with a length.
pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(content.len() as u64), content].concat()
}

/// A field that is a number.
pub(crate) fn number(number: u8, value: u64) -> Vec<u8> {
    [vec![number << 3], varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A constant of F32.
pub(crate) fn tensor(name: &str, shape: &[u64], values: &[f32]) -> Vec<u8> {
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let dims = shape.iter().flat_map(|size| number(1, *size)).collect::<Vec<_>>();
    field(5, &[dims, number(2, 1), field(8, name.as_bytes()), field(9, &data)].concat())
}

/// A model from `x` `[n, inputs]` to `y` `[n, outputs]` with these nodes and constants.
pub(crate) fn model(inputs: u64, outputs: u64, nodes: &[(&[&str], &str, &str)], constants: &[Vec<u8>]) -> Vec<u8> {
    let value = |name: &str, columns| {
        let sizes = [field(1, &field(2, b"n")), field(1, &number(1, columns))].concat();
        let kind = field(1, &[number(1, 1), field(2, &sizes)].concat());
        [field(1, name.as_bytes()), field(2, &kind)].concat()
    };
    let node = |(from, to, operator): &(&[&str], &str, &str)| {
        let from = from.iter().flat_map(|name| field(1, name.as_bytes())).collect::<Vec<_>>();
        field(1, &[from, field(2, to.as_bytes()), field(4, operator.as_bytes())].concat())
    };
    let nodes = nodes.iter().flat_map(node).collect::<Vec<_>>();
    let ports = [field(11, &value("x", inputs)), field(12, &value("y", outputs))].concat();
    let graph = [nodes, field(2, b"g"), constants.concat(), ports].concat();
    [number(1, 8), field(7, &graph), field(8, &number(2, 13))].concat()
}

/// A perceptron of three layers: 64 to 100 to 37 to 10, of random weights.
pub(crate) fn perceptron() -> Vec<u8> {
    let mut seeded = Random::new(11);
    let mut numbers = |count: u64| -> Vec<f32> {
        (0..count).map(|_| ((seeded.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 0.4).collect()
    };
    let constants = [
        tensor("w0", &[64, 100], &numbers(6400)),
        tensor("b0", &[100], &numbers(100)),
        tensor("w1", &[100, 37], &numbers(3700)),
        tensor("b1", &[37], &numbers(37)),
        tensor("w2", &[37, 10], &numbers(370)),
    ];
    let nodes: [(&[&str], &str, &str); 8] = [
        (&["x", "w0"], "p0", "MatMul"),
        (&["p0", "b0"], "s0", "Add"),
        (&["s0"], "a0", "Relu"),
        (&["a0", "w1"], "p1", "MatMul"),
        (&["p1", "b1"], "s1", "Add"),
        (&["s1"], "a1", "Tanh"),
        (&["a1", "w2"], "p2", "MatMul"),
        (&["p2"], "y", "Softmax"),
    ];
    model(64, 10, &nodes, &constants)
}
