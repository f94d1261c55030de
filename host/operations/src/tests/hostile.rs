//! Inputs that must be refused with a message, and cost nothing.

use scorehost_core::{DType, Tensor};

use super::{f32s, i64s, one, run, u8s};
use crate::*;

fn refused(operation: impl Into<Operation>, inputs: &[Tensor], says: &str) {
    let operation = operation.into();
    let error = operation.plan(inputs).map(drop).and_then(|()| run(operation.clone(), inputs).map(drop));
    let message = error.expect_err(&format!("{operation:?} worked")).to_string();
    assert!(message.contains(says), "{operation:?}: {message}");
}

fn resize(height: u32, width: u32) -> Resize {
    let (interpolation, layout) = (Interpolation::Bilinear, Layout::ChannelsLast);
    Resize { height, width, interpolation, antialias: true, layout }
}

fn decode() -> Decode {
    Decode { color: Color::Rgb, orient: true, max_pixels: 0 }
}

#[test]
fn arguments_that_cannot_work_are_named() {
    let x = f32s(&[2, 3], &[0.0; 6]);
    let pixels = u8s(&[2, 2, 3], &[0; 12]);
    let text = Tensor::from_byte_strings([1].as_slice(), ["a"]).unwrap();
    let flags = Tensor::new(DType::Bool, [2].as_slice(), vec![1, 0].into()).unwrap();
    let x = || x.clone();
    refused(Cast { to: DType::Bytes }, &[x()], "cast: to is Bytes, expected elements of fixed size");
    refused(Cast { to: DType::F32 }, std::slice::from_ref(&text), "cast: elements are BYTES");
    refused(Transpose { axes: vec![0, 0] }, &[x()], "transpose: axes is [0, 0], expected each of the 2 axes once");
    refused(Transpose { axes: vec![u32::MAX, 0] }, &[x()], "each of the 2 axes once");
    refused(Slice { ranges: vec![Range { start: None, end: None, step: 0 }] }, &[x()], "slice: step is 0");
    refused(Slice { ranges: vec![Range { start: None, end: None, step: i64::MIN }] }, &[x()], "slice: step");
    refused(Slice { ranges: vec![Range { start: None, end: None, step: 1 }; 3] }, &[x()], "at most 2");
    refused(Concat { axis: 0 }, &[], "concat: 0 tensors, expected one or more");
    refused(Concat { axis: 2 }, &[x()], "concat: axis 2 of a tensor with 2 dimensions; expected -2 to 1");
    refused(Concat { axis: i32::MIN }, &[x()], "axis -2147483648");
    refused(Concat { axis: 0 }, &[x(), pixels.clone()], "do not go together");
    refused(Stack { axis: 0 }, &[x(), f32s(&[3], &[0.0; 3])], "one dtype and one shape");
    refused(StackPadded { shape: vec![1, 1], fill: 0.0 }, &[x()], "at least [2, 3]");
    refused(
        StackPadded { shape: vec![], fill: 300.0 },
        std::slice::from_ref(&pixels),
        "fill is 300.0, expected a value that UINT8 can hold",
    );
    refused(Pad { before: vec![0], after: vec![0, 0], fill: 0.0 }, &[x()], "before is [0], expected 2 numbers");
    refused(Gather { axis: 0 }, &[x(), i64s(&[1], &[2])], "an index is 2, expected -2 to 1");
    refused(Gather { axis: 0 }, &[x(), i64s(&[1], &[i64::MIN])], "an index");
    refused(Gather { axis: 0 }, &[x(), x()], "expected INT32 or INT64 indices");
    refused(Arithmetic { operator: Operator::Add }, &[x(), f32s(&[2], &[0.0; 2])], "equal or 1");
    refused(
        Arithmetic { operator: Operator::Add },
        &[flags.clone(), flags.clone()],
        "elements are BOOL, expected numbers",
    );
    refused(Arithmetic { operator: Operator::Divide }, &[pixels.clone(), pixels.clone()], "no 0 among integers");
    refused(ArithmeticScalar { operator: Operator::Add, scalar: 0.5 }, std::slice::from_ref(&pixels), "scalar is 0.5");
    refused(
        ArithmeticScalar { operator: Operator::Add, scalar: f64::NAN },
        std::slice::from_ref(&pixels),
        "scalar is NaN",
    );
    refused(
        ArithmeticScalar { operator: Operator::Divide, scalar: 0.0 },
        std::slice::from_ref(&pixels),
        "no 0 among integers",
    );
    refused(Clip { minimum: 1.0, maximum: 0.0 }, &[x()], "minimum is 1.0");
    refused(Softmax { axis: 0 }, std::slice::from_ref(&pixels), "expected floating-point numbers");
    refused(Matmul, &[x(), x()], "as many columns on the left");
    refused(Matmul, &[f32s(&[], &[0.0]), x()], "do not go together");
    let reduce = |axes: &[i32]| Reduce { reduction: Reduction::Max, axes: axes.to_vec(), keep_dims: false };
    refused(reduce(&[0, -2]), &[x()], "each axis once");
    refused(reduce(&[0]), &[f32s(&[0, 3], &[])], "at least one element along each axis");
    refused(Argmax { axis: 0, keep_dims: false }, &[f32s(&[0, 3], &[])], "at least one element along the axis");
    refused(TopK { k: 4, axis: 1, largest: true }, &[x()], "k is 4, expected at most 3");
    refused(resize(0, 1), std::slice::from_ref(&pixels), "a height and a width of at least 1");
    refused(resize(1, 1), &[x()], "three axes, or four");
    refused(resize(1, 1), &[i64s(&[1, 1, 1], &[0])], "expected UINT8 or FP32 pixels");
    refused(resize(1, 1), &[u8s(&[1, 1, 5], &[0; 5])], "at most 4 channels");
    refused(resize(1, 1), &[u8s(&[0, 1, 3], &[])], "at least one pixel");
    let corners = |boxes: [f32; 4]| CropAndResize {
        boxes: vec![boxes],
        height: 1,
        width: 1,
        interpolation: Interpolation::Nearest,
        antialias: false,
        layout: Layout::ChannelsLast,
    };
    refused(corners([1.0, 0.0, 1.0, 1.0]), std::slice::from_ref(&pixels), "left < right");
    refused(corners([0.0, f32::NAN, 1.0, 1.0]), std::slice::from_ref(&pixels), "a box");
    let quad =
        CropQuad { corners: [[f32::INFINITY; 2]; 4], height: 1, width: 1, interpolation: Interpolation::Nearest };
    refused(quad, std::slice::from_ref(&pixels), "finite numbers");
    let normalize = Normalize {
        scale: 1.0,
        mean: vec![0.0; 2],
        std: vec![],
        from: Layout::ChannelsLast,
        to: Layout::ChannelsLast,
        reverse: false,
    };
    refused(
        Normalize { mean: vec![], std: vec![0.0], ..normalize.clone() },
        std::slice::from_ref(&pixels),
        "other than 0",
    );
    refused(normalize, &[pixels], "one number, or 3");
}

