//! Models that people serve: their calls are merged, and rightly so.

use std::path::PathBuf;
use std::sync::Arc;

use scorehost_core::{DType, Graph, NamedTensor, Tensor, TensorSpec};
use scorehost_device::{Devices, ModelSource};

use super::{Outcome, check};
use crate::fixtures::{folder, reference, root};
use crate::random::Random;

/// Fixtures that are no models of tables: single operators, and every element type.
const OTHERS: [&str; 3] = ["ops_", "types_", "unsupported"];

fn load(devices: &Devices, path: PathBuf) -> Option<Arc<dyn Graph>> {
    if path.exists() {
        return Some(devices.load(ModelSource::File(path.clone())).unwrap_or_else(|error| panic!("{path:?}: {error}")));
    }
    assert_ne!(std::env::var("REQUIRE_MODELS").as_deref(), Ok("1"), "{} is missing", path.display());
    eprintln!("skipped: {} is missing; deploy/setup.sh writes it", path.display());
    None
}

fn is_batch(name: &str, graph: &dyn Graph, random: &mut Random, make: impl Fn(&mut Random) -> Vec<NamedTensor>) {
    assert_eq!(graph.batch(), Ok(()), "{name}");
    let outcome = check(graph, random, &[], |random| {
        let inputs = make(random);
        let rows = inputs[0].tensor.shape()[0];
        (inputs, rows)
    });
    assert!(matches!(outcome, Outcome::Same), "{name}: {outcome:?}");
}

#[test]
fn networks_are_batches() {
    let (devices, mut random) = (reference(), Random::new());
    for (file, input, shape) in [
        ("resnet50.onnx", "input", [3, 3, 40, 33]),
        ("mobilenetv2.onnx", "input", [4, 3, 33, 64]),
        ("ppocr_det.onnx", "x", [3, 3, 32, 64]),
        ("ppocr_rec.onnx", "x", [3, 3, 48, 72]),
    ] {
        let Some(graph) = load(&devices, root().join(".models").join(file)) else { return };
        is_batch(file, &*graph, &mut random, |random| vec![random.floats(input, &shape)]);
    }
}

#[test]
fn encoders_are_batches() {
    let (devices, mut random) = (reference(), Random::new());
    let Some(graph) = load(&devices, root().join(".models/minilm.onnx")) else { return };
    is_batch("minilm.onnx", &*graph, &mut random, |random| {
        let shape = [4, 1 + random.below(20) as u64];
        let mut counted = |at: u64| u64::from(at.is_multiple_of(shape[1])) | (random.next() & 1);
        let mask: Vec<u8> = (0..shape[0] * shape[1]).flat_map(|at| counted(at).to_le_bytes()).collect();
        let mask = Tensor::new(DType::I64, shape.as_slice(), mask.into()).unwrap();
        let (ids, kinds) = (random.integers("input_ids", &shape, 30_522), random.integers("token_type_ids", &shape, 2));
        vec![ids, NamedTensor::new("attention_mask", mask), kinds]
    });
}

/// Linear models, multilayer perceptrons and forests: the demo's own, and those that scikit-learn's converter writes.
#[test]
fn models_of_tables_are_batches() {
    let (devices, mut random) = (reference(), Random::new());
    let own = ["digits.onnx", "digits_forest.onnx", "digits_mlp.onnx", "forest.onnx"];
    let own = own.map(|name| root().join(".models").join(name));
    let fixtures = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let of_tables = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".onnx") && !OTHERS.iter().any(|start| name.starts_with(start))
    };
    let mut tried = 0;
    for path in own.into_iter().chain(fixtures.filter(of_tables)) {
        let Some(graph) = load(&devices, path.clone()) else { return };
        let spec: TensorSpec = graph.signature().inputs[0].clone();
        if spec.dtype != DType::F32 || spec.shape.len() != 2 || spec.shape[1] < 1 {
            continue;
        }
        tried += 1;
        let shape = [9, spec.shape[1] as u64];
        is_batch(&path.display().to_string(), &*graph, &mut random, |random| vec![random.floats(&spec.name, &shape)]);
    }
    assert!(tried >= 20, "{tried} models");
}
