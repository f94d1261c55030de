//! Compares the built-in reference executor with ONNX Runtime on whole models, one thread each, in one process.
//!
//! `ORT_DYLIB_PATH=… cargo run --release -p scorehost-device --example compare -- [MODELS] [NAME …]`. MODELS is the folder
//! that `deploy/models/fetch_models.py` writes (`.models`). Rounds of both take turns, so that a busy machine slows both;
//! the table shows the best round of each and their ratio.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement at the command line")]

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use scorehost_core::{DType, Graph, NamedTensor, Tensor};
use scorehost_device::{DeviceConfig, Devices, ModelSource, SmallModels};

/// Rounds of each executor.
const ROUNDS: usize = 7;
/// Seconds that a round takes at least.
const SECONDS: f64 = 0.15;

struct Case {
    name: &'static str,
    file: &'static str,
    inputs: &'static [(&'static str, DType, &'static [u64])],
}

const CASES: &[Case] = &[
    Case { name: "resnet50", file: "resnet50.onnx", inputs: &[("input", DType::F32, &[1, 3, 224, 224])] },
    Case { name: "mobilenetv2", file: "mobilenetv2.onnx", inputs: &[("input", DType::F32, &[1, 3, 224, 224])] },
    Case {
        name: "minilm",
        file: "minilm.onnx",
        inputs: &[
            ("input_ids", DType::I64, &[1, 128]),
            ("attention_mask", DType::I64, &[1, 128]),
            ("token_type_ids", DType::I64, &[1, 128]),
        ],
    },
    Case { name: "ppocr_det", file: "ppocr_det.onnx", inputs: &[("x", DType::F32, &[1, 3, 320, 320])] },
    Case { name: "ppocr_rec", file: "ppocr_rec.onnx", inputs: &[("x", DType::F32, &[1, 3, 48, 320])] },
    Case { name: "digits_forest, 1 row", file: "digits_forest.onnx", inputs: &[("X", DType::F32, &[1, 64])] },
    Case { name: "digits_forest, 256 rows", file: "digits_forest.onnx", inputs: &[("X", DType::F32, &[256, 64])] },
    Case { name: "forest, 1 row", file: "forest.onnx", inputs: &[("X", DType::F32, &[1, 20])] },
    Case { name: "forest, 256 rows", file: "forest.onnx", inputs: &[("X", DType::F32, &[256, 20])] },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = arguments.first().map_or(".models", String::as_str);
    let wanted = |case: &&Case| arguments.len() < 2 || arguments[1..].iter().any(|name| case.name.starts_with(&**name));
    let library = Devices::discover(DeviceConfig {
        threads: 1,
        small_models: SmallModels::OnnxRuntime,
        ..DeviceConfig::default()
    });
    let missing = DeviceConfig { onnxruntime: Some("/nowhere/library.so".into()), ..DeviceConfig::default() };
    let reference = Devices::discover(missing);
    println!("| model | ONNX Runtime, ms | reference, ms | ratio |\n|---|---|---|---|");
    for case in CASES.iter().filter(wanted) {
        compare(case, Path::new(folder), &library, &reference);
    }
}

fn compare(case: &Case, folder: &Path, library: &Devices, reference: &Devices) {
    let load = |devices: &Devices| devices.load(ModelSource::File(folder.join(case.file)));
    let (theirs, ours) = match (load(library), load(reference)) {
        (Ok(theirs), Ok(ours)) => (theirs, ours),
        (theirs, ours) => {
            let reason = theirs.err().or(ours.err()).map(|failure| failure.message).unwrap_or_default();
            println!("| {} | – | – | {reason} |", case.name);
            return;
        }
    };
    let inputs = inputs(case);
    let (mut best_theirs, mut best_ours) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        best_theirs = best_theirs.min(milliseconds(&*theirs, &inputs));
        best_ours = best_ours.min(milliseconds(&*ours, &inputs));
    }
    println!("| {} | {best_theirs:.3} | {best_ours:.3} | {:.2} |", case.name, best_ours / best_theirs);
}

/// The mean of a round.
fn milliseconds(graph: &dyn Graph, inputs: &[NamedTensor]) -> f64 {
    graph.run(inputs, &[0]).unwrap();
    let start = Instant::now();
    let mut runs = 0;
    while runs == 0 || start.elapsed().as_secs_f64() < SECONDS {
        black_box(graph.run(black_box(inputs), &[0]).unwrap());
        runs += 1;
    }
    start.elapsed().as_secs_f64() * 1e3 / f64::from(runs)
}

/// Numbers of a fixed sequence; masks are ones and token types zeros.
fn inputs(case: &Case) -> Vec<NamedTensor> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 40
    };
    let mut tensor = |name: &str, dtype: DType, shape: &[u64]| {
        let elements: u64 = shape.iter().product();
        let mut integer = || match name {
            "attention_mask" => 1,
            "token_type_ids" => 0,
            _ => next() as i64 % 30_000,
        };
        let data: Vec<u8> = match dtype {
            DType::I64 => (0..elements).flat_map(|_| integer().to_le_bytes()).collect(),
            _ => (0..elements).flat_map(|_| (next() as f32 / (1u64 << 23) as f32 - 1.0).to_le_bytes()).collect(),
        };
        NamedTensor::new(name, Tensor::new(dtype, shape, data.into()).unwrap())
    };
    case.inputs.iter().map(|(name, dtype, shape)| tensor(name, *dtype, shape)).collect()
}
