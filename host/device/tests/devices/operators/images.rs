//! Deformable convolutions, pooling undone, normalisation by the batch, texts held against patterns.

use scorehost_core::{DType, Tensor};

use super::{Single, compare};
use crate::encode::Value;
use crate::random::Random;

fn deformed(random: &mut Random) -> Single {
    let (groups, offset_groups) = (1 + random.below(2) as u64, 1 + random.below(2) as u64);
    let (batch, channels, outputs) = (1 + random.below(2) as u64, 2 * groups, 2 * groups);
    let [kernel_h, kernel_w, stride, dilation, pad] = [3, 3, 2, 2, 2].map(|most| random.below(most) as u64);
    let (kernel, stride, dilation) = ([kernel_h + 1, kernel_w + 1], stride + 1, dilation + 1);
    let sides = [6 + random.below(3) as u64, 6 + random.below(3) as u64];
    let out = [0, 1].map(|at| (sides[at] + 2 * pad - (dilation * (kernel[at] - 1) + 1)) / stride + 1);
    let taps = kernel[0] * kernel[1];
    let mut tensor = |shape: &[u64]| Some(random.floats("x", shape).tensor);
    let mut inputs = vec![
        tensor(&[batch, channels, sides[0], sides[1]]),
        tensor(&[outputs, channels / groups, kernel[0], kernel[1]]),
        tensor(&[batch, offset_groups * taps * 2, out[0], out[1]]),
        tensor(&[outputs]),
        tensor(&[batch, offset_groups * taps, out[0], out[1]]),
    ];
    inputs.truncate(3 + random.below(3));
    let attributes = vec![
        ("group", Value::Int(groups as i64)),
        ("offset_group", Value::Int(offset_groups as i64)),
        ("kernel_shape", Value::Ints(kernel.map(|size| size as i64).to_vec())),
        ("strides", Value::Ints(vec![stride as i64; 2])),
        ("dilations", Value::Ints(vec![dilation as i64; 2])),
        ("pads", Value::Ints(vec![pad as i64; 4])),
    ];
    Single { opset: 19, domain: "", operator: "DeformConv", outputs: vec![1], attributes, inputs }
}

#[test]
fn deformable_convolutions_answer_like_onnxruntime() {
    let mut random = Random::new();
    compare(120, 1e-4, || deformed(&mut random));
}

/// Every window's element goes back to some place of that window.
fn unpooled(random: &mut Random) -> Single {
    let [batch, channels, height, width] = [2, 2, 3, 3].map(|most| 1 + random.below(most) as u64);
    let (rows, columns) = (2 * height, 2 * width);
    let x = random.floats("x", &[batch, channels, height, width]).tensor;
    let mut places = Vec::new();
    for at in 0..batch * channels * height * width {
        let (plane, row, column) = (at / (height * width), at / width % height, at % width);
        let (down, right) = (random.below(2) as u64, random.below(2) as u64);
        let place = (plane * rows + 2 * row + down) * columns + 2 * column + right;
        places.extend((place as i64).to_le_bytes());
    }
    let places = Tensor::new(DType::I64, [batch, channels, height, width].as_slice(), places.into()).unwrap();
    let attributes = vec![("kernel_shape", Value::Ints(vec![2, 2])), ("strides", Value::Ints(vec![2, 2]))];
    let inputs = vec![Some(x), Some(places)];
    Single { opset: 11, domain: "", operator: "MaxUnpool", outputs: vec![1], attributes, inputs }
}

#[test]
fn pooling_is_undone_like_onnxruntime_does() {
    let mut random = Random::new();
    compare(60, 0.0, || unpooled(&mut random));
}

fn normalised(random: &mut Random) -> Single {
    let shape = [2 + random.below(4) as u64, 1 + random.below(4) as u64, 1 + random.below(5) as u64];
    let mut tensor = |shape: &[u64]| random.floats("x", shape).tensor;
    let (x, channels) = (tensor(&shape), &shape[1..2]);
    let [scale, bias, mean] = [0; 3].map(|_| tensor(channels));
    let variance: Vec<f32> = (0..shape[1]).map(|at| 0.5 + at as f32).collect();
    let variance = Tensor::from_f32(channels, &variance).unwrap();
    let attributes = vec![("training_mode", Value::Int(1)), ("momentum", Value::Float(0.7))];
    let inputs = [x, scale, bias, mean, variance].map(Some).to_vec();
    Single { opset: 15, domain: "", operator: "BatchNormalization", outputs: vec![1; 3], attributes, inputs }
}

#[test]
fn normalisation_by_the_batch_answers_like_onnxruntime() {
    let mut random = Random::new();
    compare(60, 1e-4, || normalised(&mut random));
}

const PATTERNS: [&str; 12] = [
    r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)",
    r"\d+",
    r"[^\d]*",
    r"\w+\b.*",
    "a|ab|abc",
    "(a+)+b",
    r"\s*x\s*",
    ".",
    "",
    r"[[:alpha:]]+",
    r"\D\S\W?",
    "(?s).*",
];

fn texts(random: &mut Random) -> Single {
    let letters = ["a", "b", "ab", "abc", "7", " ", "\t", "x", "\u{e9}", "\u{663}", "@gmail.com", "-", "\n", "A"];
    let text = |random: &mut Random| (0..random.below(4)).map(|_| *random.choose(&letters)).collect::<String>();
    let texts: Vec<String> = (0..12).map(|_| text(random)).collect();
    let inputs = vec![Some(Tensor::from_byte_strings([3, 4].as_slice(), &texts).unwrap())];
    let attributes = vec![("pattern", Value::Text(PATTERNS[random.below(PATTERNS.len())]))];
    Single { opset: 20, domain: "", operator: "RegexFullMatch", outputs: vec![9], attributes, inputs }
}

#[test]
fn texts_match_patterns_like_they_do_in_onnxruntime() {
    let mut random = Random::new();
    compare(300, 0.0, || texts(&mut random));
}
