//! Pools: the largest, the mean or the norm of a window, or of a whole channel.

mod largest;
mod unpool;

pub(crate) use largest::max_pool;
pub(crate) use unpool::max_unpool;

use super::columns::{source_row, taps};
use super::window::{Geometry, Window};
use crate::reference::array::{Array, Elements, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::Number;
use crate::reference::operators::{Arguments, Kernel};
use crate::reference::vector;

/// Batch and channels in one, and the axes that a pool works on.
fn split(shape: &[usize]) -> Result<(usize, &[usize]), String> {
    match shape {
        [batch, channels, spatial @ ..] if !spatial.is_empty() => Ok((batch * channels, spatial)),
        _ => Err(format!("expected a batch of channels with one axis or more, got shape {shape:?}")),
    }
}

/// Runs a pool over single precision; half precision is computed in it.
fn pool(run: impl Fn(&Arguments<'_>) -> Result<Array, String> + Send + Sync + 'static) -> Kernel {
    Box::new(move |inputs| match &inputs.get(0)?.elements {
        Elements::F16(_) | Elements::BF16(_) => super::in_single(inputs, |inputs| Ok(vec![run(inputs)?])),
        _ => Ok(vec![run(inputs)?]),
    })
}

/// `AveragePool`.
pub(crate) fn average_pool(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let window = Window::read(attributes)?;
    let with_padding = attributes.int("count_include_pad", 0)? != 0;
    Ok(pool(move |inputs| {
        let divide = move |sums: &mut [f32], geometry: &Geometry| {
            for (place, sum) in sums.iter_mut().enumerate() {
                *sum /= seen(geometry, place, with_padding) as f32;
            }
        };
        summed(inputs, &window, |x| x, divide)
    }))
}

/// `LpPool`: the norm of each window.
pub(crate) fn lp_pool(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let window = Window::read(attributes)?;
    let power = attributes.int("p", 2)? as f32;
    Ok(pool(move |inputs| {
        let root = move |sums: &mut [f32], _: &Geometry| sums.iter_mut().for_each(|sum| *sum = sum.powf(1.0 / power));
        summed(inputs, &window, move |x| if power == 2.0 { x * x } else { x.abs().powf(power) }, root)
    }))
}

/// Sums a function of the elements that each window sees, then finishes each channel.
fn summed(
    inputs: &Arguments<'_>,
    window: &Window,
    f: impl Fn(f32) -> f32,
    finish: impl Fn(&mut [f32], &Geometry),
) -> Result<Array, String> {
    let input = inputs.get(0)?;
    let (channels, spatial) = split(&input.shape)?;
    let geometry = window.over(spatial, None)?;
    let shape = [&input.shape[..2], geometry.output_shape()].concat();
    let mut result = f32::scratch(count(&shape)?);
    let values = input.typed::<f32>()?;
    let (from, to) = (geometry.input_plane(), geometry.output_plane());
    for channel in 0..channels {
        let target = &mut result.to_mut()[channel * to..(channel + 1) * to];
        target.fill(0.0);
        each_row(&values[channel * from..(channel + 1) * from], target, &geometry, |sums, seen, stride| {
            sums.iter_mut().zip(seen.iter().step_by(stride)).for_each(|(sum, x)| *sum += f(*x));
        });
        finish(target, &geometry);
    }
    Array::of(shape, result)
}

/// Calls `f` with the places of each output row that see an input row through a tap, that row from the first element
/// seen, and the step from one element seen to the next.
#[inline(always)]
fn each_row(channel: &[f32], target: &mut [f32], geometry: &Geometry, mut f: impl FnMut(&mut [f32], &[f32], usize)) {
    for (z, y, x) in taps(geometry) {
        let inside = geometry.inside(2, x);
        let Some(first) = geometry.source(2, inside.start, x) else { continue };
        for (row, out) in target.chunks_exact_mut(geometry.output[2].max(1)).enumerate() {
            if let Some(source) = source_row(channel, geometry, row, (z, y)) {
                f(&mut out[inside.clone()], &source[first..], geometry.strides[2]);
            }
        }
    }
}

/// Elements that the window at an output place counts: those of the input, or those of the padding too.
fn seen(geometry: &Geometry, place: usize, with_padding: bool) -> usize {
    let [_, height, width] = geometry.output;
    let places = [place / (height * width), place / width % height, place % width];
    let along = |axis: usize| {
        let inside = |tap: &usize| {
            let at = places[axis] * geometry.strides[axis] + tap * geometry.dilations[axis];
            let end = geometry.input[axis] + geometry.before[axis];
            if with_padding { at < end + geometry.after[axis] } else { at >= geometry.before[axis] && at < end }
        };
        (0..geometry.kernel[axis]).filter(inside).count()
    };
    (0..3).map(along).product()
}

/// What a whole channel becomes.
type Whole = dyn Fn(&[f32]) -> f32 + Send + Sync;

/// `GlobalAveragePool`, `GlobalMaxPool` and `GlobalLpPool`.
pub(crate) fn global(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let power = attributes.int("p", 2)? as f32;
    let whole: Box<Whole> = match &*attributes.0.operator {
        "GlobalAveragePool" => Box::new(|values| vector::dispatch(vector::Sum, values) / values.len() as f32),
        "GlobalMaxPool" => Box::new(|values| vector::dispatch(vector::Largest, values)),
        _ => Box::new(move |values| values.iter().map(|x| x.abs().powf(power)).sum::<f32>().powf(1.0 / power)),
    };
    Ok(pool(move |inputs| {
        let input = inputs.get(0)?;
        let (channels, spatial) = split(&input.shape)?;
        let plane = count(spatial)?;
        let values = input.typed::<f32>()?;
        let mut shape = input.shape.clone();
        shape[2..].fill(1);
        Array::new(shape, (0..channels).map(|at| whole(&values[at * plane..(at + 1) * plane])).collect())
    }))
}
