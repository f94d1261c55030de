#![expect(unsafe_code, reason = "the gemm crate takes pointers and strides; this is its only caller in the room")]

use gemm::Parallelism;
use scorehost_core::{DType, Described, Shape, Tensor};

use super::cast::{as_dtype, computed_in};
use crate::element::{Element, is_float, tensor, view};
use crate::shape::{bytes, two};
use crate::{OperationError, Plan, Watch};

/// Products of matrices as numpy's `matmul`: the last two axes are multiplied, those before them are batches, repeated where
/// they are 1 or missing; a tensor of one axis is a row on the left, a column on the right. Floats only; shorter ones are
/// computed in `fp32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matmul;

/// Multiplications between two questions of the watch.
const STEP: usize = 1 << 24;

/// What is multiplied.
struct Product {
    /// Batches of the result.
    batches: Shape,
    /// Those of either side.
    left: Shape,
    right: Shape,
    rows: usize,
    inner: usize,
    columns: usize,
    /// The result's shape, without axes that a vector does not have.
    shape: Shape,
}

impl Matmul {
    pub(crate) const NAME: &'static str = "matmul";

    fn product(left: &impl Described, right: &impl Described) -> Result<Product, OperationError> {
        let unfit = || {
            let rule =
                "one floating-point dtype, as many columns on the left as rows on the right, and batches that fit";
            OperationError::mismatch(Self::NAME, left, right, rule)
        };
        let ((a, b), dtype) = ((left.shape(), right.shape()), left.dtype());
        if !is_float(dtype) || dtype != right.dtype() || a.is_empty() || b.is_empty() {
            return Err(unfit());
        }
        let (batch_a, rows, inner) = match a {
            [inner] => (&a[..0], 1, *inner),
            [batches @ .., rows, inner] => (batches, *rows, *inner),
            [] => return Err(unfit()),
        };
        let (batch_b, depth, columns) = match b {
            [depth] => (&b[..0], *depth, 1),
            [batches @ .., depth, columns] => (batches, *depth, *columns),
            [] => return Err(unfit()),
        };
        let rank = batch_a.len().max(batch_b.len());
        let dim = |dims: &[u64], at: usize| (at + dims.len()).checked_sub(rank).map_or(1, |at| dims[at]);
        let batch = |at: usize| match (dim(batch_a, at), dim(batch_b, at)) {
            (a, b) if a == b => Some(a),
            (1, b) => Some(b),
            (a, 1) => Some(a),
            _ => None,
        };
        let batches: Option<Shape> = (0..rank).map(batch).collect();
        let batches = batches.filter(|_| inner == depth).ok_or_else(unfit)?;
        let mut shape = batches.clone();
        shape.extend((a.len() > 1).then_some(rows));
        shape.extend((b.len() > 1).then_some(columns));
        Ok(Product {
            batches,
            left: batch_a.into(),
            right: batch_b.into(),
            rows: rows as usize,
            inner: inner as usize,
            columns: columns as usize,
            shape,
        })
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (left, right) = two(Self::NAME, inputs)?;
        let product = Self::product(left, right)?;
        let out = bytes(DType::F64, &product.shape)?;
        let scratch =
            if matches!(left.dtype(), DType::F32 | DType::F64) { 0 } else { left.byte_len() + right.byte_len() };
        // About ten multiplications in a nanosecond.
        let work = (out / 8).saturating_mul(product.inner as u64) / 10;
        Ok(Plan::of(out, 0.0).with_scratch(2 * scratch).with_nanos(work))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (left, right) = two(Self::NAME, inputs)?;
        let (product, dtype) = (Self::product(left, right)?, computed_in(left.dtype()));
        let (wide_left, wide_right) = (as_dtype(left, dtype)?, as_dtype(right, dtype)?);
        let result = if dtype == DType::F64 {
            tensor(
                product.shape.clone(),
                product.multiplied(&view::<f64>(&wide_left), &view::<f64>(&wide_right), 1.0, watch)?,
            )?
        } else {
            tensor(
                product.shape.clone(),
                product.multiplied(&view::<f32>(&wide_left), &view::<f32>(&wide_right), 1.0, watch)?,
            )?
        };
        Ok(vec![as_dtype(&result, left.dtype())?])
    }
}

impl Product {
    fn multiplied<T: Element>(
        &self,
        left: &[T],
        right: &[T],
        one: T,
        watch: &Watch<'_>,
    ) -> Result<Vec<T>, OperationError> {
        let count = self.batches.iter().product::<u64>() as usize;
        let (of_left, of_right, of_result) =
            (self.rows * self.inner, self.inner * self.columns, self.rows * self.columns);
        let mut result = vec![T::default(); count * of_result];
        if of_result == 0 || self.inner == 0 {
            return Ok(result);
        }
        let at_once = (STEP / (self.inner * self.columns)).clamp(1, self.rows);
        for (batch, result) in result.chunks_exact_mut(of_result).enumerate() {
            let a = &left[self.place(batch, &self.left) * of_left..][..of_left];
            let b = &right[self.place(batch, &self.right) * of_right..][..of_right];
            let rows = a.chunks(at_once * self.inner).zip(result.chunks_mut(at_once * self.columns));
            for (a, result) in rows {
                watch.check()?;
                multiply(a, b, result, (self.inner, self.columns), one);
            }
        }
        Ok(result)
    }

    /// Which of a side's matrices takes part in a batch; `side` are the side's own batches.
    fn place(&self, batch: usize, side: &[u64]) -> usize {
        let (mut rest, mut place, mut stride) = (batch, 0, 1);
        let missing = self.batches.len() - side.len();
        for (axis, length) in self.batches.iter().enumerate().rev() {
            let (index, length) = (rest % *length as usize, *length as usize);
            rest /= length;
            if let Some(own) = axis.checked_sub(missing).map(|axis| side[axis] as usize) {
                place += if own == 1 { 0 } else { index * stride };
                stride *= own;
            }
        }
        place
    }
}

/// `result = left * right`, all row-major.
fn multiply<T: Element>(left: &[T], right: &[T], result: &mut [T], (inner, columns): (usize, usize), one: T) {
    let rows = result.len() / columns;
    debug_assert!(left.len() == rows * inner && right.len() == inner * columns);
    // SAFETY: the slices hold `rows * inner`, `inner * columns` and `rows * columns` elements at these strides, and the result
    // overlaps with neither. Element types are `f32` or `f64`, which gemm knows.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            result.as_mut_ptr(),
            1,
            columns as isize,
            false,
            left.as_ptr(),
            1,
            inner as isize,
            right.as_ptr(),
            1,
            columns as isize,
            T::default(),
            one,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
