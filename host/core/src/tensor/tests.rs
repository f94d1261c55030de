#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;

use super::*;

fn shape(dims: &[u64]) -> Shape {
    Shape::from_slice(dims)
}

#[test]
fn length_must_fit_dtype_and_shape() {
    let error = Tensor::new(DType::F32, shape(&[2, 3]), Bytes::from(vec![0; 23])).unwrap_err();
    assert_eq!(error.to_string(), "FP32 of shape [2, 3] needs 24 bytes, got 23");
}

#[test]
fn huge_shapes_are_refused_without_allocating() {
    let error = Tensor::new(DType::U8, shape(&[u64::MAX, 2]), Bytes::new()).unwrap_err();
    assert_eq!(error, TensorError::Overflow(vec![u64::MAX, 2]));
    let error = Tensor::new(DType::F64, shape(&[u64::MAX / 4]), Bytes::new()).unwrap_err();
    assert!(matches!(error, TensorError::Overflow(_)));
}

#[test]
fn a_zero_dimension_makes_an_empty_tensor_whatever_the_others() {
    let tensor = Tensor::new(DType::F32, shape(&[u64::MAX, 2, 0]), Bytes::new()).unwrap();
    assert_eq!(tensor.elements(), 0);
}

#[test]
fn bool_bytes_are_zero_or_one() {
    let error = Tensor::new(DType::Bool, shape(&[3]), Bytes::from_static(&[0, 1, 2])).unwrap_err();
    assert_eq!(error, TensorError::Bool { index: 2, value: 2 });
}

#[test]
fn byte_strings_round_trip() {
    let tensor = Tensor::from_byte_strings(shape(&[3]), ["a", "", "long"]).unwrap();
    let elements: Vec<&[u8]> = tensor.byte_strings().collect();
    assert_eq!(elements, [b"a".as_slice(), b"", b"long"]);
}

#[test]
fn truncated_byte_strings_are_counted() {
    let error = Tensor::new(DType::Bytes, shape(&[2]), Bytes::from_static(&[1, 0, 0, 0, 7, 9, 0])).unwrap_err();
    assert_eq!(error, TensorError::Elements { shape: vec![2], expected: 2, actual: 1, rest: 2 });
}

#[test]
fn rows_share_the_bytes() {
    let tensor = Tensor::from_f32(shape(&[3, 2]), &[0., 1., 2., 3., 4., 5.]).unwrap();
    let rows = tensor.rows(1, 3).unwrap();
    assert_eq!(rows.shape(), [2, 2]);
    assert_eq!(rows.data().as_ptr(), tensor.data()[8..].as_ptr());
    assert_eq!(rows.data()[..4], 2f32.to_le_bytes());
}

#[test]
fn rows_of_byte_strings_cut_at_elements() {
    let tensor = Tensor::from_byte_strings(shape(&[3]), ["a", "bc", "d"]).unwrap();
    let rows = tensor.rows(1, 2).unwrap();
    assert_eq!(rows.byte_strings().collect::<Vec<_>>(), [b"bc"]);
    assert_eq!(rows.data().len(), 6);
}

#[test]
fn rows_outside_are_refused() {
    let tensor = Tensor::from_f32(shape(&[1]), &[0.]).unwrap();
    assert!(matches!(tensor.rows(0, 2), Err(TensorError::Rows { .. })));
    let scalar = Tensor::from_f32(shape(&[]), &[0.]).unwrap();
    assert!(matches!(scalar.rows(0, 0), Err(TensorError::Rows { .. })));
}

#[test]
fn reshape_keeps_the_number_of_elements() {
    let tensor = Tensor::from_f32(shape(&[2, 2]), &[0.; 4]).unwrap();
    assert_eq!(tensor.reshape(shape(&[4])).unwrap().shape(), [4]);
    assert!(matches!(tensor.reshape(shape(&[3])), Err(TensorError::Reshape { .. })));
}
