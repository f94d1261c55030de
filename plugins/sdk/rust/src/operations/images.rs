use super::{Color, DecodeOptions, Interpolation, Layout, Normalization, Point, Rectangle, Sampling, result};
use crate::bindings::operations::scorehost::operations::images as host;
use crate::{Error, Result, Tensor};

impl Default for DecodeOptions {
    /// Red, green, blue; turned as EXIF says; no limit but the host's.
    fn default() -> Self {
        Self { color: Color::Rgb, orient: true, max_pixels: 0 }
    }
}

impl Default for Sampling {
    /// Bilinear with antialiasing, channels last: what PIL does.
    fn default() -> Self {
        Self { interpolation: Interpolation::Bilinear, antialias: true, layout: Layout::ChannelsLast }
    }
}

impl Default for Normalization {
    /// From pixels of 0 to 255 to values of 0 to 1, and from channels last to channels first.
    fn default() -> Self {
        Self {
            scale: 1.0 / 255.0,
            mean: Vec::new(),
            std: Vec::new(),
            from: Layout::ChannelsLast,
            to: Layout::ChannelsFirst,
            reverse: false,
        }
    }
}

/// A picture in its letterbox. Pixel `(x, y)` shows source pixel `((x - left) / scale, (y - top) / scale)`.
#[derive(Debug)]
pub struct Letterboxed {
    /// The whole.
    pub image: Tensor,
    /// Pixels of it for one of the source.
    pub scale: f64,
    /// Rows above the picture.
    pub top: usize,
    /// Columns left of it.
    pub left: usize,
    /// Height of the picture itself.
    pub height: usize,
    /// Width of it.
    pub width: usize,
}

/// A side of a picture as the host takes it. No picture is that large: the host says so.
fn side(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// Operations on pictures in the host; see [`operations`](crate::operations).
impl Tensor {
    /// A JPEG or PNG file (`u8 [n]`, or one byte string) to `u8 [height, width, channels]`.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn decode(&self, options: DecodeOptions) -> Result<Self> {
        result(host::decode(self.handle(), options))
    }

    /// A picture, or a batch of them, at another size.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn resize(&self, height: usize, width: usize, sampling: Sampling) -> Result<Self> {
        result(host::resize(self.handle(), side(height), side(width), sampling))
    }

    /// A picture as large as it fits into a size with its proportions kept, in the middle or at the top left, `fill` around.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn letterbox(
        &self,
        height: usize,
        width: usize,
        sampling: Sampling,
        fill: f64,
        center: bool,
    ) -> Result<Letterboxed> {
        let boxed = host::letterbox(self.handle(), side(height), side(width), sampling, fill, center);
        let boxed = boxed.map_err(Error::from_host)?;
        Ok(Letterboxed {
            image: Self::from_handle(boxed.image),
            scale: boxed.scale,
            top: boxed.top as usize,
            left: boxed.left as usize,
            height: boxed.height as usize,
            width: boxed.width as usize,
        })
    }

    /// Boxes of a picture, each at the same size, in one batch.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn crop_and_resize(
        &self,
        boxes: &[Rectangle],
        height: usize,
        width: usize,
        sampling: Sampling,
    ) -> Result<Self> {
        result(host::crop_and_resize(self.handle(), boxes, side(height), side(width), sampling))
    }

    /// A quadrilateral of a picture, straightened: `corners` become top left, top right, bottom right, bottom left.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn crop_quad(
        &self,
        corners: [(f32, f32); 4],
        height: usize,
        width: usize,
        interpolation: Interpolation,
    ) -> Result<Self> {
        let [a, b, c, d] = corners.map(|(x, y)| Point { x, y });
        result(host::crop_quad(self.handle(), (a, b, c, d), side(height), side(width), interpolation))
    }

    /// A picture seen through a projection: result pixel `(x, y, 1)` times `matrix`, row by row, is the place in the source. Beyond the
    /// border is `fill`, or the border repeated.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn warp_perspective(
        &self,
        matrix: &[f64; 9],
        height: usize,
        width: usize,
        interpolation: Interpolation,
        fill: Option<f64>,
    ) -> Result<Self> {
        result(host::warp_perspective(self.handle(), matrix, side(height), side(width), interpolation, fill))
    }

    /// Pixels as a network takes them: `(value * scale - mean) / std`, `fp32`, in another layout where wanted.
    ///
    /// # Errors
    /// See the [module](crate::operations).
    pub fn normalize(&self, normalization: &Normalization) -> Result<Self> {
        result(host::normalize(self.handle(), normalization))
    }
}
