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
    let distance = of_tensors(&ours, &theirs);
    assert_eq!(distance, Distance { values: 2, largest: Some(1.5), place: Some("a[1]".into()) });
    assert_eq!(of_tensors(&ours, &ours.clone()).verdict(), Verdict::Equal);
}

#[test]
fn other_names_shapes_and_numbers_of_outputs_have_no_distance() {
    let ours = vec![named("a", &[1.0])];
    for theirs in [vec![], vec![named("b", &[1.0])], vec![named("a", &[1.0, 2.0])], vec![named("a", &[f32::NAN])]] {
        assert_eq!(of_tensors(&ours, &theirs).verdict(), Verdict::Differs(None), "{theirs:?}");
    }
}

#[test]
fn zeros_of_either_sign_and_equal_infinities_are_equal() {
    let ours = vec![named("a", &[0.0, f32::INFINITY, f32::NAN])];
    let theirs = vec![named("a", &[-0.0, f32::INFINITY, f32::NAN])];
    assert_eq!(of_tensors(&ours, &theirs).verdict(), Verdict::Equal);
}

#[test]
fn every_numeric_dtype_has_its_distance() {
    let check = |dtype, ours: &[u8], theirs: &[u8], expected| {
        let mut distance = Distance::none();
        between("x", &tensor(dtype, ours), &tensor(dtype, theirs), &mut distance);
        assert_eq!(distance.largest, expected, "{dtype}");
        assert!(distance.place.is_some(), "{dtype}");
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

#[test]
fn bodies_of_json_are_compared_value_by_value() {
    let check = |ours: &str, theirs: &str, values, largest, place: Option<&str>| {
        let distance = of_bodies((200, ours.as_bytes()), (200, theirs.as_bytes()));
        let expected = Distance { values, largest, place: place.map(str::to_owned) };
        assert_eq!(distance, expected, "{ours} and {theirs}");
    };
    check(r#"{"a": [1, 2]}"#, r#"{"a":[1.0,2]}"#, 0, Some(0.0), None);
    check(r#"{"a": [1, 2.5], "b": 7}"#, r#"{"a": [1.25, 3.5], "b": 7}"#, 2, Some(1.0), Some("$.a[1]"));
    check(r#"{"a": 1, "b": "x"}"#, r#"{"a": 2, "b": "y"}"#, 2, None, Some("$.b"));
    check(r#"{"a": 1}"#, r#"{"c": 1}"#, 2, None, Some("$.a"));
    check("[1, 2]", "[1]", 1, None, Some("$"));
    check("hello", "hullo", 1, None, Some("body"));
}

#[test]
fn another_status_differs_whatever_the_body() {
    let distance = of_bodies((200, b"1"), (500, b"1"));
    assert_eq!((distance.verdict(), distance.place.as_deref()), (Verdict::Differs(None), Some("status")));
}

#[test]
fn whole_numbers_too_large_for_a_double_still_differ() {
    let (ours, theirs) = (i64::MAX.to_le_bytes(), (i64::MAX - 1).to_le_bytes());
    let mut distance = Distance::none();
    between("x", &tensor(DType::I64, &ours), &tensor(DType::I64, &theirs), &mut distance);
    assert_eq!(distance.values, 1);
}
