//! Whole networks: the reference executor answers like ONNX Runtime, on random inputs of a new seed in every run and on the
//! demo photograph. Needs the models of `deploy/models/fetch_models.py`.

use std::sync::Arc;

use scorehost_core::{DType, Graph, NamedTensor, Tensor};
use scorehost_device::{Devices, ModelSource};

use crate::fixtures::{as_written, floats, onnxruntime, reference, root};
use crate::random::Random;

/// Both executors, or `None` with a printed reason.
fn executors() -> Option<(Devices, Devices)> {
    if !root().join(".models/minilm.onnx").exists() {
        assert_ne!(
            std::env::var("REQUIRE_ONNXRUNTIME").as_deref(),
            Ok("1"),
            "run deploy/setup.sh: .models is incomplete"
        );
        eprintln!("skipped: there are no models; deploy/setup.sh writes them");
        return None;
    }
    Some((onnxruntime()?, reference()))
}

fn load(devices: &Devices, file: &str) -> Arc<dyn Graph> {
    devices.load(ModelSource::File(root().join(".models").join(file))).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Compares the first output of both: a thousandth, relative to the number and to the size of the output's numbers, and a
/// millionth for outputs that are all but zero.
fn same(what: &str, (theirs, ours): &(Arc<dyn Graph>, Arc<dyn Graph>), inputs: &[NamedTensor]) {
    let run =
        |graph: &dyn Graph| graph.run(inputs, &[0]).unwrap_or_else(|error| panic!("{what}: {error}")).remove(0).tensor;
    let (want, got) = (run(&**theirs), run(&**ours));
    assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "{what}");
    let (want, got) = (floats(&want).unwrap(), floats(&got).unwrap());
    let size = (want.iter().map(|x| x * x).sum::<f64>() / want.len().max(1) as f64).sqrt();
    for (index, (got, want)) in got.iter().zip(&want).enumerate() {
        assert!((got - want).abs() <= 1e-3 * (want.abs() + size) + 1e-6, "{what} [{index}]: {got}, expected {want}");
    }
}

fn pair(executors: &(Devices, Devices), file: &str) -> (Arc<dyn Graph>, Arc<dyn Graph>) {
    (load(&executors.0, file), load(&executors.1, file))
}

#[test]
fn image_networks_answer_like_onnxruntime() {
    let (Some(executors), mut random) = (executors(), Random::new()) else { return };
    for file in ["resnet50.onnx", "mobilenetv2.onnx"] {
        let graphs = pair(&executors, file);
        for shape in [[1, 3, 224, 224], [3, 3, 64, 96], [2, 3, 71, 33]] {
            same(&format!("{file} {shape:?}"), &graphs, &[random.floats("input", &shape)]);
        }
    }
}

#[test]
fn a_text_encoder_answers_like_onnxruntime() {
    let (Some(executors), mut random) = (executors(), Random::new()) else { return };
    let graphs = pair(&executors, "minilm.onnx");
    for [batch, length] in [[1, 128], [3, 17], [2, 1]] {
        let shape = [batch, length];
        // The first token of each row always counts, as the start of a sentence does.
        let mask: Vec<u8> = (0..batch * length)
            .flat_map(|at| (u64::from(at % length == 0) | (random.next() & 1)).to_le_bytes())
            .collect();
        let inputs = [
            random.integers("input_ids", &shape, 30_522),
            NamedTensor::new("attention_mask", Tensor::new(DType::I64, shape.as_slice(), mask.into()).unwrap()),
            random.integers("token_type_ids", &shape, 2),
        ];
        same(&format!("minilm {shape:?}"), &graphs, &inputs);
    }
}

