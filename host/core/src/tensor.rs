//! Immutable tensors over shared bytes.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{DType, ErrorKind, Failure};

/// Dimensions; up to six without an allocation.
pub type Shape = SmallVec<[u64; 6]>;

/// Why bytes are not a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TensorError {
    /// The product of the dimensions does not fit 64 bits of bytes.
    #[error("shape {0:?} has more elements than any tensor can hold")]
    Overflow(Vec<u64>),
    /// Fixed-size elements need another number of bytes.
    #[error("{dtype} of shape {shape:?} needs {expected} bytes, got {actual}")]
    Length {
        /// Declared element type.
        dtype: DType,
        /// Declared shape.
        shape: Vec<u64>,
        /// Bytes that dtype and shape need.
        expected: u64,
        /// Bytes given.
        actual: u64,
    },
    /// A `BYTES` tensor whose length prefixes do not add up to its size or count.
    #[error("BYTES of shape {shape:?} needs {expected} length-prefixed elements, got {actual} and {rest} stray bytes")]
    Elements {
        /// Declared shape.
        shape: Vec<u64>,
        /// Elements the shape needs.
        expected: u64,
        /// Complete elements found.
        actual: u64,
        /// Bytes behind the last complete element.
        rest: u64,
    },
    /// A byte of a `BOOL` tensor that is neither 0 nor 1.
    #[error("BOOL element {index} is {value}, expected 0 or 1")]
    Bool {
        /// Index of the element.
        index: u64,
        /// The byte found.
        value: u8,
    },
    /// A slice outside the first dimension.
    #[error("rows {start}..{end} are outside the first dimension of shape {shape:?}")]
    Rows {
        /// First row asked for.
        start: u64,
        /// Row behind the last.
        end: u64,
        /// The tensor's shape.
        shape: Vec<u64>,
    },
    /// Another number of elements.
    #[error("shape {from:?} cannot become {to:?}: the numbers of elements differ")]
    Reshape {
        /// The tensor's shape.
        from: Vec<u64>,
        /// Shape asked for.
        to: Vec<u64>,
    },
}

impl From<TensorError> for Failure {
    fn from(error: TensorError) -> Self {
        Self::new(ErrorKind::InvalidInput, error.to_string())
    }
}

/// An immutable tensor: row-major little-endian elements in shared bytes. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub struct Tensor {
    dtype: DType,
    shape: Shape,
    data: Bytes,
}

/// A tensor under its input or output name.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Name of the input or output.
    pub name: Arc<str>,
    /// The value.
    pub tensor: Tensor,
}

impl NamedTensor {
    /// A tensor under a name.
    pub fn new(name: impl Into<Arc<str>>, tensor: Tensor) -> Self {
        Self { name: name.into(), tensor }
    }
}

/// Product of dimensions.
pub(crate) fn count(shape: &[u64]) -> Result<u64, TensorError> {
    // A zero anywhere makes the product zero whatever the order, so it must not be hidden by an overflow before it.
    if shape.contains(&0) {
        return Ok(0);
    }
    shape.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim)).ok_or_else(|| TensorError::Overflow(shape.to_vec()))
}

impl Tensor {
    /// The tensor of `data` under dtype and shape; shares `data`, copies nothing.
    ///
    /// # Errors
    /// When the length of `data` does not fit, a `Bool` is neither 0 nor 1, or `Bytes` elements do not add up.
    pub fn new(dtype: DType, shape: impl Into<Shape>, data: Bytes) -> Result<Self, TensorError> {
        let shape = shape.into();
        let elements = count(&shape)?;
        match dtype.size() {
            Some(size) => {
                let overflow = || TensorError::Overflow(shape.to_vec());
                let expected = elements.checked_mul(size as u64).ok_or_else(overflow)?;
                let actual = data.len() as u64;
                if expected != actual {
                    return Err(TensorError::Length { dtype, shape: shape.to_vec(), expected, actual });
                }
            }
            None => check_prefixes(&shape, elements, &data)?,
        }
        if dtype == DType::Bool
            && let Some(index) = data.iter().position(|byte| *byte > 1)
        {
            return Err(TensorError::Bool { index: index as u64, value: data[index] });
        }
        Ok(Self { dtype, shape, data })
    }

