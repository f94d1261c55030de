//! Normalisation: over channels, rows or groups, to a mean and a variance.

use std::borrow::Cow;

use super::single;
use crate::reference::array::{Array, count};
use crate::reference::attributes::Attributes;
use crate::reference::operators::elementwise::{broadcast, strides};
use crate::reference::operators::shape::offsets;
use crate::reference::operators::{Arguments, Kernel, axis};
use crate::reference::vector::{self, dispatch, vectorised};

/// The numbers of an array stretched to a shape.
pub(super) fn stretched<'a>(array: &'a Array, shape: &[usize]) -> Result<Cow<'a, [f32]>, String> {
    let values = array.typed::<f32>()?;
    if array.shape == shape {
        return Ok(Cow::Borrowed(values));
    }
    if broadcast(&array.shape, shape)? != shape {
        return Err(format!("{:?} does not stretch to {shape:?}", array.shape));
    }
    Ok(Cow::Owned(offsets(shape, &strides(&array.shape, shape)).map(|offset| values[offset]).collect()))
}

/// A number for each channel.
fn per_channel<'a>(inputs: &'a Arguments<'_>, index: usize, channels: usize) -> Result<&'a [f32], String> {
    let values = inputs.get(index)?.typed::<f32>()?;
    let fits = values.len() == channels;
    if fits { Ok(values) } else { Err(format!("input {index} has {} entries for {channels} channels", values.len())) }
}

/// Batch, channels, and elements of a channel.
fn channels(shape: &[usize]) -> Result<(usize, usize, usize), String> {
    match shape {
        [batch, channels, rest @ ..] => Ok((*batch, *channels, rest.iter().product())),
        _ => Err(format!("expected a batch of channels, got shape {shape:?}")),
    }
}

/// `BatchNormalization` with given mean and variance, or with those of the batch, which then go into the given ones.
pub(crate) fn batch_norm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let training = attributes.int("training_mode", 0)? != 0;
    let (epsilon, momentum) = (attributes.float("epsilon", 1e-5)?, attributes.float("momentum", 0.9)?);
    Ok(single(move |inputs| {
        let shape = &inputs.get(0)?.shape;
        // A vector is a batch of single channels.
        let (_, count, plane) = if let [batch] = **shape { (batch, 1, 1) } else { channels(shape)? };
        let [scale, bias, mean, variance] = [1, 2, 3, 4].map(|index| per_channel(inputs, index, count));
        let (scale, bias, mean, variance) = (scale?, bias?, mean?, variance?);
        let own = if training { Some(moments_of_channels(inputs.get(0)?.typed()?, count, plane)) } else { None };
        let running = own.as_ref().map(|(own_mean, own_variance)| {
            let moved = |given: &[f32], own: &[f32]| {
                let moved = given.iter().zip(own).map(|(given, own)| given * momentum + own * (1.0 - momentum));
                Array::new(vec![count], moved.collect::<Vec<f32>>())
            };
            [moved(mean, own_mean), moved(variance, own_variance)]
        });
        let (mean, variance) = own.as_ref().map_or((mean, variance), |(mean, variance)| (&**mean, &**variance));
        let lines: Vec<(f32, f32)> = (0..count)
            .map(|at| {
                let factor = scale[at] / (variance[at] + epsilon).sqrt();
                (factor, bias[at] - mean[at] * factor)
            })
            .collect();
        let mut result = inputs.own(0)?;
        let numbers = result.numbers_mut()?;
        for (index, channel) in numbers.chunks_mut(plane.max(1)).enumerate() {
            dispatch(Line, (channel, lines[index % count]));
        }
        let running = running.into_iter().flatten().collect::<Result<Vec<Array>, String>>()?;
        Ok([vec![result], running].concat())
    }))
}

/// Mean and variance of each channel over the batch.
fn moments_of_channels(values: &[f32], count: usize, plane: usize) -> (Vec<f32>, Vec<f32>) {
    let mut sums = vec![(0.0f64, 0.0f64); count];
    let many = (values.len() / count.max(1)).max(1) as f64;
    let each = |f: &mut dyn FnMut(usize, f64)| {
        for (index, channel) in values.chunks(plane.max(1)).enumerate() {
            channel.iter().for_each(|x| f(index % count, f64::from(*x)));
        }
    };
    each(&mut |channel, x| sums[channel].0 += x / many);
    let means: Vec<f64> = sums.iter().map(|sum| sum.0).collect();
    each(&mut |channel, x| sums[channel].1 += (x - means[channel]) * (x - means[channel]) / many);
    sums.into_iter().map(|(mean, variance)| (mean as f32, variance as f32)).unzip()
}

/// `LayerNormalization`: each row over the axes from `axis` on.
pub(crate) fn layer_norm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let from = attributes.int("axis", -1)?;
    let epsilon = attributes.float("epsilon", 1e-5)?;
    Ok(single(move |inputs| {
        let mut result = inputs.own(0)?;
        let at = axis(from, result.shape.len())?;
        let shape = result.shape.clone();
        let inner = &shape[at..];
        let scale = stretched(inputs.get(1)?, inner)?;
        let bias = inputs.optional(2).map(|bias| stretched(bias, inner)).transpose()?;
        let mut statistics = (Vec::new(), Vec::new());
        for row in result.numbers_mut()?.chunks_mut(count(inner)?.max(1)) {
            let (mean, factor) = dispatch(Moments, (&*row, epsilon));
            dispatch(Scaled, (row, &*scale, bias.as_deref(), mean, factor));
            statistics.0.push(mean);
            statistics.1.push(factor);
        }
        let mut outer = shape[..at].to_vec();
        outer.resize(shape.len(), 1);
        Ok(vec![result, Array::new(outer.clone(), statistics.0)?, Array::new(outer, statistics.1)?])
    }))
}

