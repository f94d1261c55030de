//! What values that stay on a device save: three models in a row, by way of the host's memory and on the device, in one run.
//!
//! `chain [ELEMENTS]`: FP32 elements of a value (150528, a picture of 224 x 224, when left out). The models halve each element, so that
//! the copies are as large a part of a call as they get. PoCL's device is the host's own memory: there a copy is a `memcpy`, and what a
//! bus would cost is not in the figures.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

use std::sync::Arc;
use std::time::Instant;

use scorehost_core::{Copied, DType, Graph, NamedValue, OutputSet, Precision, Tensor, Value};
use scorehost_device::folding;
use scorehost_device_opencl::{LoadOptions, OpenCl, OpenClConfig};
use scorehost_graph::{Model, ModelWriter};

/// Models in a row, and how often they run.
const MODELS: usize = 3;
const ROUNDS: usize = 400;

fn halving() -> Model {
    let mut writer = ModelWriter::default();
    writer.input("x", DType::F32, 2);
    writer.constant("half", &Tensor::from_f32([].as_slice(), &[0.5]).unwrap());
    writer.node("Mul", &["x", "half"], "y", &[]);
    writer.output("y", DType::F32, 2);
    Model::read(writer.finish(), None).unwrap()
}

/// All models, each with the output of the one before; only the last one's comes to the host where `stays`.
fn chain(graphs: &[Arc<dyn Graph>], input: &Value, stays: bool) -> Tensor {
    let mut value = input.clone();
    for (number, graph) in graphs.iter().enumerate() {
        let last = number + 1 == graphs.len();
        let keep = if stays && !last { OutputSet::NONE.with(0) } else { OutputSet::NONE };
        let call = [NamedValue { name: "x".into(), value }];
        value = graph.run_calls(&[&call], &[0], keep, None).unwrap().remove(0).value;
    }
    value.fetch().unwrap()
}

fn main() {
    let elements = std::env::args().nth(1).map_or(3 * 224 * 224, |text| text.parse().unwrap());
    let config = OpenClConfig { cpu_devices: true, ..OpenClConfig::default() };
    let opencl = OpenCl::discover(&config).unwrap_or_else(|reason| panic!("no OpenCL device: {reason}"));
    opencl.infos().for_each(|info| println!("{info}"));
    let gpus = opencl.gpus().unwrap();
    let load = |_| -> Arc<dyn Graph> {
        let precision = Precision::F32;
        let options =
            LoadOptions { precision, fold: folding(), contexts: 1, poison: false, batches: false, style: None };
        gpus.load(0, &halving(), options).unwrap()
    };
    let graphs: Vec<Arc<dyn Graph>> = (0..MODELS).map(load).collect();
    let input: Value = Tensor::from_f32([1, elements].as_slice(), &vec![1.0; elements as usize]).unwrap().into();
    assert_eq!(chain(&graphs, &input, true).data(), chain(&graphs, &input, false).data());
    // Both ways take turns, so that a change of the machine's speed meets both.
    let mut times = [Vec::new(), Vec::new()];
    let mut copied = [0; 2];
    for _ in 0..ROUNDS {
        for (way, (times, copied)) in times.iter_mut().zip(&mut copied).enumerate() {
            let before = Copied::ToDevice.total() + Copied::Result.total();
            let started = Instant::now();
            chain(&graphs, &input, way == 1);
            times.push(started.elapsed().as_secs_f64());
            *copied = Copied::ToDevice.total() + Copied::Result.total() - before;
        }
    }
    let [host, device] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2] * 1e6
    });
    println!(
        "{MODELS} models of {elements} elements: by way of the host {host:.0} us and {} bytes copied, on the device {device:.0} us and {}; time {:.2}, bytes {:.2}",
        copied[0],
        copied[1],
        device / host,
        copied[1] as f64 / copied[0] as f64
    );
}
