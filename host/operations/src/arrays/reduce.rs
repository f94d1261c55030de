use scorehost_core::{DType, Described, Shape, Tensor};
use smallvec::SmallVec;

use super::cast::{as_dtype, to_f64};
use crate::element::{Element, check_numeric, is_float, numeric, tensor, view};
use crate::plan::Pace;
use crate::shape::{Split, axis, bytes, one, without};
use crate::{OperationError, Plan, Watch};

/// What becomes of several numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their sum: `i64` for integers, wrapping around; floats keep their dtype and are added in `fp64`.
    Sum,
    /// Their mean: `fp64` for integers; floats keep their dtype and are added in `fp64`. NaN of none.
    Mean,
    /// The greatest; NaN only where there is nothing else. An error of none.
    Max,
    /// The least, likewise.
    Min,
}

/// Fewer numbers along some axes.
#[derive(Clone, Debug, PartialEq)]
pub struct Reduce {
    /// What becomes of them.
    pub reduction: Reduction,
    /// The axes; negative ones count from the back, empty means all.
    pub axes: Vec<i32>,
    /// Whether the axes stay, with a dimension of 1.
    pub keep_dims: bool,
}

impl Reduce {
    pub(crate) const NAME: &'static str = "reduce";

    /// The axes, ascending.
    fn axes(&self, rank: usize) -> Result<SmallVec<[usize; 6]>, OperationError> {
        if self.axes.is_empty() {
            return Ok((0..rank).collect());
        }
        let mut axes: SmallVec<[usize; 6]> =
            self.axes.iter().map(|at| axis(Self::NAME, (*at).into(), rank)).collect::<Result<_, _>>()?;
        axes.sort_unstable();
        if axes.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(OperationError::argument(Self::NAME, "axes", &self.axes, "each axis once"));
        }
        Ok(axes)
    }

    fn dtype(&self, dtype: DType) -> DType {
        match self.reduction {
            Reduction::Max | Reduction::Min => dtype,
            _ if is_float(dtype) => dtype,
            Reduction::Sum => DType::I64,
            Reduction::Mean => DType::F64,
        }
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        check_numeric(Self::NAME, input.dtype())?;
        let axes = self.axes(input.shape().len())?;
        let empty = axes.iter().any(|axis| input.shape()[*axis] == 0);
        if empty && matches!(self.reduction, Reduction::Max | Reduction::Min) {
            return Err(OperationError::shape(Self::NAME, input.shape(), "at least one element along each axis"));
        }
        let mut shape = Shape::from_slice(input.shape());
        axes.iter().for_each(|axis| shape[*axis] = 1);
        // Sums are made of a copy in `fp64` where the elements are shorter.
        let scratch = input.elements().saturating_mul(8);
        let plan = Plan::of(bytes(self.dtype(input.dtype()), &shape)?, 0.0).with_scratch(scratch);
        Ok(plan.with_nanos(input.elements().saturating_mul(2)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let axes = self.axes(input.shape().len())?;
        let to = self.dtype(input.dtype());
        let result = match self.reduction {
            Reduction::Max => numeric!(Self::NAME, input.dtype(), T => {
                self.folded(&view::<T>(input), input.shape(), &axes, |a, b| if b > a || a.partial_cmp(&a).is_none() { b } else { a }, watch)
            }),
            Reduction::Min => numeric!(Self::NAME, input.dtype(), T => {
                self.folded(&view::<T>(input), input.shape(), &axes, |a, b| if b < a || a.partial_cmp(&a).is_none() { b } else { a }, watch)
            }),
            Reduction::Sum if to == DType::I64 => {
                let wide = as_dtype(input, DType::I64)?;
                self.folded(&view::<i64>(&wide), input.shape(), &axes, i64::wrapping_add, watch)
            }
            Reduction::Sum | Reduction::Mean => self.added(input, &axes, to, watch),
        };
        Ok(vec![result?])
    }

    /// Sum or mean in `fp64`.
    fn added(&self, input: &Tensor, axes: &[usize], to: DType, watch: &Watch<'_>) -> Result<Tensor, OperationError> {
        let wide: Vec<f64> = numeric!(Self::NAME, input.dtype(), T => Ok(to_f64(&view::<T>(input))))?;
        let count: u64 = axes.iter().map(|axis| input.shape()[*axis]).product();
        let (sums, shape) = self.reduced(&wide, input.shape(), axes, |a, b| a + b, watch)?;
        let divisor = if self.reduction == Reduction::Mean { count as f64 } else { 1.0 };
        let result = tensor(shape, sums.into_iter().map(|sum| sum / divisor).collect::<Vec<f64>>())?;
        as_dtype(&result, to)
    }

    fn folded<T: Element>(
        &self,
        elements: &[T],
        shape: &[u64],
        axes: &[usize],
        fold: impl Fn(T, T) -> T,
        watch: &Watch<'_>,
    ) -> Result<Tensor, OperationError> {
        let (elements, shape) = self.reduced(elements, shape, axes, fold, watch)?;
        tensor(shape, elements)
    }

    /// Folds one axis after the other, the last first, so that axes before it keep their place. Sums of nothing are 0.
    fn reduced<T: Element>(
        &self,
        elements: &[T],
        shape: &[u64],
        axes: &[usize],
        fold: impl Fn(T, T) -> T,
        watch: &Watch<'_>,
    ) -> Result<(Vec<T>, Shape), OperationError> {
        let mut shape = Shape::from_slice(shape);
        let mut elements = std::borrow::Cow::Borrowed(elements);
        for axis in axes.iter().rev() {
            elements = folded_along(&elements, Split::at(&shape, *axis), &fold, watch)?.into();
            shape = without(&shape, *axis, self.keep_dims);
        }
        Ok((elements.into_owned(), shape))
    }
}

fn folded_along<T: Element>(
    elements: &[T],
    Split { outer, length, inner }: Split,
    fold: impl Fn(T, T) -> T,
    watch: &Watch<'_>,
) -> Result<Vec<T>, OperationError> {
    if length == 0 {
        return Ok(vec![T::default(); outer * inner]);
    }
    let mut result = Vec::with_capacity(outer * inner);
    if inner == 0 {
        return Ok(result);
    }
    let mut pace = Pace::new(watch);
    for block in elements.chunks_exact(length * inner) {
        pace.step(block.len() + 8)?;
        if inner == 1 {
            result.extend(block.iter().copied().reduce(&fold));
            continue;
        }
        let (first, rest) = block.split_at(inner);
        let start = result.len();
        result.extend_from_slice(first);
        for row in rest.chunks_exact(inner) {
            result[start..].iter_mut().zip(row).for_each(|(value, next)| *value = fold(*value, *next));
        }
    }
    Ok(result)
}
