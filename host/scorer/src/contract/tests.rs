#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::DType;

use super::*;

fn spec(name: &str, shape: &[i64]) -> TensorSpec {
    TensorSpec { name: name.into(), dtype: DType::F32, shape: shape.to_vec() }
}

fn tensor(name: &str, shape: &[u64]) -> NamedTensor {
    let count = shape.iter().product::<u64>() as usize;
    NamedTensor::new(name, Tensor::from_f32(shape, &vec![0.0; count]).unwrap())
}

#[test]
fn tensors_fit_in_any_order_when_each_declared_one_is_there_once() {
    let signature = Signature { inputs: vec![spec("a", &[-1, 2]), spec("b", &[])], outputs: vec![] };
    let check = |inputs: &[NamedTensor], expect: Option<&str>| {
        let failure = check_inputs(&signature, inputs).err();
        assert_eq!(failure.as_ref().map(|failure| &*failure.message), expect);
    };
    check(&[tensor("b", &[]), tensor("a", &[3, 2])], None);
    check(&[tensor("a", &[0, 2]), tensor("b", &[])], None);
    check(&[tensor("a", &[3, 2])], Some("input 'b' not at all; declared: FP32 []"));
    check(&[tensor("a", &[3, 2]), tensor("a", &[3, 2])], Some("input 'a' more than once"));
    check(&[tensor("a", &[3, 3]), tensor("b", &[])], Some("input 'a' as FP32 [3, 3]; declared: FP32 [-1, 2]"));
    check(&[tensor("a", &[2]), tensor("b", &[])], Some("input 'a' as FP32 [2]; declared: FP32 [-1, 2]"));
    check(&[tensor("c", &[])], Some("input 'c', which is not declared; declared: [a, b]"));
}

#[test]
fn a_signature_needs_unique_names_and_possible_dimensions() {
    let check = |inputs: Vec<TensorSpec>, fits: bool| {
        assert_eq!(check_signature(&Signature { inputs, outputs: vec![] }).is_ok(), fits);
    };
    check(vec![spec("a", &[-1]), spec("b", &[0, 5])], true);
    check(vec![spec("a", &[]), spec("a", &[])], false);
    check(vec![spec("", &[])], false);
    check(vec![spec("a", &[-2])], false);
}
