use scorehost_core::{DType, Described, Shape, Tensor};
use smallvec::SmallVec;

use crate::element::{encoded, of_vec};
use crate::plan::Pace;
use crate::shape::{Split, axis, bytes, fixed, one, strides, two};
use crate::{OperationError, Plan, Watch};

/// Tensors one behind the other along an axis they have; the other dimensions are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Concat {
    /// The axis; negative ones count from the back.
    pub axis: i32,
}

/// Tensors of one shape along a new axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Stack {
    /// Where the new axis is in the result.
    pub axis: i32,
}

/// Tensors of one rank along a new first axis, each filled up at the end of its axes.
#[derive(Clone, Debug, PartialEq)]
pub struct StackPadded {
    /// Shape of one entry; empty takes the greatest length of each axis.
    pub shape: Vec<u64>,
    /// What fills up.
    pub fill: f64,
}

/// A margin around a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements before the first, for each axis.
    pub before: Vec<u64>,
    /// Elements behind the last, for each axis.
    pub after: Vec<u64>,
    /// What the margin holds.
    pub fill: f64,
}

/// Slices by index along an axis, as numpy's `take`: indices are the second input, `i32` or `i64` of any shape, negative ones count
/// from the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Gather {
    /// The axis that is looked into.
    pub axis: i32,
}

/// Nanoseconds for a byte that is moved in long stretches.
const COPY: f64 = 0.25;

/// The first of several tensors, once all have its dtype and `same` holds for their shapes.
fn first<'a, T: Described>(
    operation: &'static str,
    inputs: &'a [T],
    rule: &'static str,
    same: impl Fn(&[u64], &[u64]) -> bool,
) -> Result<&'a T, OperationError> {
    let missing = OperationError::Inputs { operation, given: 0, expected: "one or more" };
    let first = inputs.first().ok_or(missing)?;
    fixed(operation, first)?;
    let other = inputs.iter().find(|other| other.dtype() != first.dtype() || !same(first.shape(), other.shape()));
    other.map_or(Ok(first), |other| Err(OperationError::mismatch(operation, first, other, rule)))
}

/// `outer` blocks, each of one stretch from every input in turn.
fn interleaved(inputs: &[Tensor], outer: usize, total: u64, watch: &Watch<'_>) -> Result<Vec<u8>, OperationError> {
    let mut out = Vec::with_capacity(total as usize);
    let mut pace = Pace::new(watch);
    for block in 0..outer {
        for input in inputs {
            let length = input.data().len() / outer;
            pace.step(length / 4 + 4)?;
            out.extend_from_slice(&input.data()[block * length..(block + 1) * length]);
        }
    }
    Ok(out)
}

impl Concat {
    pub(crate) const NAME: &'static str = "concat";

    fn result(&self, inputs: &[impl Described]) -> Result<(DType, Shape, usize), OperationError> {
        let rank = inputs.first().map_or(0, |first| first.shape().len());
        let axis = if inputs.is_empty() { 0 } else { axis(Self::NAME, self.axis.into(), rank)? };
        let same = |a: &[u64], b: &[u64]| {
            a.len() == b.len() && a.iter().zip(b).enumerate().all(|(at, (a, b))| at == axis || a == b)
        };
        let first = first(Self::NAME, inputs, "one dtype, and the same dimensions but for the axis", same)?;
        let mut shape = Shape::from_slice(first.shape());
        shape[axis] = inputs.iter().fold(0u64, |sum, input| sum.saturating_add(input.shape()[axis]));
        Ok((first.dtype(), shape, axis))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (dtype, shape, _) = self.result(inputs)?;
        Ok(Plan::of(bytes(dtype, &shape)?, COPY))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (dtype, shape, axis) = self.result(inputs)?;
        let total = bytes(dtype, &shape)?;
        let outer = if total == 0 { 0 } else { Split::at(&shape, axis).outer };
        Ok(vec![of_vec(dtype, shape, interleaved(inputs, outer, total, watch)?)?])
    }
}

impl Stack {
    pub(crate) const NAME: &'static str = "stack";

