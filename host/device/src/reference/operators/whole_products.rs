//! Products of small integers: of matrices and of windows of images.

use scorehost_core::DType;

use super::layout::{coordinates, row_major};
use super::matrix::stacked;
use super::numeric::{doubles, of_doubles};
use super::quantise::{Grid, bounds, rounded};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("", "MatMulInteger", matmul_integer),
    ("", "QLinearMatMul", matmul_quantised),
    ("", "ConvInteger", conv_integer),
    ("", "QLinearConv", conv_quantised),
];

/// The elements less the zero point, which may be one for each row or column; exact in double precision.
fn shifted(data: &Array, zero: Option<&Array>, axis: i64) -> Result<Array, String> {
    let values = doubles(data)?;
    let Some(zero) = zero else { return Array::new(data.shape.clone(), values) };
    let ones = Array::new(zero.shape.clone(), vec![1.0; zero.len()])?;
    let grid = Grid::new(&data.shape, &ones, Some(zero), axis, 0)?;
    Array::new(
        data.shape.clone(),
        values.into_iter().enumerate().map(|(index, x)| x - grid.at(index).1).collect::<Vec<f64>>(),
    )
}

fn matmul_integer(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (a, b) =
            (shifted(inputs.get(0)?, inputs.optional(2), -2)?, shifted(inputs.get(1)?, inputs.optional(3), -1)?);
        let product = stacked::<f64>(&a, &b)?;
        Ok(vec![of_doubles(DType::I32, product.shape.clone(), doubles(&product)?)?])
    }))
}

/// `(product * scales / scale) + zero`, rounded and cut to the zero point's type.
fn requantised(product: &Array, by: &Array, by_axis: i64, scale: &Array, zero: &Array) -> Result<Array, String> {
    let dtype = zero.elements.dtype();
    let (bounds, to) = (bounds(dtype)?, Grid::new(&product.shape, scale, Some(zero), 0, 0)?);
    let from = Grid::new(&product.shape, by, None, by_axis, 0)?;
    let one = |(index, x): (usize, f64)| {
        let (scale, zero) = to.at(index);
        rounded(x * from.at(index).0 / scale + zero, bounds)
    };
    of_doubles(dtype, product.shape.clone(), doubles(product)?.into_iter().enumerate().map(one).collect())
}

/// The product of two scales, in the shape of the second.
fn scales(one: &Array, other: &Array) -> Result<Array, String> {
    let first = doubles(one)?.first().copied().ok_or("a scale is empty")?;
    Array::new(other.shape.clone(), doubles(other)?.into_iter().map(|scale| scale * first).collect::<Vec<f64>>())
}

fn matmul_quantised(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let get = |index| inputs.get(index);
        let (a, b) = (shifted(get(0)?, Some(get(2)?), -2)?, shifted(get(3)?, Some(get(5)?), -1)?);
        // A scale for each row of A excludes one for each column of B here.
        let (by, axis) =
            if get(1)?.len() > 1 { (scales(get(4)?, get(1)?)?, -2) } else { (scales(get(1)?, get(4)?)?, -1) };
        Ok(vec![requantised(&stacked::<f64>(&a, &b)?, &by, axis, get(6)?, get(7)?)?])
    }))
}

/// How a window moves over images of any rank.
struct Window {
    pads: Vec<i64>,
    steps: Vec<i64>,
    dilations: Vec<i64>,
    groups: usize,
    auto: Vec<u8>,
}

