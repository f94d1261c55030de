//! `Resize`: all ways to count places, to interpolate, to round and to keep the aspect ratio.

use scorehost_core::{DType, Tensor};

use super::{Single, compare};
use crate::encode::Value;
use crate::random::Random;

/// Aligned corners and regions of a size that a scale does not make whole are left to the ONNX project's own cases: ONNX Runtime
/// counts them in the rounded size, which the specification does not. Left out, too, is what is nearest to places that are whole but for
/// the last bit of their offset.
fn model(random: &mut Random) -> Single {
    let [height, width] = [0; 2].map(|_| 1 + random.below(8) as u64);
    let x = random.floats("x", &[1, 2, height, width]).tensor;
    let mode = *random.choose(&["nearest", "linear", "cubic"]);
    let places = *random.choose(&[
        "half_pixel",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "half_pixel_symmetric",
        "tf_crop_and_resize",
    ]);
    let mut attributes = vec![("mode", Value::Text(mode)), ("coordinate_transformation_mode", places.into())];
    if mode == "nearest" {
        let roundings = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"];
        attributes.push(("nearest_mode", (*random.choose(&roundings)).into()));
    } else if random.once_in(3) && places != "tf_crop_and_resize" {
        attributes.push(("antialias", 1.into()));
    }
    if mode == "cubic" && random.once_in(2) {
        attributes.push(("exclude_outside", 1.into()));
    }
    if mode == "cubic" && random.once_in(3) {
        attributes.push(("cubic_coeff_a", Value::Float(-0.5)));
    }
    let region = (places == "tf_crop_and_resize").then(|| {
        let mut corner = |low: bool| random.below(5) as f32 / 10.0 + if low { 0.0 } else { 0.7 };
        let starts = [0.0, 0.0, corner(true), corner(true)];
        let ends = [1.0, 1.0, corner(false), corner(false)];
        attributes.push(("extrapolation_value", Value::Float(7.0)));
        Tensor::from_f32([8].as_slice(), &[starts, ends].concat()).unwrap()
    });
    let mut inputs = vec![Some(x), region];
    let by_scale = !matches!(places, "align_corners" | "tf_crop_and_resize") && random.once_in(2);
    let by_scale = by_scale && (mode != "nearest" || places != "half_pixel_symmetric");
    if by_scale {
        let mut scale = || *random.choose(&[0.4f32, 0.5, 0.6, 0.8, 1.0, 1.5, 2.0, 2.3, 3.0]);
        let scales = [1.0, 1.0, scale(), scale()];
        inputs.push(Some(Tensor::from_f32([4].as_slice(), &scales).unwrap()));
    } else {
        let sizes = [1, 2, 1 + random.below(9) as i64, 1 + random.below(9) as i64];
        let data: Vec<u8> = sizes.iter().flat_map(|size| size.to_le_bytes()).collect();
        inputs.extend([None, Some(Tensor::new(DType::I64, [4].as_slice(), data.into()).unwrap())]);
    }
    Single { opset: 19, domain: "", operator: "Resize", outputs: vec![1], attributes, inputs }
}

#[test]
fn pictures_are_resized_like_onnxruntime_does() {
    let mut random = Random::new();
    compare(1500, 1e-4, || model(&mut random));
}
