//! Whole models on fresh random inputs, poisoned buffers, odd shapes and batches.

use std::time::{SystemTime, UNIX_EPOCH};

use scorehost_core::{Graph, Shape};
use scorehost_device::ModelSource;
use scorehost_plan::Style;

use crate::inputs::{distance, random};
use crate::{devices, load, oracle, path, perceptron};

/// The error that a whole model may have in fp32.
const BOUND: f64 = 1e-3;

fn shapes(all: &[Vec<u64>]) -> Vec<Shape> {
    all.iter().map(|shape| Shape::from_slice(shape)).collect()
}

/// Another one in each run, told where something fails.
fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into()
}

/// Runs a model for each list of input shapes in both styles of kernels.
fn check(name: &str, styles: &[Style], calls: &[Vec<Vec<u64>>]) {
    let (Some(gpus), Some(path)) = (devices(), path(name)) else { return };
    let reference = oracle(ModelSource::File(path.clone()));
    let wanted: Vec<usize> = (0..reference.signature().outputs.len()).collect();
    let seed = seed();
    for style in styles {
        let graph = load(gpus, &path, *style);
        for call in calls {
            let inputs = random(reference.signature(), &shapes(call), seed);
            let (expected, actual) = (reference.run(&inputs, &wanted).unwrap(), graph.run(&inputs, &wanted).unwrap());
            for (actual, expected) in actual.iter().zip(&expected) {
                let apart = distance(&actual.tensor, &expected.tensor);
                assert!(
                    apart <= BOUND,
                    "{name} {style:?} {call:?} seed {seed}: '{}' is {apart:.1e} apart",
                    actual.name
                );
            }
        }
    }
}

#[test]
fn a_perceptron_of_every_batch_is_that_of_the_reference_executor() {
    let Some(gpus) = devices() else { return };
    for style in [Style::Cores, Style::Groups] {
        let (graph, reference) = perceptron(gpus, style);
        for rows in 1..=64 {
            let inputs = random(reference.signature(), &shapes(&[vec![rows, 64]]), seed());
            let (expected, actual) = (reference.run(&inputs, &[0]).unwrap(), graph.run(&inputs, &[0]).unwrap());
            let apart = distance(&actual[0].tensor, &expected[0].tensor);
            assert!(apart <= BOUND, "{style:?} {rows} rows: {apart:.1e} apart");
        }
    }
}

#[test]
fn resnet50_is_that_of_the_reference_executor() {
    check("resnet50.onnx", &[Style::Cores], &[vec![vec![1, 3, 224, 224]], vec![vec![2, 3, 224, 224]]]);
}

#[test]
fn mobilenetv2_is_that_of_the_reference_executor() {
    check(
        "mobilenetv2.onnx",
        &[Style::Cores, Style::Groups],
        &[vec![vec![1, 3, 224, 224]], vec![vec![3, 3, 224, 224]]],
    );
}

#[test]
fn minilm_is_that_of_the_reference_executor() {
    let calls = [vec![vec![1, 21]; 3], vec![vec![5, 7]; 3], vec![vec![2, 128]; 3], vec![vec![64, 3]; 3]];
    check("minilm.onnx", &[Style::Cores, Style::Groups], &calls);
}

#[test]
fn recognition_is_that_of_the_reference_executor() {
    check("ppocr_rec.onnx", &[Style::Cores], &[vec![vec![1, 3, 48, 320]], vec![vec![2, 3, 48, 101]]]);
}

#[test]
fn detection_is_that_of_the_reference_executor() {
    check("ppocr_det.onnx", &[Style::Cores], &[vec![vec![1, 3, 96, 160]]]);
}