impl Window {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        Ok(Self {
            pads: attributes.ints("pads")?,
            steps: attributes.ints("strides")?,
            dilations: attributes.ints("dilations")?,
            groups: usize::try_from(attributes.int("group", 1)?).map_err(|_| "group is negative")?,
            auto: attributes.string("auto_pad", "NOTSET")?.to_vec(),
        })
    }

    /// Pads before each axis, and dimensions of the result.
    fn places(&self, image: &[usize], kernel: &[usize]) -> Result<(Vec<i64>, Vec<usize>), String> {
        let rank = image.len();
        let (mut before, mut dims) = (Vec::new(), Vec::new());
        for axis in 0..rank {
            let step = self.steps.get(axis).copied().unwrap_or(1).max(1);
            let reach = self.dilations.get(axis).copied().unwrap_or(1) * (kernel[axis] as i64 - 1) + 1;
            let length = image[axis] as i64;
            let pad = |index: usize| self.pads.get(index).copied().unwrap_or(0);
            let (first, total) = match &*self.auto {
                b"SAME_UPPER" | b"SAME_LOWER" => {
                    let total = ((length + step - 1) / step * step - step + reach - length).max(0);
                    (if *self.auto == *b"SAME_UPPER" { total / 2 } else { total - total / 2 }, total)
                }
                b"VALID" => (0, 0),
                _ => (pad(axis), pad(axis) + pad(axis + rank)),
            };
            before.push(first);
            dims.push(usize::try_from((length + total - reach).div_euclid(step) + 1).unwrap_or(0));
        }
        Ok((before, dims))
    }

    fn convolve(&self, data: &Array, weights: &Array) -> Result<Array, String> {
        let fit = || format!("weights of shape {:?} do not fit data of shape {:?}", weights.shape, data.shape);
        let ([n, channels, image @ ..], [maps, deep, kernel @ ..]) = (&data.shape[..], &weights.shape[..]) else {
            return Err(fit());
        };
        let groups = self.groups.max(1);
        if image.len() != kernel.len() || deep * groups != *channels || maps % groups != 0 {
            return Err(fit());
        }
        let (before, dims) = self.places(image, kernel)?;
        let shape: Vec<usize> = [*n, *maps].into_iter().chain(dims.iter().copied()).collect();
        let mut result = Vec::with_capacity(count(&shape)?);
        let (values, factors, by) = (doubles(data)?, doubles(weights)?, row_major(image));
        let (pixels, taps): (usize, usize) = (image.iter().product(), kernel.iter().product());
        let step = |axis: usize| self.steps.get(axis).copied().unwrap_or(1).max(1);
        let dilation = |axis: usize| self.dilations.get(axis).copied().unwrap_or(1);
        for (batch, map) in (0..*n).flat_map(|batch| (0..*maps).map(move |map| (batch, map))) {
            let first = map / (maps / groups) * deep;
            coordinates(&dims, |at| {
                let (mut sum, mut tap) = (0.0, 0);
                coordinates(kernel, |in_kernel| {
                    let place = |axis: usize| {
                        at[axis] as i64 * step(axis) + in_kernel[axis] as i64 * dilation(axis) - before[axis]
                    };
                    let offset = (0..dims.len()).try_fold(0, |offset, axis| {
                        let place = usize::try_from(place(axis)).ok().filter(|place| *place < image[axis])?;
                        Some(offset + place * by[axis] as usize)
                    });
                    for channel in 0..*deep {
                        let x =
                            offset.map_or(0.0, |offset| values[(batch * channels + first + channel) * pixels + offset]);
                        sum += x * factors[(map * deep + channel) * taps + tap];
                    }
                    tap += 1;
                });
                result.push(sum);
            });
        }
        Array::new(shape, result)
    }
}

fn conv_integer(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let window = Window::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let data = shifted(inputs.get(0)?, inputs.optional(2), 1)?;
        let sums = window.convolve(&data, &shifted(inputs.get(1)?, inputs.optional(3), 0)?)?;
        Ok(vec![of_doubles(DType::I32, sums.shape.clone(), doubles(&sums)?)?])
    }))
}

fn conv_quantised(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let window = Window::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let get = |index| inputs.get(index);
        let sums = window.convolve(&shifted(get(0)?, Some(get(2)?), 1)?, &shifted(get(3)?, Some(get(5)?), 0)?)?;
        let sums = match inputs.optional(8) {
            Some(bias) => {
                let shape: Vec<usize> =
                    std::iter::once(bias.len()).chain(std::iter::repeat_n(1, sums.shape.len() - 2)).collect();
                super::elementwise::zip((&doubles(&sums)?, &sums.shape), (&doubles(bias)?, &shape), |x, bias| x + bias)?
            }
            None => sums,
        };
        Ok(vec![requantised(&sums, &scales(get(1)?, get(4)?)?, 1, get(6)?, get(7)?)?])
    }))
}
