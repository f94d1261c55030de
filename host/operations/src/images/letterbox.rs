use scorehost_core::{Described, Tensor};

use super::picture::{Frame, check_size};
use super::resize::{frame, plan};
use super::{Interpolation, Layout, Resize};
use crate::arrays::Pad;
use crate::shape::{bytes, one};
use crate::{OperationError, Plan, Watch};

/// Pictures at a size, with their proportions kept and the rest filled.
///
/// Result pixel `(x, y)` shows source pixel `((x - left) / scale, (y - top) / scale)`; see [`Letterbox::placement`].
#[derive(Clone, Debug, PartialEq)]
pub struct Letterbox {
    /// Height wanted, in pixels.
    pub height: u32,
    /// Width wanted, in pixels.
    pub width: u32,
    /// How pixels between pixels are made.
    pub interpolation: Interpolation,
    /// As in [`Resize`].
    pub antialias: bool,
    /// What the rest holds.
    pub fill: f64,
    /// The picture is in the middle; else at the top left.
    pub center: bool,
    /// Where the channels are, in the input and in the result.
    pub layout: Layout,
}

/// Where a picture lies in its letterbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    /// Pixels of the result for one of the source.
    pub scale: f64,
    /// Rows above the picture.
    pub top: u32,
    /// Columns left of it.
    pub left: u32,
    /// Height of the picture itself.
    pub height: u32,
    /// Width of it.
    pub width: u32,
}

impl Letterbox {
    pub(crate) const NAME: &'static str = "letterbox";

    /// Where the picture will lie.
    ///
    /// # Errors
    /// Where the tensor is no picture, or the size has no pixels.
    pub fn placement(&self, picture: &impl Described) -> Result<Placement, OperationError> {
        check_size(Self::NAME, self.height, self.width)?;
        Ok(self.placed(&frame(Self::NAME, picture, self.layout)?))
    }

    fn placed(&self, from: &Frame) -> Placement {
        let scale = (f64::from(self.height) / from.height as f64).min(f64::from(self.width) / from.width as f64);
        let side = |length: u64, most: u32| ((length as f64 * scale).round() as u32).clamp(1, most);
        let (height, width) = (side(from.height, self.height), side(from.width, self.width));
        let margin = |most: u32, length: u32| if self.center { (most - length) / 2 } else { 0 };
        Placement { scale, top: margin(self.height, height), left: margin(self.width, width), height, width }
    }

    fn parts(&self, from: &Frame) -> (Resize, Pad) {
        let placed = self.placed(from);
        let (interpolation, antialias, layout) = (self.interpolation, self.antialias, self.layout);
        let resize = Resize { height: placed.height, width: placed.width, interpolation, antialias, layout };
        let rank = from.shape().len();
        let (down, across) = match layout {
            Layout::ChannelsLast => (rank - 3, rank - 2),
            Layout::ChannelsFirst => (rank - 2, rank - 1),
        };
        let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
        (before[down], before[across]) = (placed.top.into(), placed.left.into());
        after[down] = (self.height - placed.height - placed.top).into();
        after[across] = (self.width - placed.width - placed.left).into();
        (resize, Pad { before, after, fill: self.fill })
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let input = one(Self::NAME, inputs)?;
        check_size(Self::NAME, self.height, self.width)?;
        let from = frame(Self::NAME, input, self.layout)?;
        crate::element::encoded(Self::NAME, "fill", input.dtype(), self.fill)?;
        let (resize, _) = self.parts(&from);
        let sampling = super::resample::Sampling { interpolation: self.interpolation, antialias: self.antialias };
        let resized = plan(Self::NAME, input, (&from, &from.sized(resize.height, resize.width)), sampling)?;
        let out = bytes(input.dtype(), &from.sized(self.height, self.width).shape())?;
        Ok(resized.with_scratch(out).with_nanos(resized.nanos.saturating_add(out / 2)))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let input = one(Self::NAME, inputs)?;
        let (resize, pad) = self.parts(&frame(Self::NAME, input, self.layout)?);
        pad.run(&resize.run(inputs, watch)?, watch)
    }
}
