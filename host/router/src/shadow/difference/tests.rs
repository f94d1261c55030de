#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::NamedTensor;

use super::*;

fn tensor(dtype: DType, data: &[u8]) -> Tensor {
    let elements = (data.len() / dtype.size().unwrap()) as u64;
    Tensor::new(dtype, [elements].as_slice(), data.to_vec().into()).unwrap()
}

fn named(name: &str, values: &[f32]) -> NamedTensor {
    NamedTensor::new(name, Tensor::from_f32([values.len() as u64].as_slice(), values).unwrap())
}

#[test]
fn the_largest_difference_over_all_outputs_counts() {
    let ours = vec![named("a", &[1.0, 2.0]), named("b", &[0.0])];
    let theirs = vec![named("b", &[-0.25]), named("a", &[1.0, 3.5])];
    assert_eq!(of_tensors(&ours, &theirs), Verdict::Differs(Some(1.5)));
    assert_eq!(of_tensors(&ours, &ours.clone()), Verdict::Equal);
}

#[test]
fn other_names_shapes_and_numbers_of_outputs_have_no_distance() {
    let ours = vec![named("a", &[1.0])];
    for theirs in [vec![], vec![named("b", &[1.0])], vec![named("a", &[1.0, 2.0])], vec![named("a", &[f32::NAN])]] {
        assert_eq!(of_tensors(&ours, &theirs), Verdict::Differs(None), "{theirs:?}");
    }
}

#[test]
fn zeros_of_either_sign_and_equal_infinities_are_equal() {
    let ours = vec![named("a", &[0.0, f32::INFINITY, f32::NAN])];
    let theirs = vec![named("a", &[-0.0, f32::INFINITY, f32::NAN])];
    assert_eq!(of_tensors(&ours, &theirs), Verdict::Equal);
}

#[test]
fn every_numeric_dtype_has_its_distance() {
    let check = |dtype, ours: &[u8], theirs: &[u8], expected| {
        let verdict = largest_difference(&tensor(dtype, ours), &tensor(dtype, theirs));
        assert_eq!(verdict, expected, "{dtype}");
    };
    check(DType::U8, &[200], &[100], Some(100.0));
    check(DType::I8, &[0xff], &[1], Some(2.0));
    check(DType::U16, &[0, 1], &[0, 0], Some(256.0));
    check(DType::I16, &[0xff, 0xff], &[0, 0], Some(1.0));
    check(DType::I32, &(-7i32).to_le_bytes(), &3i32.to_le_bytes(), Some(10.0));
    check(DType::U32, &7u32.to_le_bytes(), &3u32.to_le_bytes(), Some(4.0));
    check(DType::I64, &(-7i64).to_le_bytes(), &3i64.to_le_bytes(), Some(10.0));
    check(DType::U64, &7u64.to_le_bytes(), &3u64.to_le_bytes(), Some(4.0));
    check(DType::F64, &0.5f64.to_le_bytes(), &0.75f64.to_le_bytes(), Some(0.25));
    // 1.0 and 1.5 in binary16 and bfloat16; the smallest binary16 above 0 is 2^-24.
    check(DType::F16, &0x3c00u16.to_le_bytes(), &0x3e00u16.to_le_bytes(), Some(0.5));
    check(DType::F16, &0x0001u16.to_le_bytes(), &0x8000u16.to_le_bytes(), Some(2f64.powi(-24)));
    check(DType::F16, &0x7c00u16.to_le_bytes(), &0x3c00u16.to_le_bytes(), None);
    check(DType::BF16, &0x3f80u16.to_le_bytes(), &0x3fc0u16.to_le_bytes(), Some(0.5));
    check(DType::Bool, &[0], &[1], None);
}
