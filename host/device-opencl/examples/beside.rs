//! What an OpenCL device takes beside this machine's other executors, in one run.
//!
//! `beside gemm` multiplies matrices on the device, whole calls with their copies, and with the `gemm` crate;
//! `beside calls` times calls that are almost nothing but handing over and waiting; `beside models FOLDER [NAME SHAPE...]`
//! runs whole models on the device, on the built-in reference executor and on ONNX Runtime; `PRECISION=fp16` stores their numbers in
//! half on the device. `THREADS` (1 when unset) is for those two
//! and for `gemm`; PoCL has `POCL_MAX_PTHREAD_COUNT`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program for the terminal")]
#![expect(unsafe_code, reason = "the gemm crate takes pointers")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorehost_conformance::inputs::{Random, distance, random};
use scorehost_core::{Graph, Precision, Shape};
use scorehost_device::{DeviceConfig, Devices, ModelSource, SmallModels, folding};
use scorehost_device_opencl::{LoadOptions, OpenCl, OpenClConfig, OpenClGpus};
use scorehost_graph::Model;

/// Time of one measurement.
const WINDOW: Duration = Duration::from_millis(1500);
/// Calls that take little more than handing them over and waiting for them: rows, depth and columns.
const SMALL: [[u64; 3]; 3] = [[1, 16, 16], [1, 64, 64], [8, 256, 256]];
/// Rows, depth and columns.
const PRODUCTS: [[u64; 3]; 6] =
    [[512, 512, 512], [1024, 1024, 1024], [128, 384, 1536], [3136, 576, 64], [196, 2304, 256], [1, 2048, 1000]];
/// Models with the shapes of their inputs.
const MODELS: [(&str, &[&[u64]]); 4] = [
    ("resnet50.onnx", &[&[1, 3, 224, 224]]),
    ("mobilenetv2.onnx", &[&[1, 3, 224, 224]]),
    ("minilm.onnx", &[&[1, 128], &[1, 128], &[1, 128]]),
    ("ppocr_rec.onnx", &[&[1, 3, 48, 320]]),
];

fn threads() -> usize {
    std::env::var("THREADS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn open() -> OpenClGpus {
    let program_cache = Some(std::env::temp_dir().join("scorehost-opencl-beside"));
    let config = OpenClConfig { program_cache, cpu_devices: true, ..OpenClConfig::default() };
    let opencl = OpenCl::discover(&config).unwrap_or_else(|reason| panic!("no OpenCL device: {reason}"));
    opencl.infos().for_each(|info| println!("{info}"));
    opencl.gpus().unwrap()
}

/// `PRECISION=fp16` stores numbers in half.
fn precision() -> Precision {
    match std::env::var("PRECISION").as_deref() {
        Ok("fp16") => Precision::F16,
        _ => Precision::F32,
    }
}

fn load(gpus: &OpenClGpus, model: &Model) -> Arc<dyn Graph> {
    let options = LoadOptions {
        precision: precision(),
        fold: folding(),
        contexts: 1,
        poison: false,
        batches: false,
        style: None,
    };
    gpus.load(0, model, options).unwrap()
}

/// The median of a call's seconds; calls of all take turns, so that a change of the machine's speed meets all of them.
fn medians(calls: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    let mut times = vec![Vec::new(); calls.len()];
    calls.iter_mut().for_each(|call| call());
    let started = Instant::now();
    while started.elapsed() < WINDOW * calls.len() as u32 || times[0].len() < 5 {
        for (call, times) in calls.iter_mut().zip(&mut times) {
            let start = Instant::now();
            call();
            times.push(start.elapsed().as_secs_f64());
        }
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.iter_mut().map(median).collect()
}

/// A field of a protocol buffer with a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 128 {
        bytes.push(length as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    [&bytes, content].concat()
}

fn number(number: u8, mut value: u64) -> Vec<u8> {
    let mut bytes = vec![number << 3];
    while value >= 128 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// `y = x w` as an ONNX model.
fn product([_, depth, columns]: [u64; 3], weights: &[f32]) -> Model {
    let data: Vec<u8> = weights.iter().flat_map(|value| value.to_le_bytes()).collect();
    let tensor = [number(1, depth), number(1, columns), number(2, 1), field(8, b"w"), field(9, &data)].concat();
    let dims = |sizes: [Vec<u8>; 2]| sizes.map(|size| field(1, &size)).concat();
    let kind = |sizes| field(2, &field(1, &[number(1, 1), field(2, &dims(sizes))].concat()));
    let free = || field(2, b"n");
    let value = |name: &[u8], columns| [field(1, name), kind([free(), number(1, columns)])].concat();
    let node = [field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"MatMul")].concat();
    let (x, y) = (value(b"x", depth), value(b"y", columns));
    let graph = [field(1, &node), field(2, b"g"), field(5, &tensor), field(11, &x), field(12, &y)].concat();
    let bytes = [number(1, 8), field(7, &graph), field(8, &number(2, 13))].concat();
    Model::read(bytes.into(), None).unwrap()
}

fn gemm(gpus: &OpenClGpus) {
    let parallel = if threads() > 1 { ::gemm::Parallelism::Rayon(threads()) } else { ::gemm::Parallelism::None };
    for shape @ [rows, depth, columns] in PRODUCTS {
        let [m, k, n] = shape.map(|size| size as usize);
        let mut seeded = Random::new(3);
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| (seeded.next() >> 40) as f32 / (1u64 << 24) as f32 - 0.5).collect()
        };
        let weights = numbers(k * n);
        let graph = load(gpus, &product(shape, &weights));
        let inputs = random(graph.signature(), &[Shape::from_slice(&[rows, depth])], 5);
        let a: Vec<f32> =
            inputs[0].tensor.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let mut c = vec![0f32; m * n];
        let mut multiply = || {
            // SAFETY: the matrices are row-major, as long as their sizes say, and do not overlap.
            unsafe {
                ::gemm::gemm(
                    m,
                    n,
                    k,
                    c.as_mut_ptr(),
                    1,
                    n as isize,
                    false,
                    a.as_ptr(),
                    1,
                    k as isize,
                    weights.as_ptr(),
                    1,
                    n as isize,
                    0.0,
                    1.0,
                    false,
                    false,
                    false,
                    parallel,
                );
            }
        };
        multiply();
        let mut calls: [Box<dyn FnMut()>; 2] =
            [Box::new(|| drop(graph.run(&inputs, &[0]).unwrap())), Box::new(&mut multiply)];
        let times = medians(&mut calls);
        drop(calls);
        let answer = graph.run(&inputs, &[0]).unwrap();
        let wrong = answer[0]
            .tensor
            .data()
            .as_chunks()
            .0
            .iter()
            .zip(&c)
            .fold(0f32, |worst, (bytes, c)| worst.max((f32::from_le_bytes(*bytes) - c).abs()));
        let rate = |time: f64| 2.0 * (rows * depth * columns) as f64 / time / 1e9;
        println!(
            "gemm {rows}x{depth}x{columns}: OpenCL {:.1} GFLOP/s, gemm {:.1}, ratio {:.2}; differ by {wrong:.1e} at most",
            rate(times[0]),
            rate(times[1]),
            times[1] / times[0]
        );
    }
}

