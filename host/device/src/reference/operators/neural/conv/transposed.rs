//! Transposed convolution: the products of all channels, added to the places that a convolution would have seen.

use super::super::activation::Activation;
use super::super::columns;
use super::super::window::{Geometry, Window, sizes};
use super::Sample;
use crate::reference::array::{Array, Elements, count};
use crate::reference::attributes::Attributes;
use crate::reference::multiply::{Matrix, Target, multiply_into};
use crate::reference::operators::{Arguments, Kernel};

struct Transposed {
    groups: usize,
    strides: Vec<usize>,
    dilations: Vec<usize>,
    pads: Vec<usize>,
    extra: Vec<usize>,
    output: Vec<usize>,
    /// Whether padding that follows from the sizes goes to the end first; `None` where sizes do not decide.
    upper: Option<bool>,
}

/// `ConvTranspose`.
pub(crate) fn conv_transpose(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let upper = match &*attributes.string("auto_pad", "NOTSET")? {
        b"SAME_UPPER" => Some(true),
        b"SAME_LOWER" => Some(false),
        _ => None,
    };
    let transposed = Transposed {
        groups: usize::try_from(attributes.int("group", 1)?).ok().filter(|groups| *groups > 0).ok_or("group")?,
        strides: sizes(attributes, "strides")?,
        dilations: sizes(attributes, "dilations")?,
        pads: sizes(attributes, "pads")?,
        extra: sizes(attributes, "output_padding")?,
        output: sizes(attributes, "output_shape")?,
        upper,
    };
    Ok(Box::new(move |inputs| {
        let result = match &inputs.get(0)?.elements {
            Elements::F32(_) => transposed.run::<f32>(inputs)?,
            Elements::F64(_) => transposed.run::<f64>(inputs)?,
            Elements::F16(_) | Elements::BF16(_) => {
                return super::super::in_single(inputs, |inputs| Ok(vec![transposed.run::<f32>(inputs)?]));
            }
            other => return Err(format!("{} is not supported here", other.dtype())),
        };
        Ok(vec![result])
    }))
}

impl Transposed {
    fn run<T: Sample + std::ops::AddAssign>(&self, inputs: &Arguments<'_>) -> Result<Array, String> {
        let (input, weights) = (inputs.get(0)?, inputs.get(1)?);
        let ([batch, channels, spatial @ ..], [depth, outputs, kernel @ ..]) = (&*input.shape, &*weights.shape) else {
            return Err(format!("cannot convolve {:?} with {:?}", input.shape, weights.shape));
        };
        if channels != depth || channels % self.groups != 0 {
            return Err(format!("{channels} channels do not fit weights {:?}", weights.shape));
        }
        let geometry = self.geometry(spatial, kernel)?;
        let all = outputs.checked_mul(self.groups).ok_or("too many channels")?;
        let shape = [&[*batch, all], &geometry.input[super::super::window::AXES - geometry.rank..]].concat();
        let bias = match inputs.optional(2) {
            Some(bias) if bias.shape != [all] => return Err(format!("the bias has shape {:?}", bias.shape)),
            bias => bias.map(|bias| bias.typed::<T>()).transpose()?,
        };
        let (values, kernels) = (input.typed::<T>()?, weights.typed::<T>()?);
        let mut result = T::scratch(count(&shape)?);
        result.to_mut().fill(T::default());
        let (plane, inner) = (geometry.output_plane(), channels / self.groups);
        let rows = outputs * geometry.taps();
        count(&[rows, plane])?;
        let target = geometry.input_plane();
        if target * outputs == 0 || inner * plane == 0 {
            return Array::of(shape, result);
        }
        let mut columns = T::scratch(rows * plane);
        for (index, target) in result.to_mut().chunks_exact_mut(target * outputs).enumerate() {
            let group = index % self.groups;
            let left = Matrix::new(&kernels[group * inner * rows..(group + 1) * inner * rows], inner, rows)?;
            let right = Matrix::new(&values[index * inner * plane..(index + 1) * inner * plane], inner, plane)?;
            let product = Target { elements: columns.to_mut(), stride: plane, add: false };
            multiply_into(product, T::ONE, left.transposed(true), right)?;
            columns::scatter(&columns, target, &geometry);
            for (channel, numbers) in target.chunks_exact_mut(geometry.input_plane()).enumerate() {
                let bias = bias.map_or(T::default(), |bias| bias[group * outputs + channel]);
                T::finish(numbers, bias, None, Activation::None);
            }
        }
        T::recycle(columns);
        Array::of(shape, result)
    }

    /// The convolution that this one is the transposed of: it reads what is written here.
    fn geometry(&self, spatial: &[usize], kernel: &[usize]) -> Result<Geometry, String> {
        let rank = spatial.len();
        let entry = |values: &[usize], axis: usize, default: usize| values.get(axis).copied().unwrap_or(default);
        let lists = [(&self.strides, rank), (&self.dilations, rank), (&self.pads, 2 * rank), (&self.extra, rank)];
        if kernel.len() != rank || lists.iter().any(|(list, length)| !list.is_empty() && list.len() != *length) {
            return Err(format!("the attributes do not fit {rank} axes"));
        }
        let mut wanted = Vec::with_capacity(rank);
        let mut pads = vec![0; 2 * rank];
        for axis in 0..rank {
            let (stride, dilation) = (entry(&self.strides, axis, 1), entry(&self.dilations, axis, 1));
            let extra = entry(&self.extra, axis, 0);
            let full = spatial[axis]
                .checked_sub(1)
                .and_then(|steps| steps.checked_mul(stride))
                .and_then(|end| kernel[axis].checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?.checked_add(end))
                .and_then(|end| end.checked_add(extra))
                .ok_or("the output has no size")?;
            let given = self.output.len().checked_sub(rank).map(|skip| self.output[skip + axis]);
            let target = given.or(self.upper.map(|_| spatial[axis] * stride));
            let (before, after) = match target {
                None => (entry(&self.pads, axis, 0), entry(&self.pads, rank + axis, 0)),
                Some(target) => {
                    let total = full.saturating_sub(target);
                    let less = total / 2;
                    if self.upper == Some(true) { (less, total - less) } else { (total - less, less) }
                }
            };
            let size = target.or(full.checked_sub(before).and_then(|size| size.checked_sub(after)));
            wanted.push(size.ok_or("the padding is larger than the output")?);
            (pads[axis], pads[rank + axis]) = (before, after);
        }
        count(&wanted)?;
        let window = Window::with(&self.strides, &self.dilations, pads);
        let mut geometry = window.over(&wanted, Some(kernel))?;
        // Output padding, or a given size, may leave places that no window reaches.
        geometry.output[super::super::window::AXES - rank..].copy_from_slice(spatial);
        Ok(geometry)
    }
}
