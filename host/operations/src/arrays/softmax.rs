use scorehost_core::{Described, Tensor};

use super::cast::{as_dtype, computed_in};
use crate::element::{is_float, tensor, view};
use crate::plan::Pace;
use crate::shape::{Split, axis, one};
use crate::{OperationError, Plan, Watch};

/// Exponentials of the elements along an axis, divided by their sum. Shorter floats are computed in `fp32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// The axis; negative ones count from the back.
    pub axis: i32,
}

impl Softmax {
    pub(crate) const NAME: &'static str = "softmax";

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let dtype = input.dtype();
        if !is_float(dtype) {
            return Err(OperationError::DType { operation: Self::NAME, dtype, expected: "floating-point numbers" });
        }
        axis(Self::NAME, self.axis.into(), input.shape().len())?;
        let elements = input.elements();
        Ok(Plan::of(elements.saturating_mul(8), 0.0).with_nanos(elements.saturating_mul(6)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let split = Split::at(input.shape(), axis(Self::NAME, self.axis.into(), input.shape().len())?);
        let wide = as_dtype(input, computed_in(input.dtype()))?;
        let result = if wide.dtype() == scorehost_core::DType::F64 {
            let mut values = view::<f64>(&wide).into_owned();
            softmax(&mut values, split, f64::exp, watch)?;
            tensor(input.shape(), values)?
        } else {
            let mut values = view::<f32>(&wide).into_owned();
            softmax(&mut values, split, f32::exp, watch)?;
            tensor(input.shape(), values)?
        };
        Ok(vec![as_dtype(&result, input.dtype())?])
    }
}

fn softmax<T>(values: &mut [T], split: Split, exp: fn(T) -> T, watch: &Watch<'_>) -> Result<(), OperationError>
where
    T: crate::element::Element + std::ops::Sub<Output = T> + std::ops::AddAssign + std::ops::DivAssign,
{
    let Split { length, inner, .. } = split;
    if length * inner == 0 {
        return Ok(());
    }
    let mut pace = Pace::new(watch);
    let mut greatest = vec![T::lowest(); inner];
    let mut sums = vec![T::default(); inner];
    for block in values.chunks_exact_mut(length * inner) {
        greatest.fill(T::lowest());
        sums.fill(T::default());
        for row in block.chunks_exact(inner) {
            greatest.iter_mut().zip(row).for_each(|(most, value)| *most = if *value > *most { *value } else { *most });
        }
        for row in block.chunks_exact_mut(inner) {
            pace.step(6 * inner)?;
            for ((value, most), sum) in row.iter_mut().zip(&greatest).zip(&mut sums) {
                *value = exp(*value - *most);
                *sum += *value;
            }
        }
        for row in block.chunks_exact_mut(inner) {
            row.iter_mut().zip(&sums).for_each(|(value, sum)| *value /= *sum);
        }
    }
    Ok(())
}
