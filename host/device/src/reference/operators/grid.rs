//! Sampling of images and volumes at places between their elements.

use super::layout::{coordinates, row_major};
use super::numeric::{doubles, integers, of_doubles, size};
use super::{Attributes, Kernel, Table};
use crate::reference::array::count;

pub(super) const OPERATORS: Table = &[("", "GridSample", grid_sample), ("", "AffineGrid", affine_grid)];

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Nearest,
    Linear,
    Cubic,
}

#[derive(Clone, Copy, PartialEq)]
enum Beyond {
    Zeros,
    Border,
    Reflection,
}

/// One axis of what is sampled.
#[derive(Clone, Copy)]
struct Axis {
    length: usize,
    beyond: Beyond,
    align: bool,
}

impl Axis {
    /// From -1..1 to a place on the axis.
    fn place(self, x: f64, mode: Mode) -> f64 {
        let length = self.length as f64;
        let place = if self.align { (x + 1.0) / 2.0 * (length - 1.0) } else { ((x + 1.0) * length - 1.0) / 2.0 };
        let place = if mode == Mode::Nearest { place.round_ties_even() } else { place };
        match self.beyond {
            Beyond::Zeros => place,
            Beyond::Border => place.clamp(0.0, length - 1.0),
            Beyond::Reflection => self.reflected(place),
        }
    }

    fn reflected(self, place: f64) -> f64 {
        let length = self.length as f64;
        let (low, high) = if self.align { (0.0, length - 1.0) } else { (-0.5, length - 0.5) };
        let range = high - low;
        if (low..=high).contains(&place) || range <= 0.0 {
            return place.clamp(low, high);
        }
        let around = (place - low).rem_euclid(2.0 * range);
        low + around.min(2.0 * range - around)
    }

    /// The element at a whole place; `None` where it counts as zero.
    fn element(self, place: f64) -> Option<usize> {
        let most = self.length.checked_sub(1)?;
        let place = match self.beyond {
            Beyond::Zeros if !(0.0..=most as f64).contains(&place) => return None,
            Beyond::Reflection => self.reflected(place),
            _ => place,
        };
        Some((place.max(0.0) as usize).min(most))
    }

    /// Elements and weights that make the value at a place.
    fn taps(self, place: f64, mode: Mode) -> Vec<(Option<usize>, f64)> {
        let floor = place.floor();
        let t = place - floor;
        let tap = |(step, weight): (f64, f64)| (self.element(floor + step), weight);
        match mode {
            Mode::Nearest => vec![(self.element(place), 1.0)],
            Mode::Linear => [(0.0, 1.0 - t), (1.0, t)].map(tap).to_vec(),
            Mode::Cubic => [(-1.0, cubic(t + 1.0)), (0.0, cubic(t)), (1.0, cubic(1.0 - t)), (2.0, cubic(2.0 - t))]
                .map(tap)
                .to_vec(),
        }
    }
}

/// The weight of an element at a distance below 2 (cubic convolution, a = -0.75).
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.75;
    if x <= 1.0 { ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0 } else { ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A }
}

