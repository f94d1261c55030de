//! Every fixture gives the answers of Python onnxruntime, on every device.

use scorehost_core::{ErrorKind, Tensor};
use scorehost_device::{Devices, ModelSource};

use crate::encode::{self, Message, float_value, node};
use crate::fixtures::{both, expected, floats, model, onnxruntime, reference, tensors};

/// Compares all fixtures but `except` and returns how many there were.
fn check_all(devices: &Devices, except: &[&str]) -> usize {
    let expected = expected();
    let models = expected.iter().filter(|(name, _)| !except.contains(&name.as_str()));
    models
        .map(|(name, case)| {
            let graph = devices.load(ModelSource::Bytes(model(name))).unwrap_or_else(|error| panic!("{name}: {error}"));
            let outputs: Vec<usize> = (0..graph.signature().outputs.len()).collect();
            let results = graph.run(&tensors(&case["inputs"]), &outputs);
            let results = results.unwrap_or_else(|error| panic!("{name}: {error}"));
            for want in tensors(&case["outputs"]) {
                let got = results.iter().find(|result| result.name == want.name).unwrap();
                compare(&format!("{name} {}", want.name), &got.tensor, &want.tensor);
            }
        })
        .count()
}

fn compare(what: &str, got: &Tensor, want: &Tensor) {
    assert_eq!((got.dtype(), got.shape()), (want.dtype(), want.shape()), "{what}");
    let (Some(got), Some(numbers)) = (floats(got), floats(want)) else {
        assert_eq!(got.data(), want.data(), "{what}");
        return;
    };
    let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-5 * b.abs() + 1e-6 || a == b || (a.is_nan() && b.is_nan());
    let wrong = got.iter().zip(&numbers).position(|pair| !close(pair));
    assert_eq!(wrong, None, "{what}: {got:?}, expected {numbers:?}");
}

#[test]
fn onnxruntime_answers_like_python() {
    let Some(devices) = onnxruntime() else { return };
    assert!(check_all(&devices, &[]) >= 50);
}

#[test]
fn a_host_answers_like_python_whether_a_model_is_small_or_not() {
    let Some(devices) = both() else { return };
    assert!(check_all(&devices, &[]) >= 50);
}

#[test]
fn a_small_model_gives_the_same_rows_alone_and_in_a_large_batch() {
    let (Some(both), Some(library)) = (both(), onnxruntime()) else { return };
    let load = |devices: &Devices| devices.load(ModelSource::Bytes(model("logistic_three"))).unwrap();
    let (graph, expect) = (load(&both), load(&library));
    for rows in [1u64, 7, 4000] {
        let values: Vec<f32> = (0..rows * 6).map(|index| (index % 97) as f32 / 31.0 - 1.5).collect();
        let input =
            || [scorehost_core::NamedTensor::new("X", Tensor::from_f32([rows, 6].as_slice(), &values).unwrap())];
        let (got, want) = (graph.run(&input(), &[0, 1]).unwrap(), expect.run(&input(), &[0, 1]).unwrap());
        for (got, want) in got.iter().zip(&want) {
            compare(&format!("{} of {rows} rows", want.name), &got.tensor, &want.tensor);
        }
    }
}

#[test]
fn the_reference_executor_answers_like_onnxruntime() {
    assert!(check_all(&reference(), &[]) >= 50);
}

#[test]
fn the_reference_executor_names_every_operator_it_lacks() {
    let graph = Message::default()
        .message(1, node("Invented", &["x"], "a"))
        .message(1, node("Relu", &["a"], "b"))
        .message(1, node("Imagined", &["b"], "y"))
        .bytes(2, "lacking")
        .message(11, float_value("x", &[1]))
        .message(12, float_value("y", &[1]));
    let refused = reference().load(ModelSource::Bytes(encode::model(graph).into())).err().unwrap();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    assert!(
        refused.message.contains("ai.onnx.Imagined (opset 17), ai.onnx.Invented (opset 17)"),
        "{}",
        refused.message
    );
}

#[test]
fn only_the_outputs_asked_for_are_returned_in_that_order() {
    let devices = [Some(reference()), onnxruntime()];
    for devices in devices.into_iter().flatten() {
        let case = &expected()["logistic_three"];
        let graph = devices.load(ModelSource::Bytes(model("logistic_three"))).unwrap();
        let names = |outputs: &[usize]| -> Vec<String> {
            let results = graph.run(&tensors(&case["inputs"]), outputs).unwrap();
            results.iter().map(|result| result.name.to_string()).collect()
        };
        assert_eq!(names(&[1]), ["probabilities"]);
        assert_eq!(names(&[1, 0]), ["probabilities", "label"]);
    }
}

#[test]
fn wrong_inputs_are_named() {
    let devices = [Some(reference()), onnxruntime()];
    for devices in devices.into_iter().flatten() {
        let graph = devices.load(ModelSource::Bytes(model("logistic_three"))).unwrap();
        let check = |name: &str, tensor: Tensor, expect: &str| {
            let failure = graph.run(&[scorehost_core::NamedTensor::new(name, tensor)], &[0]).unwrap_err();
            assert_eq!(failure.kind, ErrorKind::InvalidInput, "{failure:?}");
            assert!(failure.message.contains(expect), "{}", failure.message);
        };
        let one = |columns: u64| Tensor::from_f32([1, columns].as_slice(), &vec![0.0; columns as usize]).unwrap();
        check("Y", one(6), "takes the inputs [X], got [Y]");
        let ints = Tensor::new(scorehost_core::DType::I64, [1, 1].as_slice(), vec![0; 8].into()).unwrap();
        check("X", ints, "input 'X' must be FP32, got INT64");
        check("X", one(5), "5");
    }
}
