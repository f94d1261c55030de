//! The operator cases of the ONNX project on the CPU devices. `UPDATE=1` adds new passes to the lists beside this file and
//! writes the page of operators; `SHOW=1` prints why each other case fails.

use std::path::{Path, PathBuf};

use scorehost_conformance::{Expected, Suite};
use scorehost_device::{DeviceConfig, Devices, ModelSource, SmallModels};

fn list(device: &str) -> Expected {
    Expected::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(format!("{device}.txt")))
}

fn check(device: &str, devices: &Devices, percent: f64) {
    let Some(suite) = Suite::find() else { return };
    let outcomes = suite.run(|model| devices.load(ModelSource::Bytes(model)));
    list(device).check(&suite, device, &outcomes, percent);
}

#[test]
fn onnxruntime_passes_its_list() {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let devices = Devices::discover(DeviceConfig {
        library_dirs: vec![root.join(".models/lib")],
        threads: 1,
        small_models: SmallModels::OnnxRuntime,
        ..DeviceConfig::default()
    });
    let report = devices.reports().into_iter().find(|report| report.name == "onnxruntime");
    if report.is_some_and(|report| report.available) {
        check("onnxruntime", &devices, 97.0);
    } else {
        assert_ne!(std::env::var("REQUIRE_ONNXRUNTIME").as_deref(), Ok("1"), "no ONNX Runtime library");
    }
}

#[test]
fn the_reference_executor_passes_its_list() {
    let absent = DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() };
    check("reference", &Devices::discover(absent), 85.0);
}

#[test]
fn the_page_of_operators_follows_the_lists() {
    if let Some(suite) = Suite::find() {
        scorehost_conformance::check_page(&suite);
    }
}
