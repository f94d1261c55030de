mod header;
mod jpeg;
mod orientation;
mod png;

use scorehost_core::{DType, Described, Shape, Tensor};

use crate::element::of_vec;
use crate::shape::one;
use crate::{OperationError, Plan, Watch};
use header::Header;
use orientation::Orientation;

/// Which channels a decoded picture has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// One: luminance, by the weights of ITU-R 601.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Red, green, blue, opacity.
    Rgba,
}

/// A JPEG or PNG file to a `u8` tensor of height, width, channels. The file is a `u8` tensor of one axis, or a `bytes` tensor of one
/// element.
#[derive(Clone, Debug, PartialEq)]
pub struct Decode {
    /// Which channels. Where opacity is not among them, transparent parts become white.
    pub color: Color,
    /// Whether the picture is turned as its EXIF orientation says.
    pub orient: bool,
    /// Most pixels; 0 leaves it at [`Decode::MAX_PIXELS`], which no picture may exceed.
    pub max_pixels: u64,
}

/// Pixels as the decoders leave them.
struct Pixels {
    height: usize,
    width: usize,
    /// Red, green, blue; opacity where the picture has some and it was asked for.
    samples: Vec<u8>,
    channels: usize,
    orientation: Orientation,
}

impl Color {
    const fn channels(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb | Self::Bgr => 3,
            Self::Rgba => 4,
        }
    }
}

fn undecodable(detail: impl std::fmt::Display) -> OperationError {
    OperationError::Undecodable(detail.to_string())
}

impl Decode {
    pub(crate) const NAME: &'static str = "decode";

    /// Most pixels of any picture.
    pub const MAX_PIXELS: u64 = 1 << 27;

    /// The file's bytes.
    fn file(input: &impl Described) -> Result<&[u8], OperationError> {
        let data = input.host().ok_or(OperationError::OnDevice { operation: Self::NAME })?;
        let expected = "UINT8 of one axis, or one element of BYTES";
        match (input.dtype(), input.shape()) {
            (DType::U8, [_]) => Ok(data),
            (DType::Bytes, _) if input.elements() == 1 => Ok(&data[4..]),
            (DType::U8 | DType::Bytes, shape) => Err(OperationError::shape(Self::NAME, shape, "the bytes of one file")),
            (dtype, _) => Err(OperationError::DType { operation: Self::NAME, dtype, expected }),
        }
    }

    fn header(&self, file: &[u8]) -> Result<Header, OperationError> {
        let header = Header::read(file)?;
        let limit = if self.max_pixels == 0 { Self::MAX_PIXELS } else { self.max_pixels.min(Self::MAX_PIXELS) };
        let (width, height) = (header.width, header.height);
        match width.checked_mul(height) {
            Some(0) => Err(undecodable("it has no pixels")),
            Some(pixels) if pixels <= limit => Ok(header),
            _ => Err(OperationError::Pixels { width, height, limit }),
        }
    }

    pub(crate) fn plan(&self, inputs: &[impl Described]) -> Result<Plan, OperationError> {
        let header = self.header(Self::file(one(Self::NAME, inputs)?)?)?;
        let pixels = header.width * header.height;
        let out = pixels * self.color.channels() as u64;
        // Samples as decoded, of up to 4 channels, turned, and what a progressive JPEG keeps until its end.
        let scratch = pixels * 4 * (1 + u64::from(self.orient)) + if header.staged { pixels * 6 } else { 0 };
        Ok(Plan::of(out, 0.0).with_scratch(scratch).with_nanos(pixels * 12))
    }

    pub(crate) fn run(&self, inputs: &[Tensor], watch: &Watch<'_>) -> Result<Vec<Tensor>, OperationError> {
        let file = Self::file(one(Self::NAME, inputs)?)?;
        let header = self.header(file)?;
        let opacity = self.color == Color::Rgba;
        let pixels = if header.jpeg { jpeg::decode(file, &header)? } else { png::decode(file, &header, opacity)? };
        watch.check()?;
        let pixels = if self.orient { pixels.upright() } else { pixels };
        watch.check()?;
        let shape: Shape =
            [pixels.height, pixels.width, self.color.channels()].into_iter().map(|dim| dim as u64).collect();
        Ok(vec![of_vec(DType::U8, shape, pixels.colored(self.color))?])
    }
}

impl Pixels {
    /// Checks that the decoder left as many samples as the header says.
    fn new(
        header: &Header,
        samples: Vec<u8>,
        channels: usize,
        orientation: Orientation,
    ) -> Result<Self, OperationError> {
        let (height, width) = (header.height as usize, header.width as usize);
        if samples.len() != height * width * channels {
            return Err(undecodable("it is cut short"));
        }
        Ok(Self { height, width, samples, channels, orientation })
    }

    fn colored(self, color: Color) -> Vec<u8> {
        match (color, self.channels) {
            (Color::Rgb, 3) | (Color::Rgba, 4) => self.samples,
            (Color::Rgba, _) => self.samples.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
            (Color::Grey, step) => self.samples.chunks_exact(step).map(luminance).collect(),
            (Color::Bgr, step) => self.samples.chunks_exact(step).flat_map(|p| [p[2], p[1], p[0]]).collect(),
            (Color::Rgb, step) => self.samples.chunks_exact(step).flat_map(|p| [p[0], p[1], p[2]]).collect(),
        }
    }
}

/// 0.299, 0.587 and 0.114 in parts of 65536.
fn luminance(pixel: &[u8]) -> u8 {
    let part = |channel: usize, weight: u32| u32::from(pixel[channel]) * weight;
    ((part(0, 19595) + part(1, 38470) + part(2, 7471) + 0x8000) >> 16) as u8
}
