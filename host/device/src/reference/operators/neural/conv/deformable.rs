//! `DeformConv`: a convolution whose every tap looks where an input says (Dai and others, *Deformable Convolutional Networks*, 2017;
//! with a mask, Zhu and others, 2019).

use super::super::window::{Geometry, Window};
use crate::reference::array::count;
use crate::reference::attributes::Attributes;
use crate::reference::operators::numeric::{doubles, of_doubles, size};
use crate::reference::operators::{Arguments, Kernel, Results};

struct Deformable {
    window: Window,
    groups: usize,
    offset_groups: usize,
}

/// `DeformConv` over two axes.
pub(crate) fn deform_conv(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let many = |name: &str| {
        size(attributes.int(name, 1)?, name).and_then(|many| match many {
            0 => Err(format!("{name} is 0")),
            many => Ok(many),
        })
    };
    let deformable =
        Deformable { window: Window::read(attributes)?, groups: many("group")?, offset_groups: many("offset_group")? };
    Ok(Box::new(move |inputs| deformable.run(inputs)))
}

impl Deformable {
    fn run(&self, inputs: &mut Arguments<'_>) -> Results {
        let (input, weights) = (inputs.get(0)?, inputs.get(1)?);
        let ([batch, channels, height, width], [outputs, depth, kernel @ ..]) = (&*input.shape, &*weights.shape) else {
            return Err(format!("cannot convolve {:?} with {:?} over two axes", input.shape, weights.shape));
        };
        let fits = Some(*channels) == depth.checked_mul(self.groups)
            && outputs % self.groups == 0
            && channels % self.offset_groups == 0;
        if !fits {
            let (groups, offset_groups) = (self.groups, self.offset_groups);
            return Err(format!(
                "{channels} channels do not fit weights {:?} in {groups} groups, {offset_groups} of offsets",
                weights.shape
            ));
        }
        let geometry = self.window.over(&[*height, *width], Some(kernel))?;
        let (taps, plane) = (geometry.taps(), geometry.output_plane());
        let of = |index: usize, each: usize, what: &str| {
            let Some(array) = inputs.optional(index) else { return Ok(None) };
            let shape = [&[*batch, self.offset_groups * taps * each], geometry.output_shape()].concat();
            let fits = array.shape == shape;
            if fits { doubles(array).map(Some) } else { Err(format!("{what} {:?}, expected {shape:?}", array.shape)) }
        };
        let offsets = of(2, 2, "offsets")?.ok_or("input 2 is missing")?;
        let mask = of(4, 1, "a mask")?;
        let bias = inputs.optional(3).map(doubles).transpose()?;
        if bias.as_ref().is_some_and(|bias| bias.len() != *outputs) {
            return Err(format!("the bias does not have {outputs} entries"));
        }
        let shape = [&[*batch, *outputs], geometry.output_shape()].concat();
        let (x, w) = (doubles(input)?, doubles(weights)?);
        let mut result = vec![0.0; count(&shape)?];
        // The taps of one place, for all channels.
        let mut seen = vec![0.0; channels * taps];
        for at in 0..batch * plane {
            let (image, place) = (at / plane.max(1), at % plane.max(1));
            for channel in 0..*channels {
                let from = &x[(image * channels + channel) * height * width..][..height * width];
                let group = image * self.offset_groups + channel * self.offset_groups / channels;
                for tap in 0..taps {
                    let moved = |axis: usize| offsets[((group * taps + tap) * 2 + axis) * plane + place];
                    let (y, x) = source(&geometry, place, tap);
                    let value = between(from, (*height, *width), y + moved(0), x + moved(1));
                    let factor = mask.as_ref().map_or(1.0, |mask| mask[(group * taps + tap) * plane + place]);
                    seen[channel * taps + tap] = value * factor;
                }
            }
            for output in 0..*outputs {
                let group = output / (outputs / self.groups);
                let own = &seen[group * depth * taps..(group + 1) * depth * taps];
                let sum: f64 = w[output * depth * taps..][..depth * taps].iter().zip(own).map(|(w, x)| w * x).sum();
                result[(image * outputs + output) * plane + place] =
                    sum + bias.as_ref().map_or(0.0, |bias| bias[output]);
            }
        }
        Ok(vec![of_doubles(input.elements.dtype(), shape, result)?])
    }
}

/// Where a tap lies without an offset, which may be outside of the input.
fn source(geometry: &Geometry, place: usize, tap: usize) -> (f64, f64) {
    let ([_, _, width], [_, _, kernel]) = (geometry.output, geometry.kernel);
    let on = |axis: usize, place: usize, tap: usize| {
        (place * geometry.strides[axis] + tap * geometry.dilations[axis]) as f64 - geometry.before[axis] as f64
    };
    (on(1, place / width, tap / kernel), on(2, place % width, tap % kernel))
}

/// The value between four elements; elements outside are zero.
fn between(plane: &[f64], (height, width): (usize, usize), y: f64, x: f64) -> f64 {
    let inside = y > -1.0 && y < height as f64 && x > -1.0 && x < width as f64;
    if !inside {
        return 0.0;
    }
    let (top, left) = (y.floor(), x.floor());
    let element = |row: f64, column: f64| {
        let inside = row >= 0.0 && row < height as f64 && column >= 0.0 && column < width as f64;
        if inside { plane[row as usize * width + column as usize] } else { 0.0 }
    };
    let (down, right) = (y - top, x - left);
    element(top, left) * (1.0 - down) * (1.0 - right)
        + element(top, left + 1.0) * (1.0 - down) * right
        + element(top + 1.0, left) * down * (1.0 - right)
        + element(top + 1.0, left + 1.0) * down * right
}
