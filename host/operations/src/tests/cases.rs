//! Results of numpy and PIL: `tests/fixtures/operations`.

use scorehost_core::{DType, Tensor};
use serde_json::Value;

use super::{numbers, run, u8s, unaligned};
use crate::{
    Argmax, Arithmetic, ArithmeticScalar, BoxFormat, Cast, Clip, Color, Compare, Comparison, Concat, CropAndResize,
    CropQuad, Decode, Gather, Interpolation, Layout, Letterbox, Matmul, NonMaxSuppression, Normalize, Operation,
    Operator, Pad, Range, Reduce, Reduction, Resize, Slice, Softmax, Stack, StackPadded, TopK, Transpose,
    WarpPerspective,
};

fn folder() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/operations")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| match value.as_str().unwrap() {
        "nan" => f64::NAN,
        "inf" => f64::INFINITY,
        _ => f64::NEG_INFINITY,
    })
}

fn list<T>(value: &Value, item: impl Fn(&Value) -> T) -> Vec<T> {
    value.as_array().unwrap().iter().map(item).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    list(value, |number| number.as_f64().unwrap() as f32)
}

fn dtype(value: &Value) -> DType {
    DType::from_name(value.as_str().unwrap()).unwrap()
}

/// A tensor of the fixture. 64-bit integers among them are small enough for `f64`.
fn tensor(value: &Value) -> Tensor {
    let shape = list(&value["shape"], |dim| dim.as_u64().unwrap());
    let values = list(&value["data"], number);
    let wide = crate::element::tensor(shape.as_slice(), values).unwrap();
    run(Cast { to: dtype(&value["dtype"]) }, &[wide]).unwrap().remove(0)
}

fn layout(value: &Value) -> Layout {
    if value == "first" { Layout::ChannelsFirst } else { Layout::ChannelsLast }
}

fn interpolation(value: &Value) -> Interpolation {
    match value.as_str().unwrap() {
        "nearest" => Interpolation::Nearest,
        "bilinear" => Interpolation::Bilinear,
        _ => Interpolation::Bicubic,
    }
}

fn operator(value: &Value) -> Operator {
    match value.as_str().unwrap() {
        "add" => Operator::Add,
        "subtract" => Operator::Subtract,
        "multiply" => Operator::Multiply,
        "divide" => Operator::Divide,
        "minimum" => Operator::Minimum,
        _ => Operator::Maximum,
    }
}

fn array<const N: usize>(values: Vec<f32>) -> [f32; N] {
    values.try_into().unwrap()
}

fn arrays(name: &str, given: &Value) -> Option<Operation> {
    let axis = || given["axis"].as_i64().unwrap() as i32;
    let keep = || given["keep"] == true;
    let wholes = |key: &str| list(&given[key], |value| value.as_u64().unwrap());
    Some(match name {
        "cast" => Cast { to: dtype(&given["to"]) }.into(),
        "transpose" => Transpose { axes: wholes("axes").into_iter().map(|axis| axis as u32).collect() }.into(),
        "slice" => {
            let range = |part: &Value| Range {
                start: part[0].as_i64(),
                end: part[1].as_i64(),
                step: part[2].as_i64().unwrap(),
            };
            Slice { ranges: list(&given["ranges"], range) }.into()
        }
        "concat" => Concat { axis: axis() }.into(),
        "stack" => Stack { axis: axis() }.into(),
        "stack-padded" => StackPadded { shape: wholes("shape"), fill: number(&given["fill"]) }.into(),
        "pad" => Pad { before: wholes("before"), after: wholes("after"), fill: number(&given["fill"]) }.into(),
        "gather" => Gather { axis: axis() }.into(),
        "arithmetic" => Arithmetic { operator: operator(&given["operator"]) }.into(),
        "arithmetic-scalar" => {
            ArithmeticScalar { operator: operator(&given["operator"]), scalar: number(&given["scalar"]) }.into()
        }
        "compare" => {
            let comparison = match given["comparison"].as_str().unwrap() {
                "less" => Comparison::Less,
                "greater-equal" => Comparison::GreaterEqual,
                _ => Comparison::NotEqual,
            };
            Compare { comparison, scalar: number(&given["scalar"]) }.into()
        }
        "clip" => Clip { minimum: number(&given["minimum"]), maximum: number(&given["maximum"]) }.into(),
        "softmax" => Softmax { axis: axis() }.into(),
        "matmul" => Matmul.into(),
        "reduce" => {
            let reduction = match given["reduction"].as_str().unwrap() {
                "sum" => Reduction::Sum,
                "mean" => Reduction::Mean,
                "max" => Reduction::Max,
                _ => Reduction::Min,
            };
            let axes = list(&given["axes"], |axis| axis.as_i64().unwrap() as i32);
            Reduce { reduction, axes, keep_dims: keep() }.into()
        }
        "argmax" => Argmax { axis: axis(), keep_dims: false }.into(),
        "top-k" => TopK { k: given["k"].as_u64().unwrap(), axis: axis(), largest: given["largest"] == true }.into(),
        _ => return None,
    })
}

