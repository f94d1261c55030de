//! What a cut between an FPGA and the CPU costs: the digits classifier of `deploy/setup.sh` with all of it, its layers, or single operators
//! on each OpenCL device that takes an FPGA's part here, beside the CPU alone, in one run.
//!
//! `fpga_cut FOLDER`, the folder of the models. The devices are PoCL's processor and, where it is installed, Intel's FPGA emulator: both
//! are the machine's processors, so that the figures say what handing over and copying cost, and nothing about boards.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]

#[path = "digits/programs.rs"]
mod programs;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorehost_core::{Graph, NamedTensor, Precision, Tensor};
use scorehost_device::{DeviceConfig, Devices, LoadRequest, ModelSource, SmallModels};
use scorehost_device_opencl::{DeviceType, FpgaCosts, FpgaGraph, Fpgas, OpenCl, OpenClConfig};
use scorehost_graph::Model;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Time of one measurement.
const WINDOW: Duration = Duration::from_millis(700);
const BATCHES: [u64; 3] = [1, 8, 32];

/// A model's graph with a program beside it, below `folder`.
fn beside(folder: &Path, onnx: &[u8], mut manifest: Value, binary: &[u8]) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    manifest["sha256"] = Sha256::digest(binary).iter().map(|byte| format!("{byte:02x}")).collect::<String>().into();
    let graph = folder.join("digits_mlp.onnx");
    std::fs::write(&graph, onnx).unwrap();
    std::fs::write(folder.join(manifest["binary"].as_str().unwrap()), binary).unwrap();
    std::fs::write(folder.join("digits_mlp.fpga.json"), manifest.to_string()).unwrap();
    graph
}

fn pixels(rows: u64) -> [NamedTensor; 1] {
    let values: Vec<f32> = (0..rows * 64).map(|at| (at * 37 % 17) as f32).collect();
    [NamedTensor::new("X", Tensor::from_f32([rows, 64].as_slice(), &values).unwrap())]
}

/// The medians of calls' seconds; the graphs take turns, so that a change of the machine's speed meets all of them.
fn medians(graphs: &[&dyn Graph], inputs: &[NamedTensor]) -> Vec<f64> {
    let mut times = vec![Vec::new(); graphs.len()];
    let started = Instant::now();
    while started.elapsed() < WINDOW * graphs.len() as u32 || times[0].len() < 5 {
        for (graph, times) in graphs.iter().zip(&mut times) {
            let start = Instant::now();
            graph.run(inputs, &[0, 1]).unwrap();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.iter_mut().map(median).collect()
}

/// What one call takes on the device, on average over some.
fn on_device(graph: &FpgaGraph, inputs: &[NamedTensor]) -> FpgaCosts {
    const CALLS: u64 = 50;
    let before = graph.costs();
    (0..CALLS).for_each(|_| drop(graph.run(inputs, &[0, 1]).unwrap()));
    let after = graph.costs();
    FpgaCosts {
        stretches: (after.stretches - before.stretches) / CALLS,
        kernel_nanoseconds: (after.kernel_nanoseconds - before.kernel_nanoseconds) / CALLS,
        copy_nanoseconds: (after.copy_nanoseconds - before.copy_nanoseconds) / CALLS,
        copied_bytes: (after.copied_bytes - before.copied_bytes) / CALLS,
    }
}

fn measure(path: &Path, folder: &Path) {
    let onnx = std::fs::read(path).unwrap();
    let model = Model::read(onnx.clone().into(), None).unwrap();
    let devices = |config| Devices::discover(DeviceConfig { threads: 1, ..config });
    let library_dirs = vec![path.with_file_name("lib")];
    let runtime =
        devices(DeviceConfig { library_dirs, small_models: SmallModels::OnnxRuntime, ..DeviceConfig::default() });
    let reference =
        devices(DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() });
    let [reference, runtime] =
        [reference, runtime].map(|devices| devices.load(ModelSource::File(path.to_owned())).unwrap());
    let config = OpenClConfig { cpu_devices: true, ..OpenClConfig::default() };
    let opencl = OpenCl::discover(&config).unwrap_or_else(|reason| panic!("no OpenCL device: {reason}"));
    let fpgas = Fpgas::new(&opencl);
    let serving = opencl.infos().filter(|info| matches!(info.kind, DeviceType::Cpu | DeviceType::Accelerator));
    println!("reference executor and {}, one thread each, beside:", runtime.platform());
    for (number, info) in serving.enumerate() {
        println!("\n{info}");
        let programs = [
            ("whole model", programs::whole(&model)),
            ("layers", (programs::DENSE.to_owned(), serde_json::from_str(programs::DENSE_MANIFEST).unwrap())),
            ("operators", programs::operators()),
        ];
        for (name, (source, manifest)) in programs {
            let binary = opencl.compile(&info.name, &source, "-cl-kernel-arg-info").unwrap();
            let file = beside(&folder.join(format!("{number}-{name}")), &onnx, manifest, &binary);
            let request = LoadRequest { model: &model, path: Some(&file), precision: Precision::default() };
            let graph = fpgas.load(number, &request).unwrap();
            rows(name, &graph, &reference, &runtime);
        }
    }
}

fn rows(name: &str, graph: &Arc<FpgaGraph>, reference: &Arc<dyn Graph>, runtime: &Arc<dyn Graph>) {
    println!("{name}: {}", graph.report().unwrap_or_default());
    for batch in BATCHES {
        let inputs = pixels(batch);
        let costs = on_device(graph, &inputs);
        let times = medians(&[&**graph, &**reference, &**runtime], &inputs);
        let share = |nanoseconds: u64| nanoseconds as f64 / 1e9 / times[0] * 100.0;
        println!(
            "  batch {batch}: {:.3} ms; reference {:.3}, runtime {:.3}, {:.1} and {:.1} x their time; {} bytes copied in {} stretches; copies {:.1} % of the call, kernels {:.1} %",
            times[0] * 1e3,
            times[1] * 1e3,
            times[2] * 1e3,
            times[0] / times[1],
            times[0] / times[2],
            costs.copied_bytes,
            costs.stretches,
            share(costs.copy_nanoseconds),
            share(costs.kernel_nanoseconds),
        );
    }
}

fn main() {
    let Some(folder) = std::env::args().nth(1) else {
        println!("usage: fpga_cut FOLDER");
        return;
    };
    let scratch = tempfile::tempdir().unwrap();
    measure(&Path::new(&folder).join("digits_mlp.onnx"), scratch.path());
}