#[test]
fn results_of_any_size_are_planned_before_they_are_made() {
    let pixel = u8s(&[1, 1, 3], &[0; 3]);
    let plan = Operation::from(resize(u32::MAX, u32::MAX)).plan(std::slice::from_ref(&pixel));
    assert!(plan.unwrap_err().to_string().contains("more elements"), "the product is more than a tensor can be");
    let plan = Operation::from(resize(100_000, 100_000)).plan(std::slice::from_ref(&pixel)).unwrap();
    assert!(plan.bytes >= 30_000_000_000, "{plan:?}");
    refused(
        Pad { before: vec![u64::MAX; 3], after: vec![1; 3], fill: 0.0 },
        std::slice::from_ref(&pixel),
        "more elements",
    );
    let wide = f32s(&[1, 1], &[1.0]);
    let pad = Operation::from(Pad { before: vec![1 << 31, 1 << 31], after: vec![0, 0], fill: 0.0 });
    assert!(pad.plan(&[wide]).is_err() || pad.plan(&[f32s(&[1, 1], &[1.0])]).unwrap().bytes > 1 << 60);
}

#[test]
fn tensors_without_elements_work() {
    let empty = f32s(&[0, 3], &[]);
    let empty = std::slice::from_ref(&empty);
    assert_eq!(one(Transpose { axes: vec![] }, empty).shape(), [3, 0]);
    assert_eq!(one(Concat { axis: 0 }, &[empty[0].clone(), f32s(&[1, 3], &[1.0; 3])]).shape(), [1, 3]);
    assert_eq!(one(Softmax { axis: 0 }, empty).shape(), [0, 3]);
    assert_eq!(one(Reduce { reduction: Reduction::Sum, axes: vec![0], keep_dims: false }, empty).data()[..], [0; 12]);
    assert_eq!(one(Matmul, &[f32s(&[2, 0], &[]), empty[0].clone()]).data()[..], [0; 24]);
    assert_eq!(
        one(Arithmetic { operator: Operator::Add }, &[empty[0].clone(), f32s(&[1, 3], &[1.0; 3])]).shape(),
        [0, 3]
    );
    assert_eq!(one(Gather { axis: 1 }, &[empty[0].clone(), i64s(&[2], &[0, 2])]).shape(), [0, 2]);
    assert_eq!(one(Argmax { axis: 1, keep_dims: true }, empty).shape(), [0, 1]);
    assert_eq!(one(Pad { before: vec![1, 0], after: vec![0, 0], fill: 2.0 }, empty).shape(), [1, 3]);
    let nothing = [f32s(&[0, 4], &[]), f32s(&[0], &[])];
    let suppress =
        NonMaxSuppression { iou_threshold: 0.5, score_threshold: 0.0, max_boxes: 0, format: BoxFormat::Center };
    assert_eq!(one(suppress, &nothing).shape(), [0]);
}

