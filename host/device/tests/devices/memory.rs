//! Borrowed inputs, results that outlive what made them, and the memory of many models.

use bytes::Bytes;
use scorehost_core::{DType, Deadline, ErrorKind, NamedTensor, Tensor};
use scorehost_device::ModelSource;

use crate::encode::{Message, float_tensor, float_value, model, node};
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

/// `x` through so many Sigmoid nodes.
fn long(nodes: usize, elements: u64) -> Bytes {
    let mut graph = Message::default();
    for number in 0..nodes {
        let input = if number == 0 { "x".to_owned() } else { format!("v{number}") };
        let output = if number + 1 == nodes { "y".to_owned() } else { format!("v{}", number + 1) };
        graph = graph.message(1, node("Sigmoid", &[&input], &output));
    }
    let graph = graph.message(11, float_value("x", &[1, elements])).message(12, float_value("y", &[1, elements]));
    model(graph).into()
}

#[test]
fn a_run_whose_time_is_up_is_stopped_and_the_next_one_is_not() {
    let Some(devices) = onnxruntime() else { return };
    // About a minute of computing, if nobody stopped it.
    let elements = 1 << 22;
    let graph = devices.load(ModelSource::Bytes(long(4000, elements))).unwrap();
    let input = [NamedTensor::new("x", Tensor::from_f32([1, elements].as_slice(), &vec![0.5; 1 << 22]).unwrap())];
    let now = Deadline::at(std::time::Instant::now());
    let stopped = graph.run_until(&input, &[0], Some(now)).unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Deadline);
    let graph = devices.load(ModelSource::Bytes(long(3, 4))).unwrap();
    let input = [NamedTensor::new("x", Tensor::from_f32([1, 4].as_slice(), &[0.0; 4]).unwrap())];
    let later = Deadline::after(std::time::Instant::now(), std::time::Duration::from_secs(600));
    assert_eq!(graph.run_until(&input, &[0], Some(later)).unwrap()[0].tensor.shape(), [1, 4]);
}

/// A model with a constant of so many floats.
fn heavy(floats: usize) -> Bytes {
    let weights = float_tensor("w", &[floats as u64], &vec![0.5; floats]);
    let graph = Message::default()
        .message(1, node("Add", &["x", "w"], "y"))
        .message(5, weights)
        .message(11, float_value("x", &[floats as u64]))
        .message(12, float_value("y", &[floats as u64]));
    model(graph).into()
}

#[test]
fn a_loaded_model_says_what_it_takes_and_gives_it_back() {
    const MIB: u64 = 1 << 20;
    let Some(devices) = onnxruntime() else { return };
    let bytes = heavy(16 << 20);
    let before = resident_bytes();
    for _ in 0..4 {
        let graph = devices.load(ModelSource::Bytes(bytes.clone())).unwrap();
        let taken = graph.memory_bytes();
        assert!((64 * MIB..80 * MIB).contains(&taken), "{taken} bytes for 64 MiB of weights");
        drop(graph);
        scorehost_device::trim_memory();
    }
    let kept = resident_bytes().saturating_sub(before);
    assert!(kept < 48 * MIB, "{kept} bytes stayed after four models of 64 MiB were freed");
}
