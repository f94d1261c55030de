use std::cmp::Ordering;

use scorehost_core::{DType, Described, Tensor};

use crate::element::{Element, check_numeric, numeric, tensor, view};
use crate::plan::Pace;
use crate::shape::{Split, axis, bytes, one, without};
use crate::{OperationError, Plan, Watch};

/// The index of the greatest element along an axis, as `i64`: the first of several, and NaN only where there is nothing else.
#[derive(Clone, Debug, PartialEq)]
pub struct Argmax {
    /// The axis; negative ones count from the back.
    pub axis: i32,
    /// Whether the axis stays, with a dimension of 1.
    pub keep_dims: bool,
}

/// The `k` greatest or least elements along an axis, in order, and their indices as `i64`. Of equal elements the first comes first;
/// NaN comes last.
#[derive(Clone, Debug, PartialEq)]
pub struct TopK {
    /// How many.
    pub k: u64,
    /// The axis; negative ones count from the back.
    pub axis: i32,
    /// The greatest; else the least.
    pub largest: bool,
}

/// Numbers looked at together, so that the machine compares many at a time.
const LANES: usize = 32;

/// The first index of the greatest element; 0 where all are NaN.
fn greatest<T: Element>(elements: &[T]) -> usize {
    let more = |most: T, value: T| if value > most { value } else { most };
    let chunks = elements.chunks_exact(LANES);
    let mut lanes = [T::lowest(); LANES];
    let rest = chunks.remainder();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(most, value)| *most = more(*most, *value));
    }
    let most = lanes.into_iter().chain(rest.iter().copied()).fold(T::lowest(), more);
    elements.iter().position(|element| *element == most).unwrap_or(0)
}

/// The elements of one line along the axis, in order.
fn line<T: Element>(block: &[T], split: Split, at: usize, line: &mut Vec<T>) {
    line.clear();
    line.extend(block[at..].iter().step_by(split.inner).take(split.length));
}

/// Calls `each` with every line along the axis.
fn lines<T: Element>(
    elements: &[T],
    split: Split,
    watch: &Watch<'_>,
    mut each: impl FnMut(&[T]),
) -> Result<(), OperationError> {
    let mut pace = Pace::new(watch);
    let block = split.length * split.inner;
    let mut gathered = Vec::new();
    for block in elements.chunks_exact(block.max(1)) {
        for at in 0..split.inner {
            pace.step(split.length + 8)?;
            if split.inner == 1 {
                each(block);
            } else {
                line(block, split, at, &mut gathered);
                each(&gathered);
            }
        }
    }
    Ok(())
}

impl Argmax {
    pub(crate) const NAME: &'static str = "argmax";

    fn axis(&self, input: &impl Described) -> Result<usize, OperationError> {
        check_numeric(Self::NAME, input.dtype())?;
        let axis = axis(Self::NAME, self.axis.into(), input.shape().len())?;
        if input.shape()[axis] == 0 {
            return Err(OperationError::shape(Self::NAME, input.shape(), "at least one element along the axis"));
        }
        Ok(axis)
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let axis = self.axis(input)?;
        let plan = Plan::of(bytes(DType::I64, &without(input.shape(), axis, false))?, 0.0);
        Ok(plan.with_scratch(input.shape()[axis].saturating_mul(8)).with_nanos(input.elements()))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let axis = self.axis(input)?;
        let split = Split::at(input.shape(), axis);
        let mut indices: Vec<i64> = Vec::with_capacity(split.outer * split.inner);
        let found = numeric!(Self::NAME, input.dtype(), T => {
            lines(&view::<T>(input), split, watch, |line| indices.push(greatest(line) as i64))
        });
        found?;
        Ok(vec![tensor(without(input.shape(), axis, self.keep_dims), indices)?])
    }
}

impl TopK {
    pub(crate) const NAME: &'static str = "top-k";

    fn axis(&self, input: &impl Described) -> Result<usize, OperationError> {
        check_numeric(Self::NAME, input.dtype())?;
        let axis = axis(Self::NAME, self.axis.into(), input.shape().len())?;
        let length = input.shape()[axis];
        if self.k > length {
            return Err(OperationError::argument(
                Self::NAME,
                "k",
                self.k,
                format!("at most {length}, the length of the axis"),
            ));
        }
        Ok(axis)
    }

    fn shape(&self, input: &impl Described, axis: usize) -> scorehost_core::Shape {
        let mut shape = scorehost_core::Shape::from_slice(input.shape());
        shape[axis] = self.k;
        shape
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let axis = self.axis(input)?;
        let shape = self.shape(input, axis);
        let outputs = bytes(input.dtype(), &shape)?.saturating_add(bytes(DType::I64, &shape)?);
        let scratch = outputs.saturating_add(input.shape()[axis].saturating_mul(24));
        Ok(Plan::of(outputs, 2.0).with_scratch(scratch).with_nanos(input.elements().saturating_mul(if self.k == 1 {
            1
        } else {
            6
        })))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let axis = self.axis(input)?;
        let (split, shape) = (Split::at(input.shape(), axis), self.shape(input, axis));
        numeric!(Self::NAME, input.dtype(), T => {
            let (mut values, mut indices) = (Vec::<T>::new(), Vec::<i64>::new());
            let mut order = Vec::new();
            lines(&view::<T>(input), split, watch, |line| {
                self.best(line, &mut order);
                values.extend(order.iter().map(|at| line[*at]));
                indices.extend(order.iter().map(|at| *at as i64));
            })?;
            let back = |count: usize| Split { outer: split.outer, length: count, inner: split.inner };
            let k = self.k as usize;
            Ok(vec![
                tensor(shape.clone(), transposed(&values, back(k)))?,
                tensor(shape, transposed(&indices, back(k)))?,
            ])
        })
    }

    /// The indices of the best `k` of a line into `order`.
    fn best<T: Element>(&self, line: &[T], order: &mut Vec<usize>) {
        let k = self.k as usize;
        order.clear();
        if k == 1 && self.largest {
            order.push(greatest(line));
            return;
        }
        order.extend(0..line.len());
        let compare = |a: &usize, b: &usize| self.before(line[*a], line[*b]).then(a.cmp(b));
        if k > 0 && k < line.len() {
            order.select_nth_unstable_by(k - 1, compare);
        }
        order.truncate(k);
        order.sort_unstable_by(compare);
    }

    /// `Less` where `a` comes before `b`.
    fn before<T: Element>(&self, a: T, b: T) -> Ordering {
        let order = match a.partial_cmp(&b) {
            Some(order) => order,
            // NaN behind everything, whichever way.
            None => return is_nan(a).cmp(&is_nan(b)),
        };
        if self.largest { order.reverse() } else { order }
    }
}

/// Whether a value is not even equal to itself; integers always are.
fn is_nan<T: Element>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

/// Lines that were found one after the other, put back along their axis.
fn transposed<T: Element>(lines: &[T], split: Split) -> Vec<T> {
    if split.inner == 1 {
        return lines.to_vec();
    }
    let block = split.length * split.inner;
    let mut result = vec![T::default(); lines.len()];
    for (from, to) in lines.chunks_exact(block.max(1)).zip(result.chunks_exact_mut(block.max(1))) {
        for (at, value) in from.iter().enumerate() {
            to[at % split.length * split.inner + at / split.length] = *value;
        }
    }
    result
}
