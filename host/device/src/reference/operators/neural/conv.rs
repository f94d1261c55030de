//! Convolutions over one to three axes.

mod deformable;
mod depthwise;
mod transposed;

pub(crate) use deformable::deform_conv;
pub(crate) use transposed::conv_transpose;

use std::ops::Range;

use super::activation::{Activation, Bias};
use super::columns;
use super::window::{Geometry, Window};
use crate::reference::array::{Array, Elements, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Number, Target, multiply_into};
use crate::reference::operators::{Arguments, Kernel, Results};

/// Elements of the column matrix that are made and multiplied at a time: they stay in the second-level cache.
const BLOCK: usize = 1 << 16;
/// Columns of a block at least, so that the weights are not read too often.
const LEAST_COLUMNS: usize = 256;

/// A number that is convolved.
pub(super) trait Sample: Number {
    /// Adds the bias of a channel and the residual, and activates.
    fn finish(numbers: &mut [Self], bias: Self, residual: Option<&[Self]>, activation: Activation);
    /// One channel by its own kernel, where there is a faster way than the product of matrices.
    fn depthwise(target: &mut [Self], channel: &[Self], weights: &[Self], geometry: &Geometry) -> bool;
}

impl Sample for f32 {
    fn finish(numbers: &mut [Self], bias: Self, residual: Option<&[Self]>, activation: Activation) {
        let bias = if bias == 0.0 { Bias::None } else { Bias::One(bias) };
        activation.finish(numbers, bias, residual);
    }

    fn depthwise(target: &mut [Self], channel: &[Self], weights: &[Self], geometry: &Geometry) -> bool {
        depthwise::convolve(target, channel, weights, geometry);
        true
    }
}

impl Sample for f64 {
    fn finish(numbers: &mut [Self], bias: Self, residual: Option<&[Self]>, activation: Activation) {
        numbers.iter_mut().for_each(|x| *x += bias);
        residual.into_iter().for_each(|residual| numbers.iter_mut().zip(residual).for_each(|(x, add)| *x += add));
        activation.apply_double(numbers);
    }

    fn depthwise(_: &mut [Self], _: &[Self], _: &[Self], _: &Geometry) -> bool {
        false
    }
}

/// `Conv`, and `FusedConv` with a residual and an activation.
pub(crate) fn conv(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let convolution = Convolution {
        window: Window::read(attributes)?,
        groups: usize::try_from(attributes.int("group", 1)?).ok().filter(|groups| *groups > 0).ok_or("group")?,
        activation: Activation::read(attributes)?,
    };
    Ok(Box::new(move |inputs| {
        let result = match &inputs.get(0)?.elements {
            Elements::F32(_) => convolution.run::<f32>(inputs)?,
            Elements::F64(_) => convolution.run::<f64>(inputs)?,
            Elements::F16(_) | Elements::BF16(_) => {
                return super::in_single(inputs, |inputs| convolution.single(inputs));
            }
            other => return Err(format!("{} is not supported here", other.dtype())),
        };
        Ok(vec![result])
    }))
}

struct Convolution {
    window: Window,
    groups: usize,
    activation: Activation,
}

/// The operands of one call.
struct Operands<'a, T> {
    input: &'a [T],
    weights: &'a [T],
    bias: Option<&'a [T]>,
    residual: Option<&'a [T]>,
    geometry: Geometry,
    /// Channels of a group.
    inputs: usize,
    outputs: usize,
}

impl Convolution {
    fn single(&self, inputs: &Arguments<'_>) -> Results {
        Ok(vec![self.run::<f32>(inputs)?])
    }

