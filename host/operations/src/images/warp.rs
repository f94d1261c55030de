use scorehost_core::{DType, Described, Shape, Tensor};

use super::picture::{Frame, check_pixels, check_size};
use super::resample::cubic;
use super::{Interpolation, Layout};
use crate::element::{Element, encoded, of_vec, view};
use crate::plan::Pace;
use crate::shape::{bytes, one};
use crate::{OperationError, Plan, Watch};

/// A picture (height, width, channels) seen through a projection, as OpenCV's `warpPerspective` with `WARP_INVERSE_MAP`.
#[derive(Clone, Debug, PartialEq)]
pub struct WarpPerspective {
    /// Nine numbers, row by row: result pixel `(x, y, 1)` times them is the place in the source, after division by the third. An
    /// affine map has `0, 0, 1` in the last row. Whole places are pixels' centres.
    pub matrix: [f64; 9],
    /// Height of the result, in pixels.
    pub height: u32,
    /// Width of the result, in pixels.
    pub width: u32,
    /// How pixels between pixels are made; cubic with `a = -0.75`.
    pub interpolation: Interpolation,
    /// What is beyond the border; `None` repeats the border.
    pub fill: Option<f64>,
}

/// A quadrilateral cut out of a picture (height, width, channels) and straightened, such as a line of text.
#[derive(Clone, Debug, PartialEq)]
pub struct CropQuad {
    /// `x, y` of its corners in pixels: those that become top left, top right, bottom right, bottom left.
    pub corners: [[f32; 2]; 4],
    /// Height of the result, in pixels.
    pub height: u32,
    /// Width of the result, in pixels.
    pub width: u32,
    /// How pixels between pixels are made; cubic with `a = -0.75`. The border is repeated.
    pub interpolation: Interpolation,
}

const MAX_CHANNELS: usize = 4;

/// The projective map from the unit square to a quadrilateral (Heckbert, "Fundamentals of Texture Mapping", 1989), for a result
/// of `width` x `height` pixels.
fn onto([a, b, c, d]: [[f64; 2]; 4], width: f64, height: f64) -> [f64; 9] {
    let minus = |p: [f64; 2], q: [f64; 2]| [p[0] - q[0], p[1] - q[1]];
    let cross = |p: [f64; 2], q: [f64; 2]| p[0] * q[1] - p[1] * q[0];
    let skew = [a[0] - b[0] + c[0] - d[0], a[1] - b[1] + c[1] - d[1]];
    let (right, bottom) = (minus(b, c), minus(d, c));
    let area = cross(right, bottom);
    // A quadrilateral without area has no depth to recover.
    let (g, h) = if area == 0.0 { (0.0, 0.0) } else { (cross(skew, bottom) / area, cross(right, skew) / area) };
    let row = |axis: usize| {
        let across = b[axis] - a[axis] + g * b[axis];
        let down = d[axis] - a[axis] + h * d[axis];
        [across / width, down / height, a[axis]]
    };
    let ([xx, xy, x], [yx, yy, y]) = (row(0), row(1));
    [xx, xy, x, yx, yy, y, g / width, h / height, 1.0]
}

impl CropQuad {
    pub(crate) const NAME: &'static str = "crop-quad";

    fn warp(&self) -> Result<WarpPerspective, OperationError> {
        if !self.corners.as_flattened().iter().all(|number| number.is_finite()) {
            return Err(OperationError::argument(Self::NAME, "corners", self.corners, "finite numbers"));
        }
        let corners = self.corners.map(|corner| corner.map(f64::from));
        let matrix = onto(corners, f64::from(self.width.max(1)), f64::from(self.height.max(1)));
        let (height, width, interpolation) = (self.height, self.width, self.interpolation);
        Ok(WarpPerspective { matrix, height, width, interpolation, fill: None })
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        self.warp()?.plan(inputs)
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        self.warp()?.run(inputs, watch)
    }
}

impl WarpPerspective {
    pub(crate) const NAME: &'static str = "warp-perspective";

    fn frame(&self, input: &impl Described) -> Result<Frame, OperationError> {
        check_pixels(Self::NAME, input)?;
        check_size(Self::NAME, self.height, self.width)?;
        let frame = Frame::of(Self::NAME, input, Layout::ChannelsLast)?;
        if frame.batched || frame.channels > MAX_CHANNELS as u64 {
            return Err(OperationError::shape(
                Self::NAME,
                input.shape(),
                "one picture of height, width, at most 4 channels",
            ));
        }
        if !self.matrix.iter().all(|number| number.is_finite()) {
            return Err(OperationError::argument(Self::NAME, "matrix", self.matrix, "finite numbers"));
        }
        if let Some(fill) = self.fill {
            encoded(Self::NAME, "fill", input.dtype(), fill)?;
        }
        Ok(frame)
    }

