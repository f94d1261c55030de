//! Models on an OpenCL device against the built-in reference executor.
//!
//! They run where OpenCL has a device (PoCL makes one of any processor) and skip with a printed reason elsewhere; `REQUIRE_OPENCL=1`
//! makes a missing device a failure.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests, which say why they skip")]

mod classical;
mod concurrent;
mod encode;
mod half;
mod limits;
mod models;
mod operations;
mod operators;
mod residency;

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use scorehost_conformance::inputs;
use scorehost_core::{Graph, Precision};
use scorehost_device::{DeviceConfig, Devices, ModelSource, folding};
use scorehost_device_opencl::{LoadOptions, OpenCl, OpenClConfig, OpenClGpus, OpenClGraph};
use scorehost_graph::Model;
use scorehost_plan::Style;

/// The processor as a GPU; `None` with a printed reason where there is none.
fn devices() -> Option<&'static OpenClGpus> {
    static DEVICES: OnceLock<Option<OpenClGpus>> = OnceLock::new();
    DEVICES.get_or_init(|| open(None, true)).as_ref()
}

/// `cache`: whether programs are kept on disk. Making their binaries compiles everything once more.
fn open(memory_limit: Option<u64>, cache: bool) -> Option<OpenClGpus> {
    let config = OpenClConfig {
        memory_limit,
        program_cache: cache.then(|| std::env::temp_dir().join("scorehost-opencl-tests")),
        cpu_devices: true,
        ..OpenClConfig::default()
    };
    match OpenCl::discover(&config).map(|opencl| opencl.gpus()) {
        Ok(Some(gpus)) => Some(gpus),
        other => {
            let reason = other.err().map_or_else(|| "there is no device".to_owned(), |reason| reason.to_string());
            assert_ne!(std::env::var("REQUIRE_OPENCL").as_deref(), Ok("1"), "{reason}");
            eprintln!("skipped: {reason}");
            None
        }
    }
}

fn options(style: Style) -> LoadOptions {
    let precision = Precision::F32;
    LoadOptions { precision, fold: folding(), contexts: 2, poison: true, batches: true, style: Some(style) }
}

fn path(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.models").join(name);
    if path.exists() {
        return Some(path);
    }
    assert_ne!(std::env::var("REQUIRE_MODELS").as_deref(), Ok("1"), "{} is missing", path.display());
    eprintln!("skipped: {} is missing; run deploy/setup.sh", path.display());
    None
}

fn model(path: &Path) -> Model {
    Model::read(std::fs::read(path).unwrap().into(), path.parent()).unwrap()
}

fn load(gpus: &OpenClGpus, path: &Path, style: Style) -> Arc<OpenClGraph> {
    gpus.load(0, &model(path), options(style)).unwrap()
}

/// The reference executor, which needs no library.
fn oracle(source: ModelSource) -> Arc<dyn Graph> {
    let absent = DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() };
    Devices::discover(absent).load(source).unwrap()
}

/// A perceptron on a device, and on the reference executor.
fn perceptron(gpus: &OpenClGpus, style: Style) -> (Arc<OpenClGraph>, Arc<dyn Graph>) {
    let bytes = bytes::Bytes::from(encode::perceptron());
    let model = Model::read(bytes.clone(), None).unwrap();
    (gpus.load(0, &model, options(style)).unwrap(), oracle(ModelSource::Bytes(bytes)))
}
