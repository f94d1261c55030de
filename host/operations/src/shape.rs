//! Arithmetic on shapes and axes.

use scorehost_core::{DType, Described, Shape, TensorError};

use crate::OperationError;

/// Elements of a shape.
pub(crate) fn elements(shape: &[u64]) -> Result<u64, OperationError> {
    if shape.contains(&0) {
        return Ok(0);
    }
    let product = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim));
    Ok(product.ok_or_else(|| TensorError::Overflow(shape.to_vec()))?)
}

/// Bytes of a tensor of fixed-size elements.
pub(crate) fn bytes(dtype: DType, shape: &[u64]) -> Result<u64, OperationError> {
    let size = dtype.size().unwrap_or(1) as u64;
    let bytes = elements(shape)?.checked_mul(size).filter(|bytes| *bytes <= isize::MAX as u64);
    Ok(bytes.ok_or_else(|| TensorError::Overflow(shape.to_vec()))?)
}

/// The size of an element of a dtype that is not `Bytes`.
pub(crate) fn fixed(operation: &'static str, tensor: &impl Described) -> Result<usize, OperationError> {
    let dtype = tensor.dtype();
    dtype.size().ok_or(OperationError::DType { operation, dtype, expected: "elements of fixed size" })
}

/// An axis counted from the front; negative ones count from the back.
pub(crate) fn axis(operation: &'static str, axis: i64, rank: usize) -> Result<usize, OperationError> {
    let from_front = if axis < 0 { axis.checked_add(rank as i64) } else { Some(axis) };
    from_front.and_then(|axis| usize::try_from(axis).ok()).filter(|axis| *axis < rank).ok_or(OperationError::Axis {
        operation,
        axis,
        rank,
    })
}

/// A tensor seen as `outer` blocks of `length` slices of `inner` elements, `length` along one axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Split {
    pub(crate) outer: usize,
    pub(crate) length: usize,
    pub(crate) inner: usize,
}

impl Split {
    pub(crate) fn at(shape: &[u64], axis: usize) -> Self {
        let product = |dims: &[u64]| dims.iter().product::<u64>() as usize;
        Self { outer: product(&shape[..axis]), length: shape[axis] as usize, inner: product(&shape[axis + 1..]) }
    }
}

/// Row-major strides in elements.
pub(crate) fn strides(shape: &[u64]) -> smallvec::SmallVec<[isize; 6]> {
    let mut strides = smallvec::SmallVec::from_elem(1, shape.len());
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis] as isize;
    }
    strides
}

/// The shape without an axis, or with a dimension of 1 in its place.
pub(crate) fn without(shape: &[u64], axis: usize, keep: bool) -> Shape {
    let mut shape = Shape::from_slice(shape);
    if keep {
        shape[axis] = 1;
    } else {
        shape.remove(axis);
    }
    shape
}

/// The one tensor of an operation that takes one.
pub(crate) fn one<'a, T>(operation: &'static str, inputs: &'a [T]) -> Result<&'a T, OperationError> {
    match inputs {
        [one] => Ok(one),
        _ => Err(OperationError::Inputs { operation, given: inputs.len(), expected: "one" }),
    }
}

/// The two tensors of an operation that takes two.
pub(crate) fn two<'a, T>(operation: &'static str, inputs: &'a [T]) -> Result<(&'a T, &'a T), OperationError> {
    match inputs {
        [left, right] => Ok((left, right)),
        _ => Err(OperationError::Inputs { operation, given: inputs.len(), expected: "two" }),
    }
}
