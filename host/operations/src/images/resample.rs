//! The library that resamples.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{Filter, FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use scorehost_core::{DType, Tensor};

use super::Interpolation;
use super::picture::Frame;
use crate::element::{Element, of_vec, view};
use crate::{OperationError, Watch};

/// Most channels that lie beside each other in a pixel.
pub(super) const MAX_CHANNELS: u64 = 4;

/// How a picture gets another size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sampling {
    pub(super) interpolation: Interpolation,
    pub(super) antialias: bool,
}

/// A part of a picture in pixels: left, top, width, height.
pub(super) type Part = (f64, f64, f64, f64);

/// Cubic convolution as OpenCV and torch have it without antialiasing; PIL, and both with antialiasing, take -0.5.
const SHARP: f64 = -0.75;

pub(super) fn cubic(distance: f64) -> f64 {
    let d = distance.abs();
    if d < 1.0 {
        ((SHARP + 2.0) * d - (SHARP + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        ((SHARP * d - 5.0 * SHARP) * d + 8.0 * SHARP) * d - 4.0 * SHARP
    } else {
        0.0
    }
}

impl Sampling {
    fn algorithm(self) -> Result<ResizeAlg, OperationError> {
        let sharp = || Filter::new("cubic, a = -0.75", cubic, 2.0).map(FilterType::Custom);
        Ok(match (self.interpolation, self.antialias) {
            (Interpolation::Nearest, _) => ResizeAlg::Nearest,
            (Interpolation::Bilinear, true) => ResizeAlg::Convolution(FilterType::Bilinear),
            (Interpolation::Bilinear, false) => ResizeAlg::Interpolation(FilterType::Bilinear),
            (Interpolation::Bicubic, true) => ResizeAlg::Convolution(FilterType::CatmullRom),
            (Interpolation::Bicubic, false) => ResizeAlg::Interpolation(sharp().map_err(failed)?),
        })
    }

    /// Nanoseconds for a channel of a source pixel and of a result's, roughly.
    pub(super) fn nanos(self, from: &Frame, to: &Frame) -> u64 {
        let samples = |frame: &Frame| frame.batch * frame.height * frame.width * frame.channels;
        let taps = match self.interpolation {
            Interpolation::Nearest => 0.2,
            Interpolation::Bilinear => 0.6,
            Interpolation::Bicubic => 1.0,
        };
        let source = if self.antialias { samples(from) } else { samples(to).min(samples(from)) };
        ((source as f64 + 2.0 * samples(to) as f64) * taps) as u64
    }
}

fn failed(error: impl std::fmt::Display) -> OperationError {
    OperationError::argument("resize", "the picture", error.to_string(), "one that can be resampled")
}

fn pixel_type(dtype: DType, channels: u64) -> Option<PixelType> {
    Some(match (dtype, channels) {
        (DType::U8, 1) => PixelType::U8,
        (DType::U8, 2) => PixelType::U8x2,
        (DType::U8, 3) => PixelType::U8x3,
        (DType::U8, 4) => PixelType::U8x4,
        (DType::F32, 1) => PixelType::F32,
        (DType::F32, 2) => PixelType::F32x2,
        (DType::F32, 3) => PixelType::F32x3,
        (DType::F32, 4) => PixelType::F32x4,
        _ => return None,
    })
}

/// Resamples `part` of every picture of `input` (all of it where there is none) to the size of `to`.
pub(super) fn resample(
    input: &Tensor,
    (from, to): (&Frame, &Frame),
    part: Option<Part>,
    sampling: Sampling,
    watch: &Watch<'_>,
) -> Result<Tensor, OperationError> {
    match input.dtype() {
        DType::U8 => resampled::<u8>(input, (from, to), part, sampling, watch),
        _ => resampled::<f32>(input, (from, to), part, sampling, watch),
    }
}

fn resampled<T: Element>(
    input: &Tensor,
    (from, to): (&Frame, &Frame),
    part: Option<Part>,
    sampling: Sampling,
    watch: &Watch<'_>,
) -> Result<Tensor, OperationError> {
    let samples = view::<T>(input);
    let (planes, channels) = from.planes();
    let pixel = pixel_type(T::DTYPE, channels).ok_or_else(|| failed(format!("{channels} channels")))?;
    let source = (from.height * from.width * channels) as usize;
    let target = (to.height * to.width * channels) as usize;
    let mut out = vec![T::default(); planes as usize * target];
    let options = ResizeOptions::new().resize_alg(sampling.algorithm()?).use_alpha(false);
    let options = match part {
        Some((left, top, width, height)) => options.crop(left, top, width, height),
        None => options,
    };
    let mut resizer = Resizer::new();
    for (source, target) in samples.chunks_exact(source).zip(out.chunks_exact_mut(target)) {
        watch.check()?;
        let source = bytemuck::cast_slice(source);
        let picture = ImageRef::new(from.width as u32, from.height as u32, source, pixel).map_err(failed)?;
        let target = bytemuck::cast_slice_mut(target);
        let mut result = Image::from_slice_u8(to.width as u32, to.height as u32, target, pixel).map_err(failed)?;
        resizer.resize(&picture, &mut result, &options).map_err(failed)?;
    }
    of_vec(T::DTYPE, to.shape(), out)
}