    /// A `Bytes` tensor of the given elements.
    ///
    /// # Errors
    /// When their number does not fit the shape.
    pub fn from_byte_strings<E: AsRef<[u8]>>(
        shape: impl Into<Shape>,
        elements: impl IntoIterator<Item = E>,
    ) -> Result<Self, TensorError> {
        let mut data = Vec::new();
        for element in elements {
            let element = element.as_ref();
            data.extend_from_slice(&(element.len() as u32).to_le_bytes());
            data.extend_from_slice(element);
        }
        Self::new(DType::Bytes, shape, data.into())
    }

    /// An `F32` tensor of the given values.
    ///
    /// # Errors
    /// When their number does not fit the shape.
    pub fn from_f32(shape: impl Into<Shape>, values: &[f32]) -> Result<Self, TensorError> {
        let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::new(DType::F32, shape, data.into())
    }

    /// Element type.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        self.dtype
    }

    /// Dimensions.
    #[must_use]
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Number of elements.
    #[must_use]
    pub fn elements(&self) -> u64 {
        // Checked when the tensor was made.
        self.shape.iter().product()
    }

    /// The elements, row-major, little-endian. Not necessarily aligned to the element size.
    #[must_use]
    pub const fn data(&self) -> &Bytes {
        &self.data
    }

    /// The elements of a `Bytes` tensor in order; nothing for other dtypes.
    pub fn byte_strings(&self) -> impl Iterator<Item = &[u8]> {
        let data: &[u8] = if self.dtype == DType::Bytes { &self.data } else { &[] };
        Prefixed { data }
    }

    /// The same elements under another shape, no copy.
    ///
    /// # Errors
    /// When the numbers of elements differ.
    pub fn reshape(&self, shape: impl Into<Shape>) -> Result<Self, TensorError> {
        let shape = shape.into();
        if count(&shape)? != self.elements() {
            return Err(TensorError::Reshape { from: self.shape.to_vec(), to: shape.to_vec() });
        }
        Ok(Self { dtype: self.dtype, shape, data: self.data.clone() })
    }

    /// Rows `start..end` of the first dimension, no copy.
    ///
    /// # Errors
    /// When the range is not within the first dimension, or there is none.
    pub fn rows(&self, start: u64, end: u64) -> Result<Self, TensorError> {
        let outside = || TensorError::Rows { start, end, shape: self.shape.to_vec() };
        let rows = *self.shape.first().ok_or_else(outside)?;
        if start > end || end > rows {
            return Err(outside());
        }
        let per_row: u64 = self.shape[1..].iter().product();
        let range = match self.dtype.size() {
            Some(size) => (start * per_row) as usize * size..(end * per_row) as usize * size,
            None => self.prefixed_offset(start * per_row)..self.prefixed_offset(end * per_row),
        };
        let mut shape = self.shape.clone();
        shape[0] = end - start;
        Ok(Self { dtype: self.dtype, shape, data: self.data.slice(range) })
    }

    fn prefixed_offset(&self, element: u64) -> usize {
        let mut rest = Prefixed { data: &self.data };
        for _ in 0..element {
            rest.next();
        }
        self.data.len() - rest.data.len()
    }
}

/// Splits length-prefixed elements off the front of `data`; stops at the first incomplete one.
struct Prefixed<'a> {
    data: &'a [u8],
}

impl<'a> Iterator for Prefixed<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (prefix, rest) = self.data.split_first_chunk::<4>()?;
        let (element, rest) = rest.split_at_checked(u32::from_le_bytes(*prefix) as usize)?;
        self.data = rest;
        Some(element)
    }
}

fn check_prefixes(shape: &[u64], expected: u64, data: &[u8]) -> Result<(), TensorError> {
    let mut elements = Prefixed { data };
    let actual = elements.by_ref().count() as u64;
    let rest = elements.data.len() as u64;
    if actual == expected && rest == 0 {
        return Ok(());
    }
    Err(TensorError::Elements { shape: shape.to_vec(), expected, actual, rest })
}

#[cfg(test)]
mod tests;