fn images(name: &str, given: &Value) -> Operation {
    let side = |key: &str| given[key].as_u64().unwrap() as u32;
    let (bilinear, last) = (Interpolation::Bilinear, Layout::ChannelsLast);
    match name {
        "resize" => Resize {
            height: side("height"),
            width: side("width"),
            interpolation: interpolation(&given["interpolation"]),
            antialias: given["antialias"] == true,
            layout: layout(&given["layout"]),
        }
        .into(),
        "letterbox" => Letterbox {
            height: side("height"),
            width: side("width"),
            interpolation: bilinear,
            antialias: true,
            fill: number(&given["fill"]),
            center: true,
            layout: last,
        }
        .into(),
        "crop-and-resize" => CropAndResize {
            boxes: list(&given["boxes"], |corners| array(floats(corners))),
            height: side("height"),
            width: side("width"),
            interpolation: bilinear,
            antialias: true,
            layout: last,
        }
        .into(),
        "crop-quad" => CropQuad {
            corners: list(&given["corners"], |corner| array(floats(corner))).try_into().unwrap(),
            height: side("height"),
            width: side("width"),
            interpolation: interpolation(&given["interpolation"]),
        }
        .into(),
        "warp-perspective" => WarpPerspective {
            matrix: list(&given["matrix"], number).try_into().unwrap(),
            height: side("height"),
            width: side("width"),
            interpolation: interpolation(&given["interpolation"]),
            fill: given["fill"].as_f64(),
        }
        .into(),
        "normalize" => Normalize {
            scale: number(&given["scale"]) as f32,
            mean: floats(&given["mean"]),
            std: floats(&given["std"]),
            from: last,
            to: Layout::ChannelsFirst,
            reverse: given["reverse"] == true,
        }
        .into(),
        "decode" => {
            let color = match given["color"].as_str().unwrap() {
                "grey" => Color::Grey,
                "bgr" => Color::Bgr,
                "rgba" => Color::Rgba,
                _ => Color::Rgb,
            };
            Decode { color, orient: true, max_pixels: 0 }.into()
        }
        "non-max-suppression" => NonMaxSuppression {
            iou_threshold: number(&given["iou"]) as f32,
            score_threshold: number(&given["score"]) as f32,
            max_boxes: side("max"),
            format: BoxFormat::Corners,
        }
        .into(),
        other => panic!("no operation {other}"),
    }
}

fn check(line: usize, operation: &Operation, inputs: &[Tensor], case: &Value) {
    let outputs = run(operation.clone(), inputs).unwrap_or_else(|error| panic!("line {line}: {operation:?}: {error}"));
    let expected = case["outputs"].as_array().unwrap();
    assert_eq!(outputs.len(), expected.len(), "line {line}: {operation:?}");
    for (output, expected) in outputs.iter().zip(expected) {
        let expected = tensor(expected);
        assert_eq!(
            (output.dtype(), output.shape()),
            (expected.dtype(), expected.shape()),
            "line {line}: {operation:?}"
        );
        let tolerance = case["tolerance"].as_f64().unwrap();
        for (at, (got, wanted)) in numbers(output).into_iter().zip(numbers(&expected)).enumerate() {
            // Levels of pixels are counted; small tolerances are relative.
            let scale = if tolerance >= 1.0 { 1.0 } else { wanted.abs().max(1.0) };
            let near = got == wanted || (got - wanted).abs() <= tolerance * scale || (got.is_nan() && wanted.is_nan());
            assert!(near, "line {line}: {operation:?}: element {at} is {got}, expected {wanted}");
        }
    }
}

#[test]
fn results_are_those_of_numpy_and_pil_wherever_the_bytes_lie() {
    let text = std::fs::read_to_string(folder().join("cases.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 90);
    for (at, case) in cases.iter().enumerate() {
        let (name, given) = (case["operation"].as_str().unwrap(), &case["arguments"]);
        let operation = arrays(name, given).unwrap_or_else(|| images(name, given));
        let mut inputs = list(&case["inputs"], tensor);
        if let Some(file) = given["file"].as_str() {
            let bytes = std::fs::read(folder().join(file)).unwrap();
            inputs.push(u8s(&[bytes.len() as u64], &bytes));
        }
        check(at + 2, &operation, &inputs, case);
        let unaligned: Vec<Tensor> = inputs.iter().map(unaligned).collect();
        check(at + 2, &operation, &unaligned, case);
    }
}
