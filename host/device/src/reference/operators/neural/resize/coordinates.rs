//! Where a place of the result lies in the source, and which source places it takes its value from.

use crate::reference::attributes::Attributes;

/// One axis of a resize.
pub(super) struct Axis {
    pub(super) source: usize,
    pub(super) output: usize,
    pub(super) scale: f32,
    /// What the scale makes of the source, before it is rounded to `output`: the specification counts aligned corners in it.
    pub(super) resized: f32,
    /// Start and end of the region, as shares of the source.
    pub(super) region: (f32, f32),
}

impl Axis {
    pub(super) fn unchanged(size: usize) -> Self {
        Self { source: size, output: size, scale: 1.0, resized: size as f32, region: (0.0, 1.0) }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Transformation {
    HalfPixel,
    HalfPixelSymmetric,
    TorchHalfPixel,
    TensorflowHalfPixel,
    AlignCorners,
    Asymmetric,
    Crop,
}

#[derive(Clone, Copy, PartialEq)]
enum Rounding {
    PreferFloor,
    PreferCeil,
    Floor,
    Ceil,
}

/// The attributes that say how places are counted.
pub(super) struct Coordinates {
    transformation: Transformation,
    rounding: Rounding,
    antialias: bool,
    exclude_outside: bool,
    /// The parameter of cubic interpolation (Keys, 1981).
    pub(super) sharpness: f64,
}

impl Coordinates {
    /// As before operator set 11.
    pub(super) fn asymmetric() -> Self {
        Self {
            transformation: Transformation::Asymmetric,
            rounding: Rounding::Floor,
            antialias: false,
            exclude_outside: false,
            sharpness: -0.75,
        }
    }

    pub(super) fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        let transformation = match &*attributes.string("coordinate_transformation_mode", "half_pixel")? {
            b"half_pixel" => Transformation::HalfPixel,
            b"half_pixel_symmetric" => Transformation::HalfPixelSymmetric,
            b"pytorch_half_pixel" => Transformation::TorchHalfPixel,
            b"tf_half_pixel_for_nn" => Transformation::TensorflowHalfPixel,
            b"align_corners" => Transformation::AlignCorners,
            b"asymmetric" => Transformation::Asymmetric,
            b"tf_crop_and_resize" => Transformation::Crop,
            other => return Err(format!("coordinate_transformation_mode '{}'", String::from_utf8_lossy(other))),
        };
        let rounding = match &*attributes.string("nearest_mode", "round_prefer_floor")? {
            b"round_prefer_floor" => Rounding::PreferFloor,
            b"round_prefer_ceil" => Rounding::PreferCeil,
            b"floor" => Rounding::Floor,
            b"ceil" => Rounding::Ceil,
            other => return Err(format!("nearest_mode '{}'", String::from_utf8_lossy(other))),
        };
        Ok(Self {
            transformation,
            rounding,
            antialias: attributes.int("antialias", 0)? != 0,
            exclude_outside: attributes.int("exclude_outside", 0)? != 0,
            sharpness: f64::from(attributes.float("cubic_coeff_a", -0.75)?),
        })
    }

    pub(super) fn uses_region(&self) -> bool {
        self.transformation == Transformation::Crop
    }

    /// The place in the source, between elements; `None` outside of it where that has a value of its own. In single precision, as
    /// ONNX Runtime computes it: whether a place is whole decides what is nearest to it.
    fn source(&self, axis: &Axis, output: usize) -> Option<f64> {
        let (place, source, result) = (output as f32, axis.source as f32, axis.output as f32);
        let half = (place + 0.5) / axis.scale - 0.5;
        let found = match self.transformation {
            Transformation::HalfPixel => half,
            Transformation::HalfPixelSymmetric => {
                let adjustment = result / (axis.scale * source);
                source / 2.0 * (1.0 - adjustment) + half
            }
            Transformation::TorchHalfPixel if axis.output > 1 => half,
            Transformation::TensorflowHalfPixel => (place + 0.5) / axis.scale,
            Transformation::AlignCorners if axis.output > 1 && axis.resized > 1.0 => {
                place * (source - 1.0) / (axis.resized - 1.0)
            }
            Transformation::TorchHalfPixel | Transformation::AlignCorners => 0.0,
            Transformation::Asymmetric => place / axis.scale,
            Transformation::Crop => {
                let (start, end) = axis.region;
                let place = match axis.output {
                    0 | 1 => 0.5 * (start + end) * (source - 1.0),
                    _ => start * (source - 1.0) + place * (end - start) * (source - 1.0) / (result - 1.0),
                };
                return (0.0..=source - 1.0).contains(&place).then_some(f64::from(place));
            }
        };
        Some(f64::from(found))
    }

    /// The one nearest element.
    pub(super) fn nearest(&self, axis: &Axis, output: usize) -> Vec<(usize, f32)> {
        let Some(place) = self.source(axis, output) else { return Vec::new() };
        let rounded = match self.rounding {
            Rounding::PreferFloor => (place - 0.5).ceil(),
            Rounding::PreferCeil => (place + 0.5).floor(),
            Rounding::Floor => place.floor(),
            Rounding::Ceil => place.ceil(),
        };
        vec![(clamped(rounded, axis.source), 1.0)]
    }

    /// The elements within `reach` and their weights, which add up to 1. Antialiasing widens the reach where the result
    /// is smaller than the source.
    pub(super) fn weighted(
        &self,
        axis: &Axis,
        output: usize,
        reach: usize,
        weight: impl Fn(f64) -> f64,
    ) -> Vec<(usize, f32)> {
        let Some(place) = self.source(axis, output) else { return Vec::new() };
        let stretch = if self.antialias && axis.scale < 1.0 { f64::from(axis.scale) } else { 1.0 };
        // Beyond the source there is only its edge, so no more places than it has count.
        let wide = (reach as f64 / stretch).min(4.0 * axis.source as f64 + 4.0);
        let (first, last) = ((place - wide).floor() as i64, (place + wide).ceil() as i64);
        let mut taps: Vec<(usize, f64)> = Vec::new();
        for at in first..=last {
            let share = weight((at as f64 - place) * stretch);
            let outside = at < 0 || at >= axis.source as i64;
            if share == 0.0 || (outside && self.exclude_outside) {
                continue;
            }
            let at = clamped(at as f64, axis.source);
            match taps.last_mut() {
                Some((same, sum)) if *same == at => *sum += share,
                _ => taps.push((at, share)),
            }
        }
        let total: f64 = taps.iter().map(|tap| tap.1).sum();
        taps.into_iter().map(|(at, share)| (at, (share / total) as f32)).collect()
    }
}

fn clamped(place: f64, size: usize) -> usize {
    place.clamp(0.0, size.saturating_sub(1) as f64) as usize
}

/// Linear interpolation.
pub(super) fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

/// Cubic convolution (Keys, *Cubic Convolution Interpolation*, 1981).
pub(super) fn cubic(x: f64, a: f64) -> f64 {
    let x = x.abs();
    if x <= 1.0 {
        ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a
    } else {
        0.0
    }
}
