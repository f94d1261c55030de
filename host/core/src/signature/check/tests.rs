#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{NamedTensor, Tensor};

fn spec(name: &str, dtype: DType, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), dtype, shape: shape.to_vec() }
}

fn signature() -> Signature {
    Signature {
        inputs: vec![spec("x", DType::F32, &[-1, 2]), spec("mask", DType::F32, &[-1])],
        outputs: vec![spec("y", DType::F32, &[-1]), spec("z", DType::F32, &[])],
    }
}

fn input(name: &str, shape: &[u64]) -> NamedTensor {
    let values = vec![0.5; shape.iter().product::<u64>() as usize];
    NamedTensor::new(name, Tensor::from_f32(shape, &values).unwrap())
}

fn message(inputs: &[NamedTensor]) -> String {
    signature().check_inputs(inputs).unwrap_err().to_string()
}

#[test]
fn inputs_fit_in_any_order() {
    assert_eq!(signature().check_inputs(&[input("x", &[3, 2]), input("mask", &[7])]), Ok(()));
    assert_eq!(signature().check_inputs(&[input("mask", &[7]), input("x", &[0, 2])]), Ok(()));
}

#[test]
fn messages_name_the_input_the_expectation_and_what_came() {
    let (x, mask) = (input("x", &[1, 2]), input("mask", &[1]));
    assert_eq!(message(&[x.clone(), input("w", &[1])]), "there is no input 'w'; the inputs are: [x, mask]");
    assert_eq!(message(&[x.clone(), x.clone()]), "input 'x' is given more than once");
    assert_eq!(message(std::slice::from_ref(&mask)), "input 'x' (FP32 [-1, 2]) is missing");
    assert_eq!(
        message(&[input("x", &[1, 3]), mask.clone()]),
        "input 'x' has shape [1, 3], expected [-1, 2] (-1 stands for any size)"
    );
    assert_eq!(
        message(&[input("x", &[2]), mask]),
        "input 'x' has shape [2], expected [-1, 2] (-1 stands for any size)"
    );
    let wrong = NamedTensor::new("mask", Tensor::new(DType::I64, [1u64].as_slice(), vec![0; 8].into()).unwrap());
    assert_eq!(message(&[x, wrong]), "input 'mask' is INT64, expected FP32");
}

#[test]
fn outputs_are_found_by_name_in_the_order_wanted() {
    let signature = signature();
    assert_eq!(signature.output_indices(&[]).unwrap().as_slice(), [0, 1]);
    assert_eq!(signature.output_indices(&["z".into(), "y".into()]).unwrap().as_slice(), [1, 0]);
    let error = signature.output_indices(&["q".into()]).unwrap_err();
    assert_eq!(error.to_string(), "there is no output 'q'; the outputs are: [y, z]");
}
