//! What does not fit or is not there.

use scorehost_core::{DeviceKind, ErrorKind, Graph, NamedTensor, Precision, Shape, Tensor};
use scorehost_device::{Accelerator, LoadRequest};
use scorehost_device_opencl::OpenClError;
use scorehost_graph::Model;
use scorehost_plan::Style;

use crate::inputs::random;
use crate::{devices, encode, model, open, options, path, perceptron};

#[test]
fn a_call_that_does_not_fit_fails_alone() {
    // The weights and a few rows.
    let Some(gpus) = open(Some(2 << 20), true) else { return };
    let (graph, _) = perceptron(&gpus, Style::Cores);
    let call = |rows| random(graph.signature(), &[Shape::from_slice(&[rows, 64])], 1);
    assert!(graph.run(&call(2), &[0]).is_ok());
    let failure = graph.run(&call(60_000), &[0]).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Overloaded, "{failure}");
    assert!(graph.run(&call(2), &[0]).is_ok());
    let used = gpus.loads()[0].used_bytes;
    assert!(used > 0 && used <= 2 << 20, "{used} bytes in use");
    drop(graph);
    assert_eq!(gpus.loads()[0].used_bytes, 0);
}

#[test]
fn operators_without_a_kernel_are_all_named_at_load() {
    let (Some(gpus), Some(path)) = (devices(), path("onnx-node/test_nonzero_example/model.onnx")) else { return };
    let error = gpus.load(0, &model(&path), options(Style::Cores)).map(drop).unwrap_err();
    assert!(matches!(&error, OpenClError::Operators(names) if !names.is_empty()), "{error}");
    assert!(error.to_string().contains("NonZero"), "{error}");
}

#[test]
fn wrong_inputs_are_told_from_failures_of_the_device() {
    let Some(gpus) = devices() else { return };
    let (graph, _) = perceptron(gpus, Style::Cores);
    let name = graph.signature().inputs[0].name.clone();
    let floats = |shape: &[u64]| {
        let count = shape.iter().product::<u64>() as usize;
        Tensor::from_f32(shape, &vec![0.5; count]).unwrap()
    };
    for input in [NamedTensor::new("other", floats(&[1, 64])), NamedTensor::new(name, floats(&[1, 63]))] {
        let failure = graph.run(&[input], &[0]).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::InvalidInput, "{failure}");
    }
}

#[test]
fn a_precision_that_the_kernels_lack_is_refused_by_name() {
    let Some(gpus) = devices() else { return };
    assert_eq!(gpus.kind(), DeviceKind::Gpu);
    let model = Model::read(encode::perceptron().into(), None).unwrap();
    let request = |precision| LoadRequest { model: &model, path: None, precision };
    let failure = Accelerator::load(gpus, 0, &request(Precision::BF16)).map(drop).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unsupported);
    assert!(failure.message.contains("bf16"), "{failure}");
    for precision in [Precision::F32, Precision::Tf32, Precision::F16] {
        assert!(Accelerator::load(gpus, 0, &request(precision)).is_ok(), "{precision}");
    }
}
