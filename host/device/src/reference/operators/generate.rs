//! Tensors made from shapes and a few numbers.

use std::f64::consts::TAU;

use scorehost_core::DType;

use super::cast::dtype;
use super::layout::{around, blocks, coordinates};
use super::numeric::{Number, doubles, integer, integers, numbers, of_doubles, scalar, size};
use super::{Attributes, Kernel, Table, axis};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "ConstantOfShape", constant_of_shape),
    ("", "Range", range),
    ("", "EyeLike", eye_like),
    ("", "OneHot", one_hot),
    ("", "HannWindow", |attributes| window(attributes, |turn| 0.5 - 0.5 * turn.cos())),
    ("", "HammingWindow", |attributes| window(attributes, |turn| 25.0 / 46.0 - 21.0 / 46.0 * turn.cos())),
    ("", "BlackmanWindow", |attributes| window(attributes, |turn| 0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos())),
    ("", "MelWeightMatrix", mel_weight_matrix),
];

fn constant_of_shape(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let value = attributes.tensor("value")?.map_or_else(|| Array::new(vec![1], vec![0f32]), Ok)?;
    Ok(Box::new(move |inputs| {
        let shape: Vec<usize> =
            integers(inputs.get(0)?)?.iter().map(|dim| size(*dim, "a dimension")).collect::<Result<_, _>>()?;
        let starts = vec![0; count(&shape)?];
        Ok(vec![blocks(&value, shape, 1, &starts)?])
    }))
}

fn range(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (start, limit, delta) = (inputs.get(0)?, scalar(inputs.get(1)?)?, scalar(inputs.get(2)?)?);
        let steps = ((limit - scalar(start)?) / delta).ceil().max(0.0);
        // NaN and infinity are no number of steps.
        let steps = if steps <= (1u64 << 40) as f64 { steps as usize } else { usize::MAX };
        count(&[steps])?;
        let step = inputs.get(2)?;
        Ok(vec![numbers!(&start.elements, first: T => {
            let (mut at, by) = (first[0], step.get::<T>().ok_or("start and delta have different types")?[0]);
            let next = |_| {
                let value = at;
                at = at.plus(by);
                value
            };
            Array::new(vec![steps], (0..steps).map(next).collect::<Vec<T>>())?
        })])
    }))
}

fn eye_like(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (wanted, diagonal) = (attributes.optional_int("dtype")?.map(dtype).transpose()?, attributes.int("k", 0)?);
    Ok(Box::new(move |inputs| {
        let like = inputs.get(0)?;
        let [_, _] = like.shape[..] else { return Err(format!("expected a matrix, got shape {:?}", like.shape)) };
        let mut values = Vec::new();
        coordinates(&like.shape, |at| values.push(if at[1] as i64 - at[0] as i64 == diagonal { 1.0 } else { 0.0 }));
        Ok(vec![of_doubles(wanted.unwrap_or(like.elements.dtype()), like.shape.clone(), values)?])
    }))
}

/// Indices outside the depth give no one at all; negative ones count from the end.
fn one_hot(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let wanted = attributes.int("axis", -1)?;
    Ok(Box::new(move |inputs| {
        let (indices, depth, values) = (inputs.get(0)?, integer(inputs.get(1)?)?, inputs.get(2)?);
        let depth = size(depth, "depth")?;
        if values.len() != 2 {
            return Err(format!("expected the values for off and on, got shape {:?}", values.shape));
        }
        let at = axis(wanted, indices.shape.len() + 1)?;
        let mut shape = indices.shape.clone();
        shape.insert(at, depth);
        count(&shape)?;
        let (outer, _, inner) = around(&shape, at);
        let hot: Vec<i64> = doubles(indices)?.iter().map(|index| *index as i64).collect();
        let place = |index: i64| if index < 0 { index + depth as i64 } else { index };
        let mut starts = Vec::new();
        for row in 0..outer {
            for at in 0..depth {
                starts.extend((0..inner).map(|column| usize::from(place(hot[row * inner + column]) == at as i64)));
            }
        }
        Ok(vec![blocks(values, shape, 1, &starts)?])
    }))
}

/// A window of cosines; `f` gets the turn of each place, from 0 to 2 pi.
fn window(attributes: &Attributes<'_>, f: fn(f64) -> f64) -> Result<Kernel, String> {
    let to = dtype(attributes.int("output_datatype", 1)?)?;
    let periodic = attributes.int("periodic", 1)? != 0;
    Ok(Box::new(move |inputs| {
        let length = size(integer(inputs.get(0)?)?, "the window's size")?;
        count(&[length])?;
        let turns = if periodic { length } else { length.saturating_sub(1) }.max(1) as f64;
        let values = (0..length).map(|place| f(TAU * place as f64 / turns)).collect();
        Ok(vec![of_doubles(to, vec![length], values)?])
    }))
}

/// Triangles on the mel scale (2595 log10(1 + f / 700)), one column each, over the bins of a discrete Fourier transform.
fn mel_weight_matrix(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let to: DType = dtype(attributes.int("output_datatype", 1)?)?;
    Ok(Box::new(move |inputs| {
        let number = |index: usize| scalar(inputs.get(index)?);
        let (bands, length, rate) = (size(number(0)? as i64, "the number of bands")?, number(1)?, number(2)?);
        let (low, high) = (number(3)?, number(4)?);
        let bins = size((length / 2.0).floor() as i64 + 1, "the number of bins")?;
        let mel = |hertz: f64| 2595.0 * (1.0 + hertz / 700.0).log10();
        let step = (mel(high) - mel(low)) / (bands + 2) as f64;
        count(&[bins, bands + 2])?;
        let edge = |band: usize| {
            let hertz = 700.0 * (10f64.powf((band as f64 * step + mel(low)) / 2595.0) - 1.0);
            ((length + 1.0) * hertz / rate).floor()
        };
        let edges: Vec<f64> = (0..bands + 2).map(edge).collect();
        let weight = |bin: f64, band: usize| {
            let (low, middle, high) = (edges[band], edges[band + 1], edges[band + 2]);
            match bin {
                bin if bin == middle => 1.0,
                bin if bin >= low && bin < middle => (bin - low) / (middle - low),
                bin if bin > middle && bin < high => (high - bin) / (high - middle),
                _ => 0.0,
            }
        };
        let values = (0..bins).flat_map(|bin| (0..bands).map(move |band| (bin as f64, band)));
        let values = values.map(|(bin, band)| weight(bin, band)).collect();
        Ok(vec![of_doubles(to, vec![bins, bands], values)?])
    }))
}