/// The demo photograph's pixels as PP-OCR takes them, cut to `height` x `width` from the upper left corner on.
fn photograph(height: usize, width: usize, top: usize) -> NamedTensor {
    let file = std::fs::read(root().join(".models/photo.ppm")).unwrap();
    // P6, size, largest value, then red, green and blue of each pixel.
    let head: Vec<usize> = file[3..]
        .split(|byte| byte.is_ascii_whitespace())
        .take(3)
        .map(|word| std::str::from_utf8(word).unwrap().parse().unwrap())
        .collect();
    let pixels = &file[file.len() - 3 * head[0] * head[1]..];
    let value = |channel: usize, row: usize, column: usize| {
        let (row, column) = ((top + row).min(head[1] - 1), column.min(head[0] - 1));
        f32::from(pixels[3 * (row * head[0] + column) + channel]) / 127.5 - 1.0
    };
    let places =
        (0..3).flat_map(|channel| (0..height).flat_map(move |row| (0..width).map(move |at| (channel, row, at))));
    let values: Vec<f32> = places.map(|(channel, row, column)| value(channel, row, column)).collect();
    NamedTensor::new("x", Tensor::from_f32([1, 3, height as u64, width as u64].as_slice(), &values).unwrap())
}

#[test]
fn text_networks_answer_like_onnxruntime_on_a_photograph_and_on_noise() {
    let (Some(executors), mut random) = (executors(), Random::new()) else { return };
    let detection = pair(&executors, "ppocr_det.onnx");
    same("detection of the photograph", &detection, &[photograph(320, 480, 0)]);
    same("detection of noise", &detection, &[random.floats("x", &[2, 3, 64, 96])]);
    let recognition = pair(&executors, "ppocr_rec.onnx");
    same("recognition of the photograph", &recognition, &[photograph(48, 320, 100)]);
    same("recognition of noise", &recognition, &[random.floats("x", &[3, 3, 48, 97])]);
}

#[test]
fn an_optimised_graph_answers_like_the_graph_as_written() {
    let (Some((_, optimised)), mut random) = (executors(), Random::new()) else { return };
    let as_written = as_written();
    let check =
        |file: &str, inputs: &[NamedTensor]| same(file, &(load(&as_written, file), load(&optimised, file)), inputs);
    check("resnet50.onnx", &[random.floats("input", &[2, 3, 64, 64])]);
    check("mobilenetv2.onnx", &[random.floats("input", &[1, 3, 65, 96])]);
    check("ppocr_det.onnx", &[random.floats("x", &[1, 3, 64, 96])]);
    check("ppocr_rec.onnx", &[random.floats("x", &[2, 3, 48, 80])]);
    let shape = [2, 11];
    let ones = || Tensor::new(DType::I64, shape.as_slice(), 1u64.to_le_bytes().repeat(22).into()).unwrap();
    let words = [
        random.integers("input_ids", &shape, 30_522),
        NamedTensor::new("attention_mask", ones()),
        random.integers("token_type_ids", &shape, 2),
    ];
    check("minilm.onnx", &words);
}

#[test]
fn forests_answer_like_onnxruntime() {
    let (Some(executors), mut random) = (executors(), Random::new()) else { return };
    for (file, features, outputs) in [("forest.onnx", 20, vec![0]), ("digits_forest.onnx", 64, vec![1])] {
        let (theirs, ours) = pair(&executors, file);
        for rows in [1, 7, 8, 9, 200] {
            let inputs = [random.floats("X", &[rows, features])];
            let run = |graph: &dyn Graph| floats(&graph.run(&inputs, &outputs).unwrap()[0].tensor).unwrap();
            for (got, want) in run(&*ours).iter().zip(run(&*theirs)) {
                assert!((got - want).abs() <= 1e-4 * (want.abs() + 0.1), "{file}, {rows} rows: {got}, expected {want}");
            }
        }
    }
}

#[test]
fn many_threads_run_one_network_at_once() {
    let (Some(executors), mut random) = (executors(), Random::new()) else { return };
    let graph = load(&executors.1, "mobilenetv2.onnx");
    let inputs: Vec<_> = [40, 64, 96].map(|size| [random.floats("input", &[1, 3, size, size])]).into_iter().collect();
    let alone: Vec<_> =
        inputs.iter().map(|input| floats(&graph.run(input, &[0]).unwrap()[0].tensor).unwrap()).collect();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (graph, inputs, alone) = (&graph, &inputs, &alone);
            scope.spawn(move || {
                for round in 0..6 {
                    let index = (thread + round) % inputs.len();
                    let got = floats(&graph.run(&inputs[index], &[0]).unwrap()[0].tensor).unwrap();
                    assert_eq!(got, alone[index], "a run beside others differs");
                }
            });
        }
    });
}
