//! Measures the ONNX Runtime device: microseconds per run, and load time and memory of many sessions.
//!
//! `ORT_DYLIB_PATH=… cargo run --release -p scorehost-device --example measure -- MODEL.onnx [SESSIONS]`. Inputs are
//! zeros; free dimensions are 1.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement at the command line")]

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Instant;

use scorehost_core::{Graph, NamedTensor, Tensor, TensorSpec};
use scorehost_device::{DeviceConfig, Devices, ModelSource};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let model = PathBuf::from(arguments.next().unwrap());
    let sessions: usize = arguments.next().map_or(1, |count| count.parse().unwrap());
    let devices = Devices::discover(DeviceConfig::default());
    println!("{:?}", devices.reports());
    let before = resident_mib();
    let start = Instant::now();
    let load = |_| devices.load(ModelSource::File(model.clone())).unwrap();
    let graphs: Vec<_> = (0..sessions).map(load).collect();
    let took = start.elapsed();
    run_all(&*graphs[0]);
    let after = resident_mib();
    println!("{sessions} loaded in {took:?}; resident {before} MiB before, {after} MiB after");
}

fn run_all(graph: &dyn Graph) {
    let inputs: Vec<NamedTensor> = graph.signature().inputs.iter().map(zeros).collect();
    let outputs: Vec<usize> = (0..graph.signature().outputs.len()).collect();
    for round in 0..4 {
        let mut runs = 0u32;
        let start = Instant::now();
        while start.elapsed().as_millis() < 700 {
            for _ in 0..16 {
                black_box(graph.run(black_box(&inputs), &outputs).unwrap());
            }
            runs += 16;
        }
        println!("round {round}: {:.2} us per run", start.elapsed().as_secs_f64() * 1e6 / f64::from(runs));
    }
}

fn zeros(spec: &TensorSpec) -> NamedTensor {
    let shape: Vec<u64> = spec.shape.iter().map(|dim| u64::try_from(*dim).unwrap_or(1)).collect();
    let elements: u64 = shape.iter().product();
    let data = vec![0; elements as usize * spec.dtype.size().unwrap_or(4)];
    NamedTensor::new(spec.name.clone(), Tensor::new(spec.dtype, shape, data.into()).unwrap())
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
