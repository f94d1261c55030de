//! Runs models on every precision of a GPU beside a CPU device, and prints what differs and what it costs.
//!
//! `check conformance FOLDER` runs the ONNX node cases whose operators this device claims; `check models MODEL DIMS…` compares
//! whole models on fresh random inputs; `check concurrent MODEL DIMS…` calls from many threads; `check memory MODEL DIMS…` runs
//! out of memory on purpose; `check residency MODEL DIMS…` leaves values on the device between two models; `check bench MODEL DIMS…`
//! measures; `check floor MODEL DIMS…` rounds to narrow formats without any GPU. DIMS is one shape an input, such as `N,3,224,224`, with `N` the
//! batch. `benches/gpu.sh` calls all of them.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

mod bench;
mod conformance;
mod floor;
mod models;
mod residency;

use std::path::PathBuf;
use std::sync::Arc;

use scorehost_conformance::inputs;
use scorehost_core::Precision;
use scorehost_device_cuda::{Cuda, CudaConfig, CudaGraph, LoadOptions};
use scorehost_graph::Model;

/// Precisions with their names, and the error that each may have.
const PRECISIONS: [(Precision, &str, f32); 4] = [
    (Precision::F32, "fp32", 1e-3),
    (Precision::Tf32, "tf32", 1e-2),
    (Precision::F16, "fp16", 1e-2),
    (Precision::BF16, "bf16", 1e-2),
];

fn open(limit: Option<u64>) -> Cuda {
    let config = CudaConfig { memory_limit: limit, kernel_cache: Some(std::env::temp_dir().join("scorehost-kernels")) };
    match Cuda::discover(&config) {
        Ok(cuda) => cuda,
        Err(reason) => {
            println!("no CUDA device: {reason}");
            std::process::exit(if std::env::var_os("REQUIRE_CUDA").is_some() { 1 } else { 0 });
        }
    }
}

fn load(cuda: &Cuda, path: &str, precision: Precision, poison: bool) -> Result<Arc<CudaGraph>, String> {
    let path = PathBuf::from(path);
    let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let model = Model::read(bytes.into(), path.parent()).map_err(|error| error.to_string())?;
    cuda.load(0, &model, options(precision, poison)).map_err(|error| error.to_string())
}

fn options(precision: Precision, poison: bool) -> LoadOptions {
    LoadOptions { precision, fold: scorehost_device::folding(), contexts: 2, poison, batches: true }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let failures = match words[..] {
        ["devices"] => {
            open(None).states().iter().for_each(|state| println!("{}", state.report));
            0
        }
        ["conformance", folder] => conformance::run(&open(None), folder),
        ["models", model, ref dims @ ..] => models::compare(&open(None), model, dims),
        ["concurrent", model, ref dims @ ..] => models::concurrent(&open(None), model, dims),
        ["memory", model, ref dims @ ..] => models::memory(model, dims),
        ["residency", model, ref dims @ ..] => residency::run(model, dims),
        ["floor", model, ref dims @ ..] => floor::run(model, dims),
        ["bench", model, ref dims @ ..] => bench::run(&open(None), model, dims),
        _ => {
            println!(
                "usage: check devices | conformance FOLDER | models|concurrent|memory|residency|floor|bench MODEL DIMS…"
            );
            1
        }
    };
    std::process::exit(i32::from(failures > 0));
}
