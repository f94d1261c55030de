//! Numbers as small integers with a scale and a zero point.

use scorehost_core::DType;

use super::cast::dtype;
use super::layout::around;
use super::numeric::{doubles, of_doubles};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::Array;

pub(super) const OPERATORS: Table =
    &[("", "QuantizeLinear", quantise), ("", "DequantizeLinear", dequantise), ("", "DynamicQuantizeLinear", dynamic)];

/// Scale and zero point of every element of a tensor.
pub(super) struct Grid {
    scales: Vec<f64>,
    zeros: Vec<f64>,
    /// Elements behind the axis, length of the axis, elements that share a scale along it, scales along it.
    inner: usize,
    length: usize,
    block: usize,
    many: usize,
}

impl Grid {
    /// One scale for all, one for each place of an axis, or one for each block along it.
    pub(super) fn new(
        data: &[usize],
        scale: &Array,
        zero: Option<&Array>,
        at: i64,
        block: i64,
    ) -> Result<Self, String> {
        let scales = doubles(scale)?;
        let zeros = zero.map_or(Ok(vec![0.0; scales.len()]), doubles)?;
        let fit = || format!("scales of shape {:?} do not fit data of shape {data:?}", scale.shape);
        if zeros.len() != scales.len() || scales.is_empty() {
            return Err(fit());
        }
        if scales.len() == 1 {
            return Ok(Self { scales, zeros, inner: 1, length: 1, block: 1, many: 1 });
        }
        let at = axis(at, data.len())?;
        let (outer, length, inner) = around(data, at);
        let whole = scale.shape.len() == data.len();
        let (many, block) = match (whole, usize::try_from(block)) {
            (true, Ok(block @ 1..)) => (length.div_ceil(block), block),
            _ => (length, 1),
        };
        let expected = if whole { outer * many * inner } else { length };
        if scales.len() != expected {
            return Err(fit());
        }
        // One scale a place is the same as blocks that do not differ in the other axes.
        if !whole {
            let spread =
                |values: Vec<f64>| values.into_iter().flat_map(|x| std::iter::repeat_n(x, inner)).collect::<Vec<_>>();
            let again = |values: Vec<f64>| spread(values).repeat(outer);
            return Ok(Self { scales: again(scales), zeros: again(zeros), inner, length, block, many });
        }
        Ok(Self { scales, zeros, inner, length, block, many })
    }

    /// Scale and zero point of the element at a row-major index.
    pub(super) fn at(&self, index: usize) -> (f64, f64) {
        let (row, place, column) =
            (index / self.inner / self.length, index / self.inner % self.length, index % self.inner);
        let place =
            if self.scales.len() == 1 { 0 } else { (row * self.many + place / self.block) * self.inner + column };
        (self.scales[place], self.zeros[place])
    }
}

/// The lowest and the highest value of an integer type of at most 32 bits.
pub(super) fn bounds(dtype: DType) -> Result<(f64, f64), String> {
    Ok(match dtype {
        DType::U8 => (0.0, 255.0),
        DType::I8 => (-128.0, 127.0),
        DType::U16 => (0.0, 65535.0),
        DType::I16 => (-32768.0, 32767.0),
        DType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        other => return Err(format!("{other} is no type to quantise to")),
    })
}

/// Rounded to even and cut to the type.
pub(super) fn rounded(x: f64, (low, high): (f64, f64)) -> f64 {
    x.round_ties_even().clamp(low, high)
}

fn quantise(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (at, block) = (attributes.int("axis", 1)?, attributes.int("block_size", 0)?);
    let given = Some(attributes.int("output_dtype", 0)?).filter(|code| *code != 0).map(dtype).transpose()?;
    Ok(Box::new(move |inputs| {
        let (data, scale, zero) = (inputs.get(0)?, inputs.get(1)?, inputs.optional(2));
        let to = given.or(zero.map(|zero| zero.elements.dtype())).unwrap_or(DType::U8);
        let (bounds, grid) = (bounds(to)?, Grid::new(&data.shape, scale, zero, at, block)?);
        let single = data.elements.dtype() != DType::F64;
        let one = |(index, x): (usize, f64)| {
            let (scale, zero) = grid.at(index);
            // Halves must fall as they do in the data's own precision.
            let steps = if single { f64::from((x as f32) / (scale as f32)) } else { x / scale };
            (steps.round_ties_even() + zero).clamp(bounds.0, bounds.1)
        };
        Ok(vec![of_doubles(to, data.shape.clone(), doubles(data)?.into_iter().enumerate().map(one).collect())?])
    }))
}

/// The result has the scale's type, or the one that `output_dtype` names.
fn dequantise(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (at, block) = (attributes.int("axis", 1)?, attributes.int("block_size", 0)?);
    let given = Some(attributes.int("output_dtype", 0)?).filter(|code| *code != 0).map(dtype).transpose()?;
    Ok(Box::new(move |inputs| {
        let (data, scale) = (inputs.get(0)?, inputs.get(1)?);
        let grid = Grid::new(&data.shape, scale, inputs.optional(2), at, block)?;
        let one = |(index, x): (usize, f64)| {
            let (scale, zero) = grid.at(index);
            (x - zero) * scale
        };
        let to = given.unwrap_or(scale.elements.dtype());
        Ok(vec![of_doubles(to, data.shape.clone(), doubles(data)?.into_iter().enumerate().map(one).collect())?])
    }))
}

/// Scale and zero point from the data's own range, which is widened to hold 0.
fn dynamic(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let data = inputs.get(0)?;
        let values = data.get::<f32>().ok_or_else(|| format!("expected FP32, got {}", data.elements.dtype()))?;
        let low = values.iter().copied().fold(0f32, f32::min);
        let high = values.iter().copied().fold(0f32, f32::max);
        let scale = if high == low { 1.0 } else { (high - low) / 255.0 };
        let bounds = (0.0, 255.0);
        let zero = rounded((-low / scale).into(), bounds);
        let quantised = values.iter().map(|x| ((x / scale).round_ties_even() as f64 + zero).clamp(0.0, 255.0));
        let quantised: Vec<u8> = quantised.map(|x| x as u8).collect();
        let point = Array::new(vec![], vec![zero as u8])?;
        Ok(vec![Array::new(data.shape.clone(), quantised)?, Array::new(vec![], vec![scale])?, point])
    }))
}