/// What a short call takes, copies included. Two builds of this program are compared by running them in turn.
fn calls(gpus: &OpenClGpus) {
    let loaded = |shape: [u64; 3]| {
        let graph = load(gpus, &product(shape, &vec![0.5; (shape[1] * shape[2]) as usize]));
        let inputs = random(graph.signature(), &[Shape::from_slice(&shape[..2])], 5);
        (graph, inputs)
    };
    let loaded: Vec<_> = SMALL.into_iter().map(loaded).collect();
    let call = |(graph, inputs): &(Arc<dyn Graph>, Vec<_>)| drop(graph.run(inputs, &[0]).unwrap());
    let mut all: Vec<Box<dyn FnMut() + '_>> =
        loaded.iter().map(|loaded| Box::new(move || call(loaded)) as Box<dyn FnMut()>).collect();
    for ([rows, depth, columns], time) in SMALL.into_iter().zip(medians(&mut all)) {
        println!("call {rows}x{depth}x{columns}: {:.1} us", time * 1e6);
    }
}

fn models(gpus: &OpenClGpus, folder: &Path, chosen: &[(&str, Vec<Vec<u64>>)]) {
    let devices = |config| Devices::discover(DeviceConfig { threads: threads(), ..config });
    let runtime = devices(DeviceConfig {
        library_dirs: vec![folder.join("lib")],
        small_models: SmallModels::OnnxRuntime,
        ..DeviceConfig::default()
    });
    let reference =
        devices(DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() });
    for (name, shapes) in chosen {
        let path: PathBuf = folder.join(name);
        let model = Model::read(std::fs::read(&path).unwrap().into(), path.parent()).unwrap();
        let started = Instant::now();
        let graph = load(gpus, &model);
        let loaded = started.elapsed();
        let from = |devices: &Devices| devices.load(ModelSource::File(path.clone())).unwrap();
        let (runtime, reference) = (from(&runtime), from(&reference));
        let shapes: Vec<Shape> = shapes.iter().map(|shape| Shape::from_slice(shape)).collect();
        let inputs = random(graph.signature(), &shapes, 9);
        let answer = |graph: &Arc<dyn Graph>| graph.run(&inputs, &[0]).unwrap();
        let apart = distance(&answer(&graph)[0].tensor, &answer(&reference)[0].tensor);
        let mut calls: Vec<Box<dyn FnMut()>> = [&graph, &reference, &runtime]
            .into_iter()
            .map(|graph| Box::new(|| drop(answer(graph))) as Box<dyn FnMut()>)
            .collect();
        let times = medians(&mut calls);
        println!(
            "{name} {shapes:?}: OpenCL {:.2} ms, reference {:.2}, {} {:.2}; {:.2} x reference's time, {:.2} x its; error {apart:.1e}; {:.1} MB held; loaded in {:.1} s",
            times[0] * 1e3,
            times[1] * 1e3,
            runtime.platform(),
            times[2] * 1e3,
            times[0] / times[1],
            times[0] / times[2],
            graph.memory_bytes() as f64 / 1e6,
            loaded.as_secs_f64()
        );
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["calls"] => calls(&open()),
        ["gemm"] => gemm(&open()),
        ["models", folder] => {
            let own =
                |(name, shapes): (&'static str, &[&[u64]])| (name, shapes.iter().map(|all| all.to_vec()).collect());
            models(&open(), Path::new(folder), &MODELS.map(own));
        }
        ["models", folder, name, ref shapes @ ..] => {
            let sizes = |text: &&str| text.split('x').map(|size| size.parse().unwrap()).collect();
            models(&open(), Path::new(folder), &[(name, shapes.iter().map(sizes).collect())]);
        }
        _ => println!("usage: beside calls | gemm | models FOLDER [NAME SHAPE...]"),
    }
}
