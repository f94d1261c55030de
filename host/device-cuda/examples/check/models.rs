//! Whole models against a CPU device.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::{Graph, Precision};
use scorehost_device::{DeviceConfig, Devices, ModelSource, SmallModels};
use scorehost_device_cuda::Cuda;

use crate::floor::{Floor, Format, Rounded};
use crate::inputs::{Random, distance, random, shapes};
use crate::{PRECISIONS, load, open};

/// Times the error of rounding alone that bf16 may have, where that is more than the bound: docs/adr has why.
const FLOORS: f32 = 1.5;

/// ONNX Runtime where its library is found, else the reference executor.
pub(crate) fn oracle(path: &str) -> Arc<dyn Graph> {
    let devices = Devices::discover(DeviceConfig { small_models: SmallModels::OnnxRuntime, ..DeviceConfig::default() });
    devices.load(ModelSource::File(PathBuf::from(path))).unwrap()
}

pub(crate) fn every(graph: &dyn Graph) -> Vec<usize> {
    (0..graph.signature().outputs.len()).collect()
}

pub(crate) fn batches() -> Vec<u64> {
    let given = std::env::var("BATCHES").unwrap_or_else(|_| "1,3,8,32".to_owned());
    given.split(',').map(|batch| batch.parse().unwrap()).collect()
}

/// Compares all precisions and batches; returns the failures.
pub(crate) fn compare(cuda: &Cuda, path: &str, dims: &[&str]) -> usize {
    let reference = oracle(path);
    let wanted = every(&*reference);
    let cases: Vec<_> = batches()
        .into_iter()
        .map(|batch| {
            let inputs = random(reference.signature(), &shapes(dims, batch), 7 + batch);
            let expected = reference.run(&inputs, &wanted).unwrap();
            (batch, inputs, expected)
        })
        .collect();
    let mut failures = 0;
    // What the format allows on these inputs, with room for sums in another order.
    let (_, inputs, expected) = &cases[0];
    let bf16 = Floor::new(path).and_then(|floor| floor.error(Rounded::Stored, Format::Bf16, inputs, expected));
    for (precision, name, bound) in PRECISIONS {
        let bound = match (&bf16, precision) {
            (Ok(floor), Precision::BF16) => bound.max(FLOORS * *floor as f32),
            _ => bound,
        };
        let graph = match load(cuda, path, precision, true) {
            Ok(graph) => graph,
            Err(reason) => {
                println!("FAIL {path} {name}: {reason}");
                failures += 1;
                continue;
            }
        };
        for (batch, inputs, expected) in &cases {
            let worst = graph.run(inputs, &wanted).map(|actual| {
                let pairs = actual.iter().zip(expected);
                pairs.map(|(a, b)| distance(&a.tensor, &b.tensor)).fold(0.0, f64::max)
            });
            let (verdict, text) = match worst {
                Ok(worst) => (worst <= f64::from(bound), format!("relative error {worst:.2e} (allowed {bound:.1e})")),
                Err(reason) => (false, format!("{reason} {}", reason.detail.as_deref().unwrap_or_default())),
            };
            println!("{} {path} {name} batch {batch}: {text}", if verdict { "ok  " } else { "FAIL" });
            failures += usize::from(!verdict);
        }
    }
    failures
}

/// 64 calls of mixed batches from 16 threads; each must get the answer to its own inputs.
pub(crate) fn concurrent(cuda: &Cuda, path: &str, dims: &[&str]) -> usize {
    let graph = load(cuda, path, PRECISIONS[0].0, false).unwrap();
    let wanted = every(&*graph);
    let calls: Vec<_> = (0..64u64)
        .map(|call| {
            let inputs = random(graph.signature(), &shapes(dims, 1 + Random::new(call).next() % 4), 100 + call);
            let expected = graph.run(&inputs, &wanted).unwrap();
            (inputs, expected)
        })
        .collect();
    let (next, failures) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some((inputs, expected)) = calls.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = graph.run(inputs, &wanted);
                    let same = answer.is_ok_and(|answer| {
                        answer.iter().zip(expected).all(|(a, b)| distance(&a.tensor, &b.tensor) < 1e-5)
                    });
                    failures.fetch_add(usize::from(!same), Ordering::Relaxed);
                }
            });
        }
    });
    let failures = failures.into_inner();
    println!("{} {path} 64 mixed calls from 16 threads: {failures} wrong", if failures == 0 { "ok  " } else { "FAIL" });
    failures
}

/// With memory for the weights and little more, a large batch fails on its own and a small one still runs.
pub(crate) fn memory(path: &str, dims: &[&str]) -> usize {
    let file = std::fs::metadata(path).unwrap().len();
    let cuda = open(Some(file + (96 << 20)));
    let graph = load(&cuda, path, PRECISIONS[0].0, false).unwrap();
    let wanted = every(&*graph);
    let small = random(graph.signature(), &shapes(dims, 1), 1);
    let large = random(graph.signature(), &shapes(dims, 64), 2);
    let before = graph.run(&small, &wanted).is_ok();
    let refused = graph.run(&large, &wanted);
    let after = graph.run(&small, &wanted).is_ok();
    let kind = refused.as_ref().err().map(|failure| format!("{:?}: {failure}", failure.kind));
    let fine = before && after && refused.is_err();
    println!(
        "{} {path} with a small budget: batch 1 {before}, batch 64 {kind:?}, batch 1 again {after}",
        if fine { "ok  " } else { "FAIL" }
    );
    usize::from(!fine)
}