    fn result(&self, inputs: &[impl Described]) -> Result<(DType, Shape, usize), OperationError> {
        let first = first(Self::NAME, inputs, "one dtype and one shape", |a, b| a == b)?;
        let axis = axis(Self::NAME, self.axis.into(), first.shape().len() + 1)?;
        let mut shape = Shape::from_slice(first.shape());
        shape.insert(axis, inputs.len() as u64);
        Ok((first.dtype(), shape, axis))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (dtype, shape, _) = self.result(inputs)?;
        Ok(Plan::of(bytes(dtype, &shape)?, COPY))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (dtype, shape, axis) = self.result(inputs)?;
        let total = bytes(dtype, &shape)?;
        let outer = if total == 0 { 0 } else { Split::at(&shape, axis).outer };
        Ok(vec![of_vec(dtype, shape, interleaved(inputs, outer, total, watch)?)?])
    }
}

/// A tensor being filled from parts.
struct Canvas {
    dtype: DType,
    shape: Shape,
    data: Vec<u8>,
}

impl Canvas {
    fn new(dtype: DType, shape: Shape, fill: &[u8]) -> Result<Self, OperationError> {
        let total = bytes(dtype, &shape)? as usize;
        let data = if fill.iter().all(|byte| *byte == fill[0]) {
            vec![fill[0]; total]
        } else {
            fill.repeat(total / fill.len())
        };
        Ok(Self { dtype, shape, data })
    }

