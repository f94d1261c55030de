use scorehost_core::{Described, Shape, Tensor};

use super::picture::{Frame, check_pixels, check_size};
use super::resample::{MAX_CHANNELS, Part, Sampling, resample};
use super::{Interpolation, Layout};
use crate::shape::{bytes, one};
use crate::{OperationError, Plan, Watch};

/// Pictures at another size.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// Height wanted, in pixels.
    pub height: u32,
    /// Width wanted, in pixels.
    pub width: u32,
    /// How pixels between pixels are made.
    pub interpolation: Interpolation,
    /// Whether every pixel of the source counts when a picture is reduced, as PIL does it, and torch with `antialias=True`; OpenCV
    /// does not. Cubic interpolation has `a = -0.5` with it and `a = -0.75` without, as theirs.
    pub antialias: bool,
    /// Where the channels are, in the input and in the result.
    pub layout: Layout,
}

/// Boxes cut out of one picture, each at the same size, in one batch.
#[derive(Clone, Debug, PartialEq)]
pub struct CropAndResize {
    /// Left, top, right, bottom of each box in pixels, fractions allowed; 0, 0 is the picture's corner. Parts beyond the border
    /// are left out.
    pub boxes: Vec<[f32; 4]>,
    /// Height of every result, in pixels.
    pub height: u32,
    /// Width of every result, in pixels.
    pub width: u32,
    /// How pixels between pixels are made.
    pub interpolation: Interpolation,
    /// As in [`Resize`].
    pub antialias: bool,
    /// Where the channels are, in the input and in the result.
    pub layout: Layout,
}

/// The picture of an operation that resamples.
pub(super) fn frame(operation: &'static str, input: &impl Described, layout: Layout) -> Result<Frame, OperationError> {
    check_pixels(operation, input)?;
    let frame = Frame::of(operation, input, layout)?;
    if frame.planes().1 > MAX_CHANNELS {
        return Err(OperationError::shape(operation, input.shape(), "at most 4 channels where they are last"));
    }
    Ok(frame)
}

/// What resampling needs: the result, a picture between the passes over rows and columns, an aligned copy.
pub(super) fn plan(
    operation: &'static str,
    input: &impl Described,
    (from, to): (&Frame, &Frame),
    sampling: Sampling,
) -> Result<Plan, OperationError> {
    check_size(operation, to.height as u32, to.width as u32)?;
    let out = bytes(input.dtype(), &to.shape())?;
    let between = bytes(input.dtype(), &Frame { height: from.height, batch: 1, ..*to }.shape())?;
    let plan = Plan::of(out, 0.0).with_scratch(between).with_scratch(input.byte_len());
    Ok(plan.with_nanos(sampling.nanos(from, to)))
}

impl Resize {
    pub(crate) const NAME: &'static str = "resize";

    fn sampling(&self) -> Sampling {
        Sampling { interpolation: self.interpolation, antialias: self.antialias }
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let from = frame(Self::NAME, input, self.layout)?;
        plan(Self::NAME, input, (&from, &from.sized(self.height, self.width)), self.sampling())
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let from = frame(Self::NAME, input, self.layout)?;
        let to = from.sized(self.height, self.width);
        if (from.height, from.width) == (to.height, to.width) {
            return Ok(vec![input.clone()]);
        }
        Ok(vec![resample(input, (&from, &to), None, self.sampling(), watch)?])
    }
}

impl CropAndResize {
    pub(crate) const NAME: &'static str = "crop-and-resize";

    fn frame(&self, input: &impl Described) -> Result<Frame, OperationError> {
        let frame = frame(Self::NAME, input, self.layout)?;
        if frame.batched {
            return Err(OperationError::shape(Self::NAME, input.shape(), "one picture"));
        }
        Ok(frame)
    }

    /// The part of the picture that a box holds.
    fn part(corners: &[f32; 4], frame: &Frame) -> Result<Part, OperationError> {
        let clamp = |value: f32, most: u64| f64::from(value).clamp(0.0, most as f64);
        let (left, right) = (clamp(corners[0], frame.width), clamp(corners[2], frame.width));
        let (top, bottom) = (clamp(corners[1], frame.height), clamp(corners[3], frame.height));
        if corners.iter().all(|corner| corner.is_finite()) && right > left && bottom > top {
            return Ok((left, top, right - left, bottom - top));
        }
        let expected = format!("left < right and top < bottom within {} x {} pixels", frame.width, frame.height);
        Err(OperationError::argument(Self::NAME, "a box", corners, expected))
    }

    fn shape(&self, to: &Frame) -> Shape {
        let mut shape = to.shape();
        shape.insert(0, self.boxes.len() as u64);
        shape
    }

    fn sampling(&self) -> Sampling {
        Sampling { interpolation: self.interpolation, antialias: self.antialias }
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let from = self.frame(input)?;
        self.boxes.iter().try_for_each(|corners| Self::part(corners, &from).map(drop))?;
        let to = from.sized(self.height, self.width);
        let one = plan(Self::NAME, input, (&from, &to), self.sampling())?;
        let out = bytes(input.dtype(), &self.shape(&to))?;
        let nanos = one.nanos.saturating_mul(self.boxes.len() as u64);
        Ok(Plan::of(out, 0.0).with_scratch(out).with_scratch(one.bytes).with_nanos(nanos))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let from = self.frame(input)?;
        let to = from.sized(self.height, self.width);
        let shape = self.shape(&to);
        let mut data = Vec::with_capacity(bytes(input.dtype(), &shape)? as usize);
        for corners in &self.boxes {
            let part = Self::part(corners, &from)?;
            data.extend_from_slice(resample(input, (&from, &to), Some(part), self.sampling(), watch)?.data());
        }
        Ok(vec![crate::element::of_vec(input.dtype(), shape, data)?])
    }
}