#[test]
fn nan_is_never_greater_and_never_panics() {
    let nan = f32::NAN;
    let x = f32s(&[4], &[nan, 1.0, nan, 3.0]);
    let x = std::slice::from_ref(&x);
    let indices = |tensor: &Tensor| crate::element::view::<i64>(tensor).into_owned();
    assert_eq!(indices(&one(Argmax { axis: 0, keep_dims: false }, x)), [3]);
    assert_eq!(indices(&run(TopK { k: 4, axis: 0, largest: true }, x).unwrap()[1]), [3, 1, 0, 2]);
    assert_eq!(indices(&run(TopK { k: 4, axis: 0, largest: false }, x).unwrap()[1]), [1, 3, 0, 2]);
    let most = one(Reduce { reduction: Reduction::Max, axes: vec![], keep_dims: false }, x);
    assert_eq!(super::numbers(&most), [3.0]);
    let all = f32s(&[3], &[nan; 3]);
    assert_eq!(indices(&one(Argmax { axis: 0, keep_dims: false }, &[all])), [0]);
    let boxes = [f32s(&[2, 4], &[nan; 8]), f32s(&[2], &[nan, 1.0])];
    let suppress =
        NonMaxSuppression { iou_threshold: 0.5, score_threshold: 0.0, max_boxes: 0, format: BoxFormat::Corners };
    assert_eq!(indices(&one(suppress, &boxes)), [1]);
    let warp =
        WarpPerspective { matrix: [0.0; 9], height: 2, width: 2, interpolation: Interpolation::Bicubic, fill: None };
    assert_eq!(one(warp, &[u8s(&[1, 1, 1], &[9])]).shape(), [2, 2, 1]);
}

fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/operations");
    std::fs::read(folder.join(name)).unwrap()
}

fn file(bytes: &[u8]) -> Tensor {
    u8s(&[bytes.len() as u64], bytes)
}

#[test]
fn files_that_are_no_whole_picture_are_refused() {
    refused(decode(), &[file(b"")], "there are no bytes");
    refused(decode(), &[file(b"GIF89a")], "neither a JPEG nor a PNG");
    refused(decode(), &[u8s(&[2, 2], &[0; 4])], "the bytes of one file");
    refused(decode(), &[f32s(&[1], &[0.0])], "UINT8 of one axis");
    for name in ["progressive.jpg", "turned.jpg", "rgb.png", "palette.png"] {
        let whole = fixture(name);
        for length in [2, 20, whole.len() / 2, whole.len() - 30] {
            refused(decode(), &[file(&whole[..length])], "cannot be decoded");
        }
        let element = Tensor::from_byte_strings([1].as_slice(), [&whole]).unwrap();
        assert_eq!(one(decode(), &[element]).shape().len(), 3);
    }
}

#[test]
fn a_file_that_declares_more_pixels_than_allowed_is_not_decoded() {
    let mut bomb = fixture("rgb.png");
    // Width and height of the header chunk, and its checksum.
    bomb[16..24].copy_from_slice(&[0, 1, 0x86, 0xA0, 0, 1, 0x86, 0xA0]);
    let mut sum = flate_crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    refused(decode(), &[file(&bomb)], "100000 x 100000 pixels, more than the 134217728 allowed");
    refused(Decode { max_pixels: 100, ..decode() }, &[file(&fixture("turned.jpg"))], "more than the 100 allowed");
    bomb[16..24].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    sum = flate_crc(&bomb[12..29]);
    bomb[29..33].copy_from_slice(&sum.to_be_bytes());
    let plan = Operation::from(decode()).plan(&[file(&bomb)]).unwrap();
    assert!(plan.bytes >= 8192 * 8192 * 3, "{plan:?}");
}

/// CRC-32 of a PNG chunk.
fn flate_crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}
