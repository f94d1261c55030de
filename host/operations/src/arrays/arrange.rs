use scorehost_core::{Described, Shape, Tensor};
use smallvec::SmallVec;

use crate::element::of_vec;
use crate::plan::Pace;
use crate::shape::{bytes, fixed, one, strides};
use crate::{OperationError, Plan, Watch};

/// Axes in another order, as numpy's `transpose`.
#[derive(Clone, Debug, PartialEq)]
pub struct Transpose {
    /// For each axis of the result, the axis of the input; empty reverses all.
    pub axes: Vec<u32>,
}

/// A part of one axis, as Python's `start:end:step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The first index; negative ones count from the end.
    pub start: Option<i64>,
    /// The index behind the last.
    pub end: Option<i64>,
    /// From one index to the next, not 0.
    pub step: i64,
}

/// A part of the leading axes, as numpy's slicing: bounds beyond the end are taken to the end.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// One range for each leading axis; axes behind them stay whole.
    pub ranges: Vec<Range>,
}

/// Where the elements of a result lie in a tensor.
struct Strided {
    offset: isize,
    shape: Shape,
    strides: SmallVec<[isize; 6]>,
}

impl Transpose {
    pub(crate) const NAME: &'static str = "transpose";

    fn strided(&self, input: &impl Described) -> Result<Strided, OperationError> {
        let rank = input.shape().len();
        let axes: SmallVec<[usize; 6]> = match self.axes.as_slice() {
            [] => (0..rank).rev().collect(),
            axes => axes.iter().map(|axis| *axis as usize).collect(),
        };
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..rank) {
            let expected = format!("each of the {rank} axes once");
            return Err(OperationError::argument(Self::NAME, "axes", &self.axes, expected));
        }
        let from = strides(input.shape());
        let shape = axes.iter().map(|axis| input.shape()[*axis]).collect();
        Ok(Strided { offset: 0, shape, strides: axes.iter().map(|axis| from[*axis]).collect() })
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        fixed(Self::NAME, input)?;
        Ok(Plan::of(bytes(input.dtype(), &self.strided(input)?.shape)?, 0.8))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        Ok(vec![self.strided(input)?.copied(input, fixed(Self::NAME, input)?, watch)?])
    }
}

impl Range {
    /// First index and number of indices within `length`.
    fn of(self, length: u64) -> Option<(i64, u64)> {
        let length = i64::try_from(length).ok()?;
        if self.step == 0 || self.step == i64::MIN {
            return None;
        }
        let (low, high) = if self.step > 0 { (0, length) } else { (-1, length - 1) };
        let bound = |index: i64| if index < 0 { index.saturating_add(length) } else { index }.clamp(low, high);
        let start = self.start.map_or(if self.step > 0 { low } else { high }, bound);
        let end = self.end.map_or(if self.step > 0 { high } else { low }, bound);
        let distance = if self.step > 0 { end - start } else { start - end };
        Some((start, u64::try_from(distance).unwrap_or(0).div_ceil(self.step.unsigned_abs())))
    }
}

impl Slice {
    pub(crate) const NAME: &'static str = "slice";

    fn strided(&self, input: &impl Described) -> Result<Strided, OperationError> {
        if self.ranges.len() > input.shape().len() {
            let expected = format!("at most {}, one for each axis", input.shape().len());
            return Err(OperationError::argument(Self::NAME, "number of ranges", self.ranges.len(), expected));
        }
        let mut strided = Strided { offset: 0, shape: input.shape().into(), strides: strides(input.shape()) };
        for (axis, range) in self.ranges.iter().enumerate() {
            let (start, count) = range
                .of(input.shape()[axis])
                .ok_or_else(|| OperationError::argument(Self::NAME, "step", range.step, "a number other than 0"))?;
            strided.shape[axis] = count;
            if count > 0 {
                strided.offset += start as isize * strided.strides[axis];
            }
            // With one index or none nothing is stepped over.
            strided.strides[axis] = strided.strides[axis].saturating_mul(range.step as isize);
        }
        Ok(strided)
    }

    /// The rows, where only they are cut and their bytes can be shared: all of a tensor without dimensions is no rows.
    pub(crate) fn rows(&self, input: &impl Described) -> Option<(u64, u64)> {
        let [length, others @ ..] = input.shape() else { return None };
        let [first, rest @ ..] = self.ranges.as_slice() else { return Some((0, *length)) };
        let whole = |(range, length): (&Range, &u64)| range.step == 1 && range.of(*length) == Some((0, *length));
        if first.step != 1 || !rest.iter().zip(others).all(whole) {
            return None;
        }
        let (start, count) = first.of(*length)?;
        Some((start as u64, start as u64 + count))
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        fixed(Self::NAME, input)?;
        let strided = self.strided(input)?;
        Ok(Plan::of(if self.rows(input).is_some() { 0 } else { bytes(input.dtype(), &strided.shape)? }, 0.5))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        Ok(vec![match self.rows(input) {
            Some((start, end)) => input.rows(start, end)?,
            None => self.strided(input)?.copied(input, fixed(Self::NAME, input)?, watch)?,
        }])
    }
}

impl Strided {
    /// The tensor of these elements.
    fn copied(&self, input: &Tensor, size: usize, watch: &Watch<'_>) -> Result<Tensor, OperationError> {
        let mut out = Vec::with_capacity(bytes(input.dtype(), &self.shape)? as usize);
        if !self.shape.contains(&0) {
            match size {
                1 => self.copy::<1>(input.data(), &mut out, watch)?,
                2 => self.copy::<2>(input.data(), &mut out, watch)?,
                4 => self.copy::<4>(input.data(), &mut out, watch)?,
                _ => self.copy::<8>(input.data(), &mut out, watch)?,
            }
        }
        of_vec(input.dtype(), self.shape.clone(), out)
    }

    fn copy<const N: usize>(&self, data: &[u8], out: &mut Vec<u8>, watch: &Watch<'_>) -> Result<(), OperationError> {
        let elements = data.as_chunks::<N>().0;
        let (length, stride) = match (self.shape.last(), self.strides.last()) {
            (Some(length), Some(stride)) => (*length as usize, *stride),
            _ => (1, 1),
        };
        let outer = self.shape.len().saturating_sub(1);
        let mut index: SmallVec<[u64; 6]> = SmallVec::from_elem(0, outer);
        let mut pace = Pace::new(watch);
        let mut at = self.offset;
        loop {
            pace.step(length + 4)?;
            let start = at as usize;
            if stride == 1 {
                out.extend_from_slice(elements[start..start + length].as_flattened());
            } else {
                out.extend((0..length).flat_map(|step| elements[(at + step as isize * stride) as usize]));
            }
            // The next row: the last of the outer axes that has one.
            let Some(axis) = (0..outer).rev().find(|axis| {
                let more = index[*axis] + 1 < self.shape[*axis];
                if !more {
                    at -= index[*axis] as isize * self.strides[*axis];
                    index[*axis] = 0;
                }
                more
            }) else {
                return Ok(());
            };
            index[axis] += 1;
            at += self.strides[axis];
        }
    }
}
