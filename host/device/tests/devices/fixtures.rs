//! Devices and models that tests use.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use half::f16;
use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_device::{DeviceConfig, Devices, SmallModels};
use serde_json::{Map, Value};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// ONNX Runtime for every model, or `None` with a printed reason.
pub(crate) fn onnxruntime() -> Option<Devices> {
    with_library(SmallModels::OnnxRuntime)
}

/// ONNX Runtime with small models on the built-in executor, as a host has it, or `None` with a printed reason.
pub(crate) fn both() -> Option<Devices> {
    with_library(SmallModels::BuiltIn)
}

fn with_library(small_models: SmallModels) -> Option<Devices> {
    let devices = Devices::discover(DeviceConfig {
        library_dirs: vec![root().join(".models/lib")],
        threads: 2,
        small_models,
        ..DeviceConfig::default()
    });
    let report = devices.reports().into_iter().find(|report| report.name == "onnxruntime").unwrap();
    if report.available {
        return Some(devices);
    }
    assert_ne!(std::env::var("REQUIRE_ONNXRUNTIME").as_deref(), Ok("1"), "{}", report.detail);
    eprintln!("skipped: {}", report.detail);
    None
}

/// The reference executor, chosen by asking for a library that is not there.
pub(crate) fn reference() -> Devices {
    Devices::discover(DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() })
}

/// The reference executor without folding and fusion.
pub(crate) fn as_written() -> Devices {
    let onnxruntime = Some("/nowhere/library.so".into());
    Devices::discover(DeviceConfig { onnxruntime, as_written: true, ..DeviceConfig::default() })
}

pub(crate) fn folder() -> PathBuf {
    root().join("tests/fixtures/models")
}

pub(crate) fn model(name: &str) -> Bytes {
    std::fs::read(folder().join(format!("{name}.onnx"))).unwrap().into()
}

/// Expected inputs and outputs by model.
pub(crate) fn expected() -> Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

pub(crate) fn tensors(values: &Value) -> Vec<NamedTensor> {
    values.as_object().unwrap().iter().map(|(name, value)| NamedTensor::new(name.as_str(), tensor(value))).collect()
}

fn tensor(value: &Value) -> Tensor {
    let dtype = DType::from_name(value["datatype"].as_str().unwrap()).unwrap();
    let shape: Vec<u64> = value["shape"].as_array().unwrap().iter().map(|dim| dim.as_u64().unwrap()).collect();
    let data = value["data"].as_array().unwrap();
    if dtype == DType::Bytes {
        return Tensor::from_byte_strings(shape, data.iter().map(|text| text.as_str().unwrap())).unwrap();
    }
    let bytes: Vec<u8> = data.iter().flat_map(|number| element(dtype, number)).collect();
    Tensor::new(dtype, shape, bytes.into()).unwrap()
}

fn element(dtype: DType, number: &Value) -> Vec<u8> {
    let float = || number.as_str().unwrap().parse::<f64>().unwrap();
    match dtype {
        DType::F16 => f16::from_f64(float()).to_le_bytes().to_vec(),
        DType::F32 => (float() as f32).to_le_bytes().to_vec(),
        DType::F64 => float().to_le_bytes().to_vec(),
        DType::Bool => vec![u8::from(number.as_bool().unwrap())],
        integer => {
            let bytes = number.as_i64().map(i64::to_le_bytes).or(number.as_u64().map(u64::to_le_bytes)).unwrap();
            bytes[..integer.size().unwrap()].to_vec()
        }
    }
}

/// Numbers of a float tensor.
pub(crate) fn floats(tensor: &Tensor) -> Option<Vec<f64>> {
    let data = tensor.data();
    Some(match tensor.dtype() {
        DType::F16 => data.chunks(2).map(|bytes| f16::from_le_bytes(bytes.try_into().unwrap()).to_f64()).collect(),
        DType::F32 => data.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into()).collect(),
        DType::F64 => data.chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect(),
        _ => return None,
    })
}
