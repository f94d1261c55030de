use scorehost_core::{DType, Described, Shape};

use crate::OperationError;

/// How pixels between pixels are made. The centre of the first pixel lies half a pixel from the edge, as in PIL, OpenCV
/// and torch with `align_corners=False`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// Linear between two pixels along each axis.
    Bilinear,
    /// Cubic convolution over four pixels along each axis (Keys, 1981).
    Bicubic,
}

/// Where the channels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Height, width, channels; with a batch in front where there are four axes. What decoders make.
    ChannelsLast,
    /// Channels, height, width, likewise. What networks take.
    ChannelsFirst,
}

/// The parts of a picture tensor's shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    /// 1 where there is no axis of it.
    pub(super) batch: u64,
    pub(super) batched: bool,
    pub(super) height: u64,
    pub(super) width: u64,
    pub(super) channels: u64,
    pub(super) layout: Layout,
}

impl Frame {
    pub(super) fn of(operation: &'static str, tensor: &impl Described, layout: Layout) -> Result<Self, OperationError> {
        let (batch, batched, [a, b, c]) = match tensor.shape() {
            [a, b, c] => (1, false, [*a, *b, *c]),
            [batch, a, b, c] => (*batch, true, [*a, *b, *c]),
            shape => return Err(OperationError::shape(operation, shape, "three axes, or four with a batch in front")),
        };
        let (height, width, channels) = match layout {
            Layout::ChannelsLast => (a, b, c),
            Layout::ChannelsFirst => (b, c, a),
        };
        let frame = Self { batch, batched, height, width, channels, layout };
        if [height, width, channels].contains(&0) {
            return Err(OperationError::shape(
                operation,
                tensor.shape(),
                "pictures with at least one pixel and one channel",
            ));
        }
        if height.max(width) > u32::MAX.into() {
            return Err(OperationError::shape(operation, tensor.shape(), "sides of less than 2^32 pixels"));
        }
        Ok(frame)
    }

    /// The same at another size.
    pub(super) const fn sized(self, height: u32, width: u32) -> Self {
        Self { height: height as u64, width: width as u64, ..self }
    }

    pub(super) fn shape(self) -> Shape {
        let Self { batch, height, width, channels, .. } = self;
        let mut shape = Shape::new();
        shape.extend(self.batched.then_some(batch));
        shape.extend(match self.layout {
            Layout::ChannelsLast => [height, width, channels],
            Layout::ChannelsFirst => [channels, height, width],
        });
        shape
    }

    /// Pictures that are resampled each on their own, and their channels.
    pub(super) const fn planes(self) -> (u64, u64) {
        match self.layout {
            Layout::ChannelsLast => (self.batch, self.channels),
            Layout::ChannelsFirst => (self.batch * self.channels, 1),
        }
    }
}

/// Refuses dtypes that pixels do not have.
pub(super) fn check_pixels(operation: &'static str, tensor: &impl Described) -> Result<(), OperationError> {
    match tensor.dtype() {
        DType::U8 | DType::F32 => Ok(()),
        dtype => Err(OperationError::DType { operation, dtype, expected: "UINT8 or FP32 pixels" }),
    }
}

/// Refuses a size without pixels.
pub(super) fn check_size(operation: &'static str, height: u32, width: u32) -> Result<(), OperationError> {
    if height > 0 && width > 0 {
        return Ok(());
    }
    Err(OperationError::argument(operation, "the size", (height, width), "a height and a width of at least 1"))
}