    fn shape(&self, frame: &Frame) -> Shape {
        frame.sized(self.height, self.width).shape()
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let shape = self.shape(&self.frame(input)?);
        let nanos = match self.interpolation {
            Interpolation::Nearest => 4,
            Interpolation::Bilinear => 12,
            Interpolation::Bicubic => 40,
        };
        let plan = Plan::of(bytes(input.dtype(), &shape)?, 0.0).with_scratch(input.byte_len());
        Ok(plan.with_nanos(u64::from(self.height).saturating_mul(self.width.into()).saturating_mul(nanos)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let frame = self.frame(input)?;
        match input.dtype() {
            DType::U8 => self.warped(&Source::new(&view::<u8>(input), &frame, self.fill), &frame, watch),
            _ => self.warped(&Source::new(&view::<f32>(input), &frame, self.fill), &frame, watch),
        }
    }

    fn warped<T: Sample>(
        &self,
        source: &Source<'_, T>,
        frame: &Frame,
        watch: &Watch<'_>,
    ) -> Result<Vec<Tensor>, OperationError> {
        let shape = self.shape(frame);
        let mut out: Vec<T> = Vec::with_capacity(shape.iter().product::<u64>() as usize);
        let mut pace = Pace::new(watch);
        for y in 0..self.height {
            pace.step(self.width as usize * 20)?;
            for x in 0..self.width {
                let sums = source.at(self.place(x.into(), y.into()), self.interpolation);
                out.extend(sums[..source.channels].iter().map(|sum| T::rounded(*sum)));
            }
        }
        Ok(vec![of_vec(T::DTYPE, shape, out)?])
    }

    /// The place in the source that a pixel shows; `None` behind the horizon.
    fn place(&self, x: f64, y: f64) -> Option<(f32, f32)> {
        let along = |row: usize| self.matrix[row] * x + self.matrix[row + 1] * y + self.matrix[row + 2];
        let depth = along(6);
        let place = ((along(0) / depth) as f32, (along(3) / depth) as f32);
        (place.0.is_finite() && place.1.is_finite()).then_some(place)
    }
}

/// A channel of a pixel.
trait Sample: Element {
    fn number(self) -> f32;
    fn rounded(value: f32) -> Self;
}

impl Sample for u8 {
    fn number(self) -> f32 {
        f32::from(self)
    }
    fn rounded(value: f32) -> Self {
        (value + 0.5) as u8
    }
}

impl Sample for f32 {
    fn number(self) -> f32 {
        self
    }
    fn rounded(value: f32) -> Self {
        value
    }
}

/// The picture that is looked at.
struct Source<'a, T> {
    pixels: &'a [T],
    height: usize,
    width: usize,
    channels: usize,
    fill: Option<f32>,
}

impl<'a, T: Sample> Source<'a, T> {
    fn new(pixels: &'a [T], frame: &Frame, fill: Option<f64>) -> Self {
        let (height, width, channels) = (frame.height as usize, frame.width as usize, frame.channels as usize);
        Self { pixels, height, width, channels, fill: fill.map(|fill| fill as f32) }
    }

    /// The channels at a place.
    fn at(&self, place: Option<(f32, f32)>, interpolation: Interpolation) -> [f32; MAX_CHANNELS] {
        let Some((x, y)) = place else { return [self.fill.unwrap_or(0.0); MAX_CHANNELS] };
        let cubics = |t: f32| [1.0 + t, t, 1.0 - t, 2.0 - t].map(|distance| cubic(distance.into()) as f32);
        match interpolation {
            Interpolation::Nearest => self.mixed((x + 0.5).floor(), (y + 0.5).floor(), &[1.0], &[1.0]),
            Interpolation::Bilinear => {
                let (left, top) = (x.floor(), y.floor());
                self.mixed(left, top, &[1.0 - (x - left), x - left], &[1.0 - (y - top), y - top])
            }
            Interpolation::Bicubic => {
                let (left, top) = (x.floor(), y.floor());
                self.mixed(left - 1.0, top - 1.0, &cubics(x - left), &cubics(y - top))
            }
        }
    }

    /// Pixels from a place on, by weight.
    fn mixed(&self, left: f32, top: f32, across: &[f32], down: &[f32]) -> [f32; MAX_CHANNELS] {
        let mut sums = [0.0; MAX_CHANNELS];
        for (row, row_weight) in down.iter().enumerate() {
            let y = inside(top + row as f32, self.height);
            for (column, column_weight) in across.iter().enumerate() {
                let (x, weight) = (inside(left + column as f32, self.width), row_weight * column_weight);
                let outside = self.fill.filter(|_| !(x.1 && y.1));
                let at = (y.0 * self.width + x.0) * self.channels;
                for (sum, value) in sums.iter_mut().zip(&self.pixels[at..at + self.channels]) {
                    *sum += outside.unwrap_or_else(|| value.number()) * weight;
                }
            }
        }
        sums
    }
}

/// The nearest position within `0..length`, and whether it is the place itself.
fn inside(place: f32, length: usize) -> (usize, bool) {
    let position = (place.max(0.0) as usize).min(length - 1);
    (position, place >= 0.0 && place < length as f32)
}