fn grid_sample(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let mode = match &*attributes.string("mode", "linear")? {
        b"linear" | b"bilinear" => Mode::Linear,
        b"nearest" => Mode::Nearest,
        b"cubic" | b"bicubic" => Mode::Cubic,
        other => return Err(format!("mode '{}'", String::from_utf8_lossy(other))),
    };
    let beyond = match &*attributes.string("padding_mode", "zeros")? {
        b"zeros" => Beyond::Zeros,
        b"border" => Beyond::Border,
        b"reflection" => Beyond::Reflection,
        other => return Err(format!("padding_mode '{}'", String::from_utf8_lossy(other))),
    };
    let align = attributes.int("align_corners", 0)? != 0;
    Ok(Box::new(move |inputs| {
        let (data, grid) = (inputs.get(0)?, inputs.get(1)?);
        let rank = data.shape.len().saturating_sub(2);
        let fits =
            rank > 0 && grid.shape.len() == rank + 2 && grid.shape[rank + 1] == rank && grid.shape[0] == data.shape[0];
        if !fits {
            return Err(format!("a grid of shape {:?} does not fit data of shape {:?}", grid.shape, data.shape));
        }
        let (n, c, dims) = (data.shape[0], data.shape[1], &data.shape[2..]);
        let axes: Vec<Axis> = dims.iter().map(|length| Axis { length: *length, beyond, align }).collect();
        let (values, places, by) = (doubles(data)?, doubles(grid)?, row_major(dims));
        let (pixels, points) = (count(dims)?, count(&grid.shape[1..=rank])?);
        let shape: Vec<usize> = [n, c].into_iter().chain(grid.shape[1..=rank].iter().copied()).collect();
        let mut result = vec![0.0; count(&shape)?];
        for image in 0..n {
            for point in 0..points {
                let at = &places[(image * points + point) * rank..][..rank];
                let taps: Vec<_> =
                    axes.iter().zip(at.iter().rev()).map(|(axis, x)| axis.taps(axis.place(*x, mode), mode)).collect();
                let weighed = combinations(&taps, &by);
                for channel in 0..c {
                    let plane = &values[(image * c + channel) * pixels..][..pixels];
                    let value = weighed.iter().map(|(offset, weight)| plane[*offset] * weight).sum();
                    result[(image * c + channel) * points + point] = value;
                }
            }
        }
        Ok(vec![of_doubles(data.elements.dtype(), shape, result)?])
    }))
}

/// Offsets and weights of all combinations of the axes' taps.
fn combinations(taps: &[Vec<(Option<usize>, f64)>], by: &[isize]) -> Vec<(usize, f64)> {
    taps.iter().zip(by).fold(vec![(0, 1.0)], |so_far, (taps, by)| {
        let next = |(offset, weight): (usize, f64)| {
            let taps = taps.iter().filter_map(|(place, share)| Some(((*place)?, share)));
            taps.map(move |(place, share)| (offset + place * *by as usize, weight * share))
        };
        so_far.into_iter().flat_map(next).collect()
    })
}

/// The places that an affine transformation leads each element of an output to.
fn affine_grid(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let align = attributes.int("align_corners", 0)? != 0;
    Ok(Box::new(move |inputs| {
        let (theta, wanted) = (inputs.get(0)?, integers(inputs.get(1)?)?);
        let dims: Vec<usize> = wanted.iter().map(|dim| size(*dim, "a dimension")).collect::<Result<_, _>>()?;
        let rank = dims.len().saturating_sub(2);
        if rank == 0 || theta.shape != [dims[0], rank, rank + 1] {
            return Err(format!("transformations of shape {:?} do not fit the size {dims:?}", theta.shape));
        }
        let values = doubles(theta)?;
        let unit = |at: usize, length: usize| match (align, length) {
            (true, 1) => 0.0,
            (true, _) => 2.0 * at as f64 / (length - 1) as f64 - 1.0,
            (false, _) => (2.0 * at as f64 + 1.0) / length as f64 - 1.0,
        };
        let shape: Vec<usize> = [dims[0]].into_iter().chain(dims[2..].iter().copied()).chain([rank]).collect();
        let mut result = Vec::with_capacity(count(&shape)?);
        for image in values.chunks((rank * (rank + 1)).max(1)) {
            coordinates(&dims[2..], |at| {
                // Coordinates run x, y, z while axes run z, y, x.
                let place: Vec<f64> = (0..rank).rev().map(|axis| unit(at[axis], dims[2 + axis])).chain([1.0]).collect();
                result
                    .extend(image.chunks(rank + 1).map(|row| row.iter().zip(&place).map(|(a, b)| a * b).sum::<f64>()));
            });
        }
        Ok(vec![of_doubles(theta.elements.dtype(), shape, result)?])
    }))
}