    /// Copies `part`, which fits, with its first element at `start`.
    fn place(&mut self, part: &Tensor, start: &[u64], pace: &mut Pace<'_>) -> Result<(), OperationError> {
        if part.data().is_empty() {
            return Ok(());
        }
        let size = self.dtype.size().unwrap_or(1);
        let strides = strides(&self.shape);
        let at: u64 = start.iter().zip(&strides).map(|(index, stride)| index * *stride as u64).sum();
        let row = part.shape().last().map_or(1, |length| *length as usize) * size;
        // A part may have fewer dimensions than the canvas: those in front are where `start` says.
        let strides = &strides[strides.len() - part.shape().len()..];
        let outer = &part.shape()[..part.shape().len().saturating_sub(1)];
        let mut index: SmallVec<[u64; 6]> = SmallVec::from_elem(0, outer.len());
        for source in part.data().chunks_exact(row) {
            pace.step(row / 4 + 8)?;
            let offset: u64 = index.iter().zip(strides).map(|(index, stride)| index * *stride as u64).sum();
            let target = (at + offset) as usize * size;
            self.data[target..target + row].copy_from_slice(source);
            for (axis, length) in outer.iter().enumerate().rev() {
                index[axis] += 1;
                if index[axis] < *length {
                    break;
                }
                index[axis] = 0;
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Tensor, OperationError> {
        of_vec(self.dtype, self.shape, self.data)
    }
}

impl StackPadded {
    pub(crate) const NAME: &'static str = "stack-padded";

    fn result(&self, inputs: &[impl Described]) -> Result<(DType, Shape), OperationError> {
        let first = first(Self::NAME, inputs, "one dtype and one number of dimensions", |a, b| a.len() == b.len())?;
        let mut largest = Shape::from_slice(first.shape());
        for input in inputs {
            largest.iter_mut().zip(input.shape()).for_each(|(most, length)| *most = (*most).max(*length));
        }
        let mut shape = if self.shape.is_empty() { largest.clone() } else { Shape::from_slice(&self.shape) };
        let fits = shape.len() == largest.len() && shape.iter().zip(&largest).all(|(wanted, most)| wanted >= most);
        if !fits {
            let expected = format!("at least {:?}, the greatest lengths of the tensors", largest.as_slice());
            return Err(OperationError::argument(Self::NAME, "shape", &self.shape, expected));
        }
        shape.insert(0, inputs.len() as u64);
        encoded(Self::NAME, "fill", first.dtype(), self.fill)?;
        Ok((first.dtype(), shape))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (dtype, shape) = self.result(inputs)?;
        Ok(Plan::of(bytes(dtype, &shape)?, 2.0 * COPY))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (dtype, shape) = self.result(inputs)?;
        let mut start: SmallVec<[u64; 6]> = SmallVec::from_elem(0, shape.len());
        let mut canvas = Canvas::new(dtype, shape, &encoded(Self::NAME, "fill", dtype, self.fill)?)?;
        let mut pace = Pace::new(watch);
        for (entry, input) in inputs.iter().enumerate() {
            start[0] = entry as u64;
            canvas.place(input, &start, &mut pace)?;
        }
        Ok(vec![canvas.finish()?])
    }
}

impl Pad {
    pub(crate) const NAME: &'static str = "pad";

    fn result(&self, input: &impl Described) -> Result<Shape, OperationError> {
        fixed(Self::NAME, input)?;
        let rank = input.shape().len();
        for (argument, margin) in [("before", &self.before), ("after", &self.after)] {
            if margin.len() != rank {
                return Err(OperationError::argument(
                    Self::NAME,
                    argument,
                    margin,
                    format!("{rank} numbers, one for each axis"),
                ));
            }
        }
        encoded(Self::NAME, "fill", input.dtype(), self.fill)?;
        let margins = self.before.iter().zip(&self.after);
        let add =
            |(length, (before, after)): (&u64, (&u64, &u64))| length.saturating_add(*before).saturating_add(*after);
        Ok(input.shape().iter().zip(margins).map(add).collect())
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        Ok(Plan::of(bytes(input.dtype(), &self.result(input)?)?, 2.0 * COPY))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let fill = encoded(Self::NAME, "fill", input.dtype(), self.fill)?;
        let mut canvas = Canvas::new(input.dtype(), self.result(input)?, &fill)?;
        canvas.place(input, &self.before, &mut Pace::new(watch))?;
        Ok(vec![canvas.finish()?])
    }
}

impl Gather {
    pub(crate) const NAME: &'static str = "gather";

    fn result(&self, values: &impl Described, indices: &impl Described) -> Result<(Shape, usize), OperationError> {
        fixed(Self::NAME, values)?;
        let dtype = indices.dtype();
        if !matches!(dtype, DType::I32 | DType::I64) {
            return Err(OperationError::DType { operation: Self::NAME, dtype, expected: "INT32 or INT64 indices" });
        }
        let axis = axis(Self::NAME, self.axis.into(), values.shape().len())?;
        let mut shape = Shape::from_slice(&values.shape()[..axis]);
        shape.extend_from_slice(indices.shape());
        shape.extend_from_slice(&values.shape()[axis + 1..]);
        Ok((shape, axis))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let (values, indices) = two(Self::NAME, inputs)?;
        let (shape, _) = self.result(values, indices)?;
        Ok(Plan::of(bytes(values.dtype(), &shape)?, 2.0 * COPY).with_scratch(indices.elements().saturating_mul(8)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let (values, indices) = two(Self::NAME, inputs)?;
        let (shape, axis) = self.result(values, indices)?;
        let split = Split::at(values.shape(), axis);
        let positions = positions(indices, split.length)?;
        let size = values.dtype().size().unwrap_or(1);
        let stretch = split.inner * size;
        let mut out = Vec::with_capacity(bytes(values.dtype(), &shape)? as usize);
        let mut pace = Pace::new(watch);
        for block in 0..split.outer {
            let block = &values.data()[block * split.length * stretch..];
            for position in &positions {
                pace.step(stretch / 4 + 4)?;
                out.extend_from_slice(&block[position * stretch..(position + 1) * stretch]);
            }
        }
        Ok(vec![of_vec(values.dtype(), shape, out)?])
    }
}

fn positions(indices: &Tensor, length: usize) -> Result<Vec<usize>, OperationError> {
    let indices = super::cast::as_dtype(indices, DType::I64)?;
    let position = |index: &i64| {
        let from_front = if *index < 0 { index.saturating_add(length as i64) } else { *index };
        usize::try_from(from_front).ok().filter(|position| *position < length).ok_or_else(|| {
            OperationError::argument(Gather::NAME, "an index", index, format!("-{length} to {}", length as i64 - 1))
        })
    };
    crate::element::view::<i64>(&indices).iter().map(position).collect()
}
