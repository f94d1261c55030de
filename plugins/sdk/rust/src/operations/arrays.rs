use super::{Comparison, Handle, Operator, Range, Reduction, result};
use crate::bindings::operations::scorehost::operations::arrays as host;
use crate::{DType, Error, Result, Tensor};

/// The right side of an operation on elements.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// A tensor of the same dtype; broadcast as in numpy.
    Tensor(&'a Tensor),
    /// A number that the dtype can hold.
    Scalar(f64),
}

impl<'a> From<&'a Tensor> for Operand<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl From<f64> for Operand<'_> {
    fn from(scalar: f64) -> Self {
        Self::Scalar(scalar)
    }
}

impl Range {
    /// The whole axis.
    pub const ALL: Self = Self { start: None, end: None, step: 1 };
}

impl From<std::ops::Range<i64>> for Range {
    fn from(range: std::ops::Range<i64>) -> Self {
        Self { start: Some(range.start), end: Some(range.end), step: 1 }
    }
}

fn handles<'a>(tensors: &[&'a Tensor]) -> Vec<&'a Handle> {
    tensors.iter().map(|tensor| tensor.handle()).collect()
}

fn lengths(shape: &[usize]) -> Vec<u64> {
    shape.iter().map(|length| *length as u64).collect()
}

/// Tensors one behind the other along an axis they have.
///
/// # Errors
/// See the [module](crate::operations).
pub fn concat(tensors: &[&Tensor], axis: i32) -> Result<Tensor> {
    result(host::concat(&handles(tensors), axis))
}

/// Tensors of one shape along a new axis.
///
/// # Errors
/// See the [module](crate::operations).
pub fn stack(tensors: &[&Tensor], axis: i32) -> Result<Tensor> {
    result(host::stack(&handles(tensors), axis))
}

/// Tensors of one rank along a new first axis, each filled up at the end of its axes: to `shape`, or to the greatest length of each
/// axis where that is empty.
///
/// # Errors
/// See the [module](crate::operations).
pub fn stack_padded(tensors: &[&Tensor], shape: &[usize], fill: f64) -> Result<Tensor> {
    result(host::stack_padded(&handles(tensors), &lengths(shape), fill))
}

/// Operations in the host; see [`operations`](crate::operations).
impl Tensor {
    /// The same numbers as another dtype: integers wrap around, floats become integers toward zero and saturate.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn cast(&self, to: DType) -> Result<Self> {
        result(host::cast(self.handle(), to))
    }

    /// Axes in another order; empty reverses all.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn transpose(&self, axes: &[u32]) -> Result<Self> {
        result(host::transpose(self.handle(), axes))
    }

    /// A part of the leading axes, as numpy's slicing. [`Tensor::slice`] cuts rows of the first axis.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn slice_axes(&self, ranges: &[Range]) -> Result<Self> {
        result(host::slice(self.handle(), ranges))
    }

    /// A margin of `fill`: elements before the first and behind the last of each axis.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn pad(&self, before: &[usize], after: &[usize], fill: f64) -> Result<Self> {
        result(host::pad(self.handle(), &lengths(before), &lengths(after), fill))
    }

    /// Slices along an axis by `i32` or `i64` indices; negative ones count from the end.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn gather(&self, indices: &Self, axis: i32) -> Result<Self> {
        result(host::gather(self.handle(), indices.handle(), axis))
    }

    /// The sum with a tensor or a number.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn add<'a>(&self, right: impl Into<Operand<'a>>) -> Result<Self> {
        self.arithmetic(Operator::Add, right)
    }

    /// The difference from a tensor or a number.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn subtract<'a>(&self, right: impl Into<Operand<'a>>) -> Result<Self> {
        self.arithmetic(Operator::Subtract, right)
    }

    /// The product with a tensor or a number.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn multiply<'a>(&self, right: impl Into<Operand<'a>>) -> Result<Self> {
        self.arithmetic(Operator::Multiply, right)
    }

    /// The quotient by a tensor or a number.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn divide<'a>(&self, right: impl Into<Operand<'a>>) -> Result<Self> {
        self.arithmetic(Operator::Divide, right)
    }

    /// What `operator` makes of the elements and a tensor or a number.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn arithmetic<'a>(&self, operator: Operator, right: impl Into<Operand<'a>>) -> Result<Self> {
        result(match right.into() {
            Operand::Tensor(right) => host::arithmetic(operator, self.handle(), right.handle()),
            Operand::Scalar(right) => host::arithmetic_scalar(operator, self.handle(), right),
        })
    }

    /// Which elements compare with a number so, as [`DType::Bool`].
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn compare(&self, comparison: Comparison, right: f64) -> Result<Self> {
        result(host::compare(comparison, self.handle(), right))
    }

    /// Elements no lower than `minimum` and no higher than `maximum`.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn clip(&self, minimum: f64, maximum: f64) -> Result<Self> {
        result(host::clip(self.handle(), minimum, maximum))
    }

    /// Exponentials along an axis, divided by their sum.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn softmax(&self, axis: i32) -> Result<Self> {
        result(host::softmax(self.handle(), axis))
    }

    /// Products of matrices.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn matmul(&self, right: &Self) -> Result<Self> {
        result(host::matmul(self.handle(), right.handle()))
    }

    /// Sums, means, maxima or minima along some axes (empty: all), which stay with a length of 1 where `keep_dims`.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn reduce(&self, reduction: Reduction, axes: &[i32], keep_dims: bool) -> Result<Self> {
        result(host::reduce(reduction, self.handle(), axes, keep_dims))
    }

    /// The index of the greatest element along an axis, as `i64`.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn argmax(&self, axis: i32) -> Result<Self> {
        result(host::argmax(self.handle(), axis, false))
    }

    /// The `k` greatest (or least) elements along an axis, in order, and their indices as `i64`.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn top_k(&self, k: usize, axis: i32, largest: bool) -> Result<(Self, Self)> {
        let found = host::top_k(self.handle(), k as u64, axis, largest).map_err(Error::from_host)?;
        Ok((Self::from_handle(found.0), Self::from_handle(found.1)))
    }
}