    fn run<T: Sample>(&self, inputs: &Arguments<'_>) -> Result<Array, String> {
        let (input, weights) = (inputs.get(0)?, inputs.get(1)?);
        let ([batch, channels, spatial @ ..], [outputs, depth, kernel @ ..]) = (&*input.shape, &*weights.shape) else {
            return Err(format!("cannot convolve {:?} with {:?}", input.shape, weights.shape));
        };
        if Some(*channels) != depth.checked_mul(self.groups) || outputs % self.groups != 0 {
            let (groups, shape) = (self.groups, &weights.shape);
            return Err(format!("{channels} channels do not fit weights {shape:?} in {groups} groups"));
        }
        let geometry = self.window.over(spatial, Some(kernel))?;
        let shape = [&[*batch, *outputs], geometry.output_shape()].concat();
        let typed = |index: usize, expect: &[usize], what: &str| match inputs.optional(index) {
            None => Ok(None),
            Some(array) if array.shape == expect => array.typed::<T>().map(Some),
            Some(array) => Err(format!("the {what} has shape {:?}, expected {expect:?}", array.shape)),
        };
        let operands = Operands {
            input: input.typed::<T>()?,
            weights: weights.typed::<T>()?,
            bias: typed(2, &[*outputs], "bias")?,
            residual: typed(3, &shape, "residual")?,
            geometry,
            inputs: *depth,
            outputs: outputs / self.groups,
        };
        let mut result = T::scratch(count(&shape)?);
        self.groups(&operands, result.to_mut())?;
        Array::of(shape, result)
    }

    /// All groups of all images; the same for both, as the groups of an image lie one behind the other.
    fn groups<T: Sample>(&self, operands: &Operands<'_, T>, result: &mut [T]) -> Result<(), String> {
        let geometry = &operands.geometry;
        let (plane, weights) = (geometry.output_plane(), operands.outputs * operands.inputs * geometry.taps());
        let (from, to) = (operands.inputs * geometry.input_plane(), operands.outputs * plane);
        if to == 0 {
            return Ok(());
        }
        for (index, target) in result.chunks_exact_mut(to).enumerate() {
            let group = index % self.groups;
            let input = &operands.input[index * from..(index + 1) * from];
            let weights = &operands.weights[group * weights..(group + 1) * weights];
            self.group(operands, input, weights, target)?;
            for (channel, numbers) in target.chunks_exact_mut(plane).enumerate() {
                let bias = operands.bias.map_or(T::default(), |bias| bias[group * operands.outputs + channel]);
                let start = (index * operands.outputs + channel) * plane;
                T::finish(numbers, bias, operands.residual.map(|all| &all[start..start + plane]), self.activation);
            }
        }
        Ok(())
    }

    fn group<T: Sample>(
        &self,
        operands: &Operands<'_, T>,
        input: &[T],
        weights: &[T],
        target: &mut [T],
    ) -> Result<(), String> {
        let (geometry, taps) = (&operands.geometry, operands.geometry.taps());
        let plane = geometry.output_plane();
        if operands.inputs == 1 && operands.outputs == 1 && T::depthwise(target, input, weights, geometry) {
            return Ok(());
        }
        let depth = operands.inputs * taps;
        let left = Matrix::new(weights, operands.outputs, depth)?;
        if geometry.is_pointwise() {
            let right = Matrix::new(input, depth, plane)?;
            return multiply_into(Target { elements: target, stride: plane, add: false }, T::ONE, left, right);
        }
        let width = geometry.output[2];
        for rows in blocks(plane / width.max(1), width, depth) {
            let length = rows.len() * width;
            let mut columns = T::scratch(depth * length);
            columns::gather(columns.to_mut(), input, geometry, rows.clone());
            let right = Matrix::new(&columns, depth, length)?;
            let target = Target { elements: &mut target[rows.start * width..], stride: plane, add: false };
            multiply_into(target, T::ONE, left, right)?;
            T::recycle(columns);
        }
        Ok(())
    }
}

/// Ranges of output rows whose columns are made together.
fn blocks(rows: usize, width: usize, depth: usize) -> impl Iterator<Item = Range<usize>> {
    let columns = (BLOCK / depth.max(1)).max(LEAST_COLUMNS);
    let step = (columns / width.max(1)).max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}
