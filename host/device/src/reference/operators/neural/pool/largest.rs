//! `MaxPool`.

use super::super::window::{Geometry, Window};
use super::{each_row, split};
use crate::reference::array::{Array, Elements, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::Number;
use crate::reference::operators::Kernel;
use crate::reference::vector::{dispatch, vectorised};

/// `MaxPool`, with the places of the largest elements where they are wanted.
pub(crate) fn max_pool(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let window = Window::read(attributes)?;
    let column_major = attributes.int("storage_order", 0)? != 0;
    let places = attributes.0.outputs.get(1).is_some_and(Option::is_some);
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let (channels, spatial) = split(&input.shape)?;
        let geometry = window.over(spatial, None)?;
        let shape = [&input.shape[..2], geometry.output_shape()].concat();
        count(&shape)?;
        Ok(match &input.elements {
            Elements::F32(values) if !places => vec![plain(values, channels, &geometry, shape)?],
            Elements::F32(values) => with_places(values, channels, &geometry, shape, column_major)?,
            Elements::F64(values) => with_places(values, channels, &geometry, shape, column_major)?,
            Elements::F16(values) => with_places(values, channels, &geometry, shape, column_major)?,
            Elements::BF16(values) => with_places(values, channels, &geometry, shape, column_major)?,
            Elements::U8(values) => with_places(values, channels, &geometry, shape, column_major)?,
            Elements::I8(values) => with_places(values, channels, &geometry, shape, column_major)?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        })
    }))
}

fn plain(values: &[f32], channels: usize, geometry: &Geometry, shape: Vec<usize>) -> Result<Array, String> {
    let mut result = f32::scratch(count(&shape)?);
    let (from, to) = (geometry.input_plane(), geometry.output_plane());
    for channel in 0..channels {
        let target = &mut result.to_mut()[channel * to..(channel + 1) * to];
        dispatch(Channel, (&values[channel * from..(channel + 1) * from], target, geometry));
    }
    Array::of(shape, result)
}

vectorised! {
    fn channel as Channel((channel, target, geometry): (&[f32], &mut [f32], &Geometry)) {
        target.fill(f32::NEG_INFINITY);
        each_row(channel, target, geometry, |out, seen, stride| match stride {
            1 => out.iter_mut().zip(seen).for_each(|(most, x)| *most = larger(*most, *x)),
            2 => {
                let (pairs, rest) = seen.as_chunks::<2>();
                let last = out.len().min(pairs.len());
                out.iter_mut().zip(pairs).for_each(|(most, pair)| *most = larger(*most, pair[0]));
                out[last..].iter_mut().zip(rest).for_each(|(most, x)| *most = larger(*most, *x));
            }
            _ => out.iter_mut().zip(seen.iter().step_by(stride)).for_each(|(most, x)| *most = larger(*most, *x)),
        });
    }
}

#[inline(always)]
fn larger(most: f32, x: f32) -> f32 {
    if x > most { x } else { most }
}

/// The largest elements and where they are in the whole input, counted row by row, or column by column inside a channel.
fn with_places<T: crate::reference::array::Element + PartialOrd + Copy>(
    values: &[T],
    channels: usize,
    geometry: &Geometry,
    shape: Vec<usize>,
    column_major: bool,
) -> Result<Vec<Array>, String> {
    let (from, to) = (geometry.input_plane(), geometry.output_plane());
    let mut largest = Vec::with_capacity(channels * to);
    let mut places = Vec::with_capacity(channels * to);
    for channel in 0..channels {
        for place in 0..to {
            let best = best(&values[channel * from..(channel + 1) * from], geometry, place);
            let (value, at) = best.ok_or("a window that sees only padding has no largest element")?;
            largest.push(value);
            places.push((channel * from + if column_major { by_columns(at, geometry) } else { at }) as i64);
        }
    }
    Ok(vec![Array::new(shape.clone(), largest)?, Array::new(shape, places)?])
}

fn best<T: PartialOrd + Copy>(channel: &[T], geometry: &Geometry, place: usize) -> Option<(T, usize)> {
    let [_, height, width] = geometry.output;
    let (z, y, x) = (place / (height * width), place / width % height, place % width);
    let mut best: Option<(T, usize)> = None;
    for (tap_z, tap_y, tap_x) in super::super::columns::taps(geometry) {
        let at = geometry.source(0, z, tap_z).zip(geometry.source(1, y, tap_y)).zip(geometry.source(2, x, tap_x));
        let Some(((z, y), x)) = at else { continue };
        let at = (z * geometry.input[1] + y) * geometry.input[2] + x;
        if best.is_none_or(|(most, _)| channel[at] > most) {
            best = Some((channel[at], at));
        }
    }
    best
}

/// The same place counted with the first axis fastest.
fn by_columns(at: usize, geometry: &Geometry) -> usize {
    let [depth, height, width] = geometry.input;
    let (z, y, x) = (at / (height * width), at / width % height, at % width);
    z + depth * (y + height * x)
}
