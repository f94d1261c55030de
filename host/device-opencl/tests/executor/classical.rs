//! Classical models, as scikit-learn's exporter writes them, against the reference executor.

use scorehost_core::{Graph, Shape};
use scorehost_device::ModelSource;
use scorehost_plan::Style;

use crate::inputs::{distance, random};
use crate::{devices, load, oracle, path};

/// Labels are whole numbers: one that differs is far beyond this.
const BOUND: f64 = 1e-4;

fn check(name: &str, features: u64) {
    let (Some(gpus), Some(path)) = (devices(), path(name)) else { return };
    let reference = oracle(ModelSource::File(path.clone()));
    let wanted: Vec<usize> = (0..reference.signature().outputs.len()).collect();
    for style in [Style::Cores, Style::Groups] {
        let graph = load(gpus, &path, style);
        for rows in [1, 7, 64] {
            let inputs = random(reference.signature(), &[Shape::from_slice(&[rows, features])], rows);
            let (expected, actual) = (reference.run(&inputs, &wanted).unwrap(), graph.run(&inputs, &wanted).unwrap());
            for (actual, expected) in actual.iter().zip(&expected) {
                let apart = distance(&actual.tensor, &expected.tensor);
                assert!(apart <= BOUND, "{name} {style:?} {rows} rows: '{}' is {apart:.1e} apart", actual.name);
            }
        }
    }
}

#[test]
fn a_linear_classifier_with_scaled_features_is_that_of_the_reference_executor() {
    check("digits.onnx", 64);
}

#[test]
fn a_random_forest_is_that_of_the_reference_executor() {
    check("digits_forest.onnx", 64);
    check("forest.onnx", 20);
}

#[test]
fn a_perceptron_behind_a_scaler_is_that_of_the_reference_executor() {
    check("digits_mlp.onnx", 64);
}