/// `SkipLayerNorm`: the sum of two inputs, normalised over the last axis, and the sum itself.
pub(crate) fn skip_layer_norm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let epsilon = attributes.float("epsilon", 1e-5)?;
    let with_sum = attributes.0.outputs.get(1).is_some_and(Option::is_some);
    Ok(single(move |inputs| {
        let mut result = inputs.own(0)?;
        let width = *result.shape.last().ok_or("a scalar has no last axis")?;
        let shape = result.shape.clone();
        let residual = stretched(inputs.get(1)?, &shape)?;
        let (scale, bias) = (stretched(inputs.get(2)?, &[width])?, inputs.optional(3));
        let bias = bias.map(|bias| stretched(bias, &[width])).transpose()?;
        let numbers = result.numbers_mut()?;
        super::activation::Activation::None.finish(numbers, super::activation::Bias::None, Some(&residual));
        let sum = with_sum.then(|| Array::new(shape, numbers.to_vec())).transpose()?;
        for row in numbers.chunks_mut(width.max(1)) {
            let (mean, factor) = dispatch(Moments, (&*row, epsilon));
            dispatch(Scaled, (row, &*scale, bias.as_deref(), mean, factor));
        }
        Ok([Some(result), sum].into_iter().flatten().collect())
    }))
}

/// `RMSNormalization`: each row over the axes from `axis` on, to a mean square of 1.
pub(crate) fn rms_norm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let from = attributes.int("axis", -1)?;
    let epsilon = attributes.float("epsilon", 1e-5)?;
    Ok(single(move |inputs| {
        let mut result = inputs.own(0)?;
        let at = axis(from, result.shape.len())?;
        let inner = result.shape[at..].to_vec();
        let scale = stretched(inputs.get(1)?, &inner)?;
        for row in result.numbers_mut()?.chunks_mut(count(&inner)?.max(1)) {
            let square = row.iter().map(|x| x * x).sum::<f32>() / row.len() as f32;
            dispatch(Scaled, (row, &*scale, None, 0.0, 1.0 / (square + epsilon).sqrt()));
        }
        Ok(vec![result])
    }))
}

/// `InstanceNormalization`, and `GroupNormalization` with `num_groups`.
pub(crate) fn group_norm(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let groups = attributes.optional_int("num_groups")?;
    let epsilon = attributes.float("epsilon", 1e-5)?;
    let by_group = groups.is_some() && attributes.opset() < 21;
    Ok(single(move |inputs| {
        let (_, channels, plane) = channels(&inputs.get(0)?.shape)?;
        let groups = groups.map_or(Some(channels), |groups| usize::try_from(groups).ok()).filter(|groups| *groups > 0);
        let groups = groups.filter(|groups| channels % groups == 0).ok_or("the groups do not divide the channels")?;
        let entries = if by_group { groups } else { channels };
        let (scale, bias) = (per_channel(inputs, 1, entries)?.to_vec(), per_channel(inputs, 2, entries)?.to_vec());
        let mut result = inputs.own(0)?;
        let members = channels / groups;
        for (index, group) in result.numbers_mut()?.chunks_mut((members * plane).max(1)).enumerate() {
            let (mean, factor) = dispatch(Moments, (&*group, epsilon));
            for (member, numbers) in group.chunks_mut(plane.max(1)).enumerate() {
                let channel = index % groups * members + member;
                let entry = if by_group { index % groups } else { channel };
                let factor = factor * scale[entry];
                dispatch(Line, (numbers, (factor, bias[entry] - mean * factor)));
            }
        }
        Ok(vec![result])
    }))
}

vectorised! {
    /// x · factor + add.
    fn line as Line((numbers, (factor, add)): (&mut [f32], (f32, f32))) {
        numbers.iter_mut().for_each(|x| *x = x.mul_add(factor, add));
    }

    /// Mean and reciprocal deviation of numbers.
    fn moments as Moments((numbers, epsilon): (&[f32], f32)) -> (f32, f32) {
        let count = numbers.len() as f32;
        let mean = vector::sum(numbers) / count;
        let (chunks, rest) = numbers.as_chunks::<8>();
        let mut strands = [0.0f32; 8];
        for chunk in chunks {
            for (strand, x) in strands.iter_mut().zip(chunk) {
                let centred = x - mean;
                *strand = centred.mul_add(centred, *strand);
            }
        }
        let squares = strands.iter().sum::<f32>() + rest.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>();
        (mean, 1.0 / (squares / count + epsilon).sqrt())
    }

    fn scaled as Scaled((row, scale, bias, mean, factor): (&mut [f32], &[f32], Option<&[f32]>, f32, f32)) {
        match bias {
            Some(bias) => {
                let affine = scale.iter().zip(bias);
                row.iter_mut().zip(affine).for_each(|(x, (scale, bias))| *x = ((*x - mean) * factor).mul_add(*scale, *bias));
            }
            None => row.iter_mut().zip(scale).for_each(|(x, scale)| *x = (*x - mean) * factor * scale),
        }
    }
}
