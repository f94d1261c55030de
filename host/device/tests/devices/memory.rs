//! Borrowed inputs, results that outlive what made them, and the memory of many models.

use bytes::Bytes;
use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_device::ModelSource;

use crate::encode::{Message, float_value, model, node};
use crate::fixtures::onnxruntime;

/// Resident memory of this process.
pub(crate) fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn identity(columns: u64) -> Bytes {
    let graph = Message::default()
        .message(1, node("Identity", &["x"], "y"))
        .message(11, float_value("x", &[1, columns]))
        .message(12, float_value("y", &[1, columns]));
    model(graph).into()
}

/// A tensor whose bytes do not start on a multiple of the element size.
fn misaligned(columns: u64) -> Tensor {
    let content: Vec<u8> = (0..columns).flat_map(|index| (index as f32).to_le_bytes()).collect();
    // Of the same buffer shifted by one byte, at most one of two neighbours is aligned.
    let mut buffer = vec![0; content.len() + 2];
    let start = if buffer.as_ptr().align_offset(4) == 0 { 1 } else { 0 };
    buffer[start..start + content.len()].copy_from_slice(&content);
    let bytes = Bytes::from(buffer).slice(start..start + content.len());
    Tensor::new(DType::F32, [1, columns].as_slice(), bytes).unwrap()
}

#[test]
fn bytes_at_any_address_can_be_inputs() {
    let Some(devices) = onnxruntime() else { return };
    let graph = devices.load(ModelSource::Bytes(identity(5))).unwrap();
    let input = misaligned(5);
    assert_ne!(input.data().as_ptr() as usize % 4, 0);
    let result = graph.run(&[NamedTensor::new("x", input.clone())], &[0]).unwrap();
    assert_eq!(result[0].tensor.data(), input.data());
}

#[test]
fn results_outlive_the_graph_and_the_inputs() {
    let Some(devices) = onnxruntime() else { return };
    // One small result, which is copied, and one large, which stays in the runtime's memory; and a model that hands
    // its input through.
    let through =
        model(Message::default().message(11, float_value("x", &[1, 4])).message(12, float_value("x", &[1, 4])));
    for (bytes, columns) in [(identity(4), 4), (identity(100_000), 100_000), (Bytes::from(through), 4)] {
        let values: Vec<f32> = (0..columns).map(|index| index as f32).collect();
        let results = {
            let graph = devices.load(ModelSource::Bytes(bytes)).unwrap();
            let input = Tensor::from_f32([1, columns].as_slice(), &values).unwrap();
            graph.run(&[NamedTensor::new("x", input)], &[0]).unwrap()
        };
        let expect = Tensor::from_f32([1, columns].as_slice(), &values).unwrap();
        assert_eq!(results[0].tensor.data(), expect.data());
    }
}

#[test]
fn a_thousand_small_models_fit_in_250_mib() {
    let Some(devices) = onnxruntime() else { return };
    let bytes = identity(16);
    let input = [NamedTensor::new("x", Tensor::from_f32([1, 16].as_slice(), &[1.0; 16]).unwrap())];
    let graphs: Vec<_> = (0..1000).map(|_| devices.load(ModelSource::Bytes(bytes.clone())).unwrap()).collect();
    for graph in &graphs {
        graph.run(&input, &[0]).unwrap();
    }
    assert!(resident_bytes() < 250 << 20, "{} bytes", resident_bytes());
}
