//! Libraries that are not there, or not ONNX Runtime.

use scorehost_device::{DeviceConfig, Devices, ModelSource};

use crate::fixtures::model;

fn with_library(path: &str) -> Devices {
    Devices::discover(DeviceConfig { onnxruntime: Some(path.into()), ..DeviceConfig::default() })
}

#[test]
fn without_a_library_the_report_says_where_it_should_be_and_models_run_on_the_reference_executor() {
    let devices = with_library("/nowhere/libonnxruntime.so");
    let reports = devices.reports();
    assert!(!reports[0].available);
    assert!(reports[0].detail.contains("/nowhere/libonnxruntime.so"), "{}", reports[0].detail);
    assert!(reports[1].available && reports[1].detail.contains("in use"));
    let graph = devices.load(ModelSource::Bytes(model("logistic_two"))).unwrap();
    assert_eq!(graph.platform(), "scorehost_reference");
}

#[test]
fn a_file_that_is_no_library_is_reported_and_not_loaded() {
    let text = crate::fixtures::folder().join("README.md");
    let devices = with_library(text.to_str().unwrap());
    assert!(!devices.reports()[0].available);
}

#[test]
fn a_library_that_is_not_onnxruntime_is_reported_and_not_loaded() {
    let other = ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
    let Some(other) = other.into_iter().find(|path| std::path::Path::new(path).exists()) else {
        eprintln!("skipped: no C library in the usual places");
        return;
    };
    let reports = with_library(other).reports();
    assert!(!reports[0].available);
    assert!(reports[0].detail.contains("OrtGetApiBase"), "{}", reports[0].detail);
}
