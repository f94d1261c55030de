//! Whole models whose F32 is stored in half: how far they are from the reference executor, and what they hold.

use scorehost_core::{Graph, Precision, Shape};
use scorehost_device::ModelSource;
use scorehost_plan::Style;

use crate::inputs::{distance, random};
use crate::{devices, model, options, oracle, path};

/// The error that a whole model may have in half precision.
const BOUND: f64 = 1e-2;
/// What weights and arena take of their size in F32 at most: some values are in full (scores of attention, integers).
const SHARE: f64 = 0.65;

fn check(name: &str, styles: &[Style], shapes: &[&[u64]]) {
    let (Some(gpus), Some(path)) = (devices(), path(name)) else { return };
    let reference = oracle(ModelSource::File(path.clone()));
    let wanted: Vec<usize> = (0..reference.signature().outputs.len()).collect();
    let shapes: Vec<Shape> = shapes.iter().map(|shape| Shape::from_slice(shape)).collect();
    for style in styles {
        let load = |precision| {
            let options = crate::LoadOptions { precision, batches: false, ..options(*style) };
            gpus.load(0, &model(&path), options).unwrap()
        };
        let (half, full) = (load(Precision::F16), load(Precision::F32));
        for seed in 1..3 {
            let inputs = random(reference.signature(), &shapes, seed);
            let expected = reference.run(&inputs, &wanted).unwrap();
            full.run(&inputs, &wanted).unwrap();
            for (actual, expected) in half.run(&inputs, &wanted).unwrap().iter().zip(&expected) {
                let apart = distance(&actual.tensor, &expected.tensor);
                assert!(apart <= BOUND, "{name} {style:?} seed {seed}: '{}' is {apart:.1e} apart", actual.name);
            }
        }
        let share = half.memory_bytes() as f64 / full.memory_bytes() as f64;
        assert!(share <= SHARE, "{name} {style:?}: {share:.2} of the memory in F32");
    }
}

#[test]
fn mobilenetv2_in_half_is_near_and_holds_half() {
    check("mobilenetv2.onnx", &[Style::Cores, Style::Groups], &[&[2, 3, 224, 224]]);
}

#[test]
fn resnet50_in_half_is_near_and_holds_half() {
    check("resnet50.onnx", &[Style::Cores], &[&[1, 3, 224, 224]]);
}

#[test]
fn minilm_in_half_is_near_and_holds_half() {
    check("minilm.onnx", &[Style::Cores, Style::Groups], &[&[2, 64], &[2, 64], &[2, 64]]);
}

#[test]
fn recognition_in_half_is_near_and_holds_half() {
    check("ppocr_rec.onnx", &[Style::Cores], &[&[1, 3, 48, 320]]);
}
