//! Every kernel through NVIDIA's compiler, which needs no driver.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests, which say why they skip")]

mod narrow;
mod plans;
mod shared;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use scorehost_core::{Precision, Shape};
use scorehost_graph::{Model, NoFold};
use scorehost_plan::constants::Constants;
use scorehost_plan::kernels::{File, fixed, generated};
use scorehost_plan::launch::{Kernel, Work};
use scorehost_plan::{Dialect, Plan, Planner, Target};

use crate::CudaError;
use crate::driver::{compile, compiler_is_present};

fn dialect(capability: u32) -> Dialect {
    Dialect::Cuda { capability, multiprocessors: 132 }
}

/// Every file under the definitions that plans use, for an architecture.
fn everything(architecture: u32) -> BTreeSet<Kernel> {
    let mut all = BTreeSet::new();
    let floats = ["f16", "bf16", "f32"];
    for name in floats.into_iter().chain(["f64", "u8", "i64"]) {
        all.insert(fixed(dialect(architecture), File::Conv, "conv_direct", &[("T", name), ("ACT", "0"), ("VEC", "2")]));
        all.insert(fixed(dialect(architecture), File::Gather, "gather", &[("T", name), ("I", "i32")]));
        all.insert(fixed(dialect(architecture), File::Rows, "softmax", &[("T", name)]));
        all.insert(fixed(dialect(architecture), File::Reduce, "reduce_warp", &[("T", name), ("OP", "9")]));
    }
    for act in ["2", "8", "10"] {
        all.insert(fixed(
            dialect(architecture),
            File::Conv,
            "conv_direct",
            &[("T", "f16"), ("ACT", act), ("VEC", "8")],
        ));
    }
    all.insert(fixed(dialect(architecture), File::Gather, "gather", &[("T", "truth"), ("I", "i64")]));
    for name in floats {
        all.insert(fixed(
            dialect(architecture),
            File::Attention,
            "attention",
            &[("T", name), ("HEAD", "32"), ("TENSOR", "0")],
        ));
        if architecture < 80 {
            continue;
        }
        for (m, n, wm, wn, stages) in
            [("128", "128", "2", "4", "3"), ("128", "64", "4", "2", "3"), ("64", "64", "2", "4", "4")]
        {
            let tile = [("BM", m), ("BN", n), ("WARPS_M", wm), ("WARPS_N", wn), ("STAGES", stages)];
            all.insert(fixed(
                dialect(architecture),
                File::Igemm,
                "igemm",
                &[&[("T", name), ("ACT", "1")], &tile[..]].concat(),
            ));
        }
        if name != "f32" {
            for head in ["16", "64", "128"] {
                all.insert(fixed(
                    dialect(architecture),
                    File::Attention,
                    "attention",
                    &[("T", name), ("HEAD", head), ("TENSOR", "1")],
                ));
            }
        }
    }
    all
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.models").join(name)
}

fn model(name: &str) -> Option<Model> {
    let path = path(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(Model::read(bytes.into(), None).unwrap()),
        Err(_) if std::env::var_os("REQUIRE_MODELS").is_some() => panic!("{} is missing", path.display()),
        Err(_) => {
            eprintln!("skipped: {} is missing", path.display());
            None
        }
    }
}

fn planned(model: &Model, shapes: &[&[u64]], capability: u32, precision: Precision) -> Plan {
    let shapes: Vec<Shape> = shapes.iter().map(|shape| Shape::from_slice(shape)).collect();
    let options = scorehost_graph::Options { fold: &NoFold, supports: &scorehost_plan::supports };
    let graph = model.graph().unwrap().optimised(&options).unwrap();
    let target = Target { dialect: dialect(capability), precision };
    Planner::plan(&graph, &shapes, &NoFold, target, &mut Constants::default()).unwrap()
}

/// A model's file, and its inputs' shapes for one batch.
type Network = (&'static str, fn(u64) -> Vec<Vec<u64>>);

const MODELS: [Network; 4] = [
    ("resnet50.onnx", |n| vec![vec![n, 3, 224, 224]]),
    ("mobilenetv2.onnx", |n| vec![vec![n, 3, 224, 224]]),
    ("minilm.onnx", |n| vec![vec![n, 21]; 3]),
    ("ppocr_rec.onnx", |n| vec![vec![n, 3, 48, 320]]),
];

/// Every kernel of the plans above, for each family of GPUs, through NVIDIA's compiler, which needs no driver.
#[test]
fn every_kernel_compiles_for_every_architecture() {
    if !compiler_is_present() {
        assert!(std::env::var_os("REQUIRE_NVRTC").is_none(), "libnvrtc is not found in LD_LIBRARY_PATH");
        eprintln!("skipped: libnvrtc is not found; deploy/setup.sh says how to get it");
        return;
    }
    let mut jobs: Vec<(u32, Kernel)> = Vec::new();
    for architecture in [75, 80, 90] {
        let mut kernels: BTreeSet<Kernel> = everything(architecture);
        for (name, inputs) in MODELS.into_iter().filter(|_| architecture == 90) {
            let Some(model) = model(name) else { continue };
            let shapes = inputs(2);
            let shapes: Vec<&[u64]> = shapes.iter().map(Vec::as_slice).collect();
            let plan = planned(&model, &shapes, architecture, Precision::F16);
            kernels.extend(plan.launches.into_iter().filter_map(|launch| match launch.work {
                Work::Kernel { kernel, .. } => Some(kernel),
                _ => None,
            }));
        }
        // One entry stands for all of its source.
        let mut seen = BTreeSet::new();
        jobs.extend(
            kernels
                .into_iter()
                .filter(|kernel| seen.insert(Arc::clone(&kernel.source)))
                .map(|kernel| (architecture, kernel)),
        );
    }
    let share = jobs.len().div_ceil(std::thread::available_parallelism().map_or(1, usize::from));
    std::thread::scope(|scope| {
        for part in jobs.chunks(share) {
            scope
                .spawn(|| part.iter().for_each(|(architecture, kernel)| drop(compile(kernel, *architecture).unwrap())));
        }
    });
}

#[test]
fn a_kernel_that_does_not_compile_is_an_error_with_the_compilers_words() {
    if !compiler_is_present() {
        return;
    }
    let error = compile(&generated(dialect(80), "broken", "this is no CUDA"), 80).unwrap_err();
    assert!(matches!(&error, CudaError::Compile { log, .. } if log.contains("error")), "{error}");
}
