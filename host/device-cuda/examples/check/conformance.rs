//! The ONNX project's node cases on the GPU.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use prost::Message;
use scorehost_core::{DType, Graph, NamedTensor, Precision, Tensor};
use scorehost_device_cuda::{Cuda, CudaError};
use scorehost_graph::Model;

use crate::inputs::numbers;
use crate::options;

/// The parts of ONNX's `TensorProto` that the cases use.
#[derive(Clone, PartialEq, Message)]
struct TensorProto {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    floats: Vec<f32>,
    #[prost(int32, repeated, tag = "5")]
    int32s: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    int64s: Vec<i64>,
    #[prost(bytes = "vec", optional, tag = "9")]
    raw: Option<Vec<u8>>,
    #[prost(double, repeated, tag = "10")]
    doubles: Vec<f64>,
    #[prost(uint64, repeated, tag = "11")]
    uint64s: Vec<u64>,
}

fn tensor(path: &Path) -> Option<Tensor> {
    let proto = TensorProto::decode(&*fs::read(path).ok()?).ok()?;
    let dtype = match proto.data_type {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    };
    let narrow = |size: usize| {
        proto.int32s.iter().flat_map(move |value| value.to_le_bytes().into_iter().take(size)).collect::<Vec<u8>>()
    };
    let data = match (&proto.raw, dtype) {
        (Some(raw), _) => raw.clone(),
        (None, DType::F32) => proto.floats.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (None, DType::F64) => proto.doubles.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (None, DType::I64) => proto.int64s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (None, DType::U64) => proto.uint64s.iter().flat_map(|value| value.to_le_bytes()).collect(),
        (None, DType::U32) => proto.uint64s.iter().flat_map(|value| (*value as u32).to_le_bytes()).collect(),
        (None, dtype) => narrow(dtype.size()?),
    };
    let shape: Vec<u64> = proto.dims.iter().map(|dim| *dim as u64).collect();
    Tensor::new(dtype, &*shape, data.into()).ok()
}

/// Tensors `input_0.pb`, `input_1.pb`, …; `None` where one is no tensor.
fn tensors(folder: &Path, kind: &str) -> Option<Vec<Tensor>> {
    (0..)
        .map(|index| folder.join(format!("{kind}_{index}.pb")))
        .take_while(|path| path.exists())
        .map(|path| tensor(&path))
        .collect()
}

enum Outcome {
    Passed,
    PassedWithConstants,
    Unclaimed,
    Refused(String),
    Wrong(String),
}

/// Runs a case as it is, and where that is refused with the later inputs as constants: the cases give axes, shapes and weights
/// at run time, models do not.
fn case(cuda: &Cuda, folder: &Path) -> Option<Outcome> {
    let bytes = fs::read(folder.join("model.onnx")).ok()?;
    let data = folder.join("test_data_set_0");
    let (inputs, expected) = (tensors(&data, "input")?, tensors(&data, "output")?);
    let names: Vec<_> =
        Model::read(bytes.clone().into(), None).ok()?.signature().inputs.iter().map(|spec| spec.name.clone()).collect();
    if names.len() != inputs.len() {
        return Some(Outcome::Unclaimed);
    }
    let named: Vec<_> = names.into_iter().zip(inputs).map(|(name, tensor)| NamedTensor::new(name, tensor)).collect();
    match attempt(cuda, &bytes, &named, &expected)? {
        Outcome::Refused(why) => {
            let mut with_constants = bytes.clone();
            for (index, input) in named.iter().enumerate().skip(1) {
                let constant = fs::read(data.join(format!("input_{index}.pb"))).ok()?;
                let named = [&constant[..], &field(8, input.name.as_bytes())].concat();
                with_constants.extend(field(7, &field(5, &named)));
            }
            match attempt(cuda, &with_constants, named.get(..1)?, &expected) {
                Some(Outcome::Passed) => return Some(Outcome::PassedWithConstants),
                Some(Outcome::Wrong(why)) => return Some(Outcome::Wrong(why)),
                _ => {}
            }
            Some(Outcome::Refused(why))
        }
        other => Some(other),
    }
}

/// A length-delimited field of a protocol buffer. Fields that come again are merged, so that appending adds to a message.
pub(crate) fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encoding::encode_varint(content.len() as u64, &mut bytes);
    bytes.extend_from_slice(content);
    bytes
}

fn attempt(cuda: &Cuda, bytes: &[u8], inputs: &[NamedTensor], expected: &[Tensor]) -> Option<Outcome> {
    let model = Model::read(bytes.to_vec().into(), None).ok()?;
    let graph = match cuda.load(0, &model, options(Precision::F32, true)) {
        Ok(graph) => graph,
        Err(CudaError::Operators(_)) => return Some(Outcome::Unclaimed),
        Err(other) => return Some(Outcome::Refused(other.to_string())),
    };
    let wanted: Vec<usize> = (0..expected.len()).collect();
    Some(match graph.run(inputs, &wanted) {
        Err(failure) => Outcome::Refused(format!("{failure} {}", failure.detail.as_deref().unwrap_or_default())),
        Ok(actual) => {
            let wrong = actual.iter().zip(expected).find_map(|(a, b)| differs(&a.tensor, b));
            wrong.map_or(Outcome::Passed, Outcome::Wrong)
        }
    })
}

/// What is wrong with a result, by the bounds of the ONNX project's own runner; half precision has its own.
fn differs(actual: &Tensor, expected: &Tensor) -> Option<String> {
    if actual.shape() != expected.shape() || actual.dtype() != expected.dtype() {
        let (a, b) = ((actual.dtype(), actual.shape()), (expected.dtype(), expected.shape()));
        return Some(format!("{a:?} instead of {b:?}"));
    }
    let (relative, absolute) = match actual.dtype() {
        DType::F16 | DType::BF16 => (1e-2, 1e-2),
        _ => (1e-3, 1e-5),
    };
    let close = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= absolute + relative * b.abs();
    let (a, b) = (numbers(actual), numbers(expected));
    let at = (0..a.len()).find(|at| !close(a[*at], b[*at]))?;
    Some(format!("element {at} of {:?} is {} instead of {}", actual.shape(), a[at], b[at]))
}

/// Runs all cases below a folder, several at a time; returns the wrong ones.
pub(crate) fn run(cuda: &Cuda, folder: &str) -> usize {
    let entries = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(BTreeMap::<&str, usize>::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(folder) = folders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    *counts.lock().unwrap().entry(told(cuda, folder)).or_default() += 1;
                }
            });
        }
    });
    let counts = counts.into_inner().unwrap();
    println!("conformance: {counts:?}");
    counts.get("wrong").copied().unwrap_or(0)
}

/// Runs a case and prints what went wrong.
fn told(cuda: &Cuda, folder: &Path) -> &'static str {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    match case(cuda, folder) {
        None => "not tensors",
        Some(Outcome::Passed) => "passed",
        Some(Outcome::PassedWithConstants) => "passed with constant parameters",
        Some(Outcome::Unclaimed) => "unclaimed",
        Some(Outcome::Refused(why)) => {
            println!("REFUSED {name}: {}", why.replace('\n', " ").chars().take(300).collect::<String>());
            "refused"
        }
        Some(Outcome::Wrong(why)) => {
            println!("WRONG {name}: {why}");
            "wrong"
        }
    }
}
