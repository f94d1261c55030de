mod jpeg;
mod orientation;
mod png;

use orientation::Orientation;

use crate::OcrError;

/// A picture: 8-bit red, green, blue, row by row from the top left.
#[derive(Debug, Clone, PartialEq)]
pub struct Photo {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Photo {
    /// Decodes a JPEG or PNG file, turned upright as its EXIF orientation says; transparent parts become white.
    ///
    /// # Errors
    /// [`OcrError::TooLarge`] when the file declares more than `max_pixels`, before memory is taken for them;
    /// [`OcrError::Undecodable`] for anything that is not a whole picture.
    pub fn decode(file: &[u8], max_pixels: u64) -> Result<Self, OcrError> {
        let (photo, orientation) = match file {
            [0xFF, 0xD8, ..] => jpeg::decode(file, max_pixels)?,
            [0x89, b'P', b'N', b'G', ..] => png::decode(file, max_pixels)?,
            [] => return Err(undecodable("there are no bytes")),
            _ => return Err(undecodable("it begins like neither a JPEG nor a PNG file")),
        };
        Ok(orientation.upright(photo))
    }

    /// Makes a photo of `pixels`; none unless there are `width * height * 3` of them and at least one pixel.
    pub fn from_rgb(width: usize, height: usize, pixels: Vec<u8>) -> Option<Self> {
        let fits = width > 0 && height > 0 && pixels.len() == width * height * 3;
        fits.then_some(Self { width, height, pixels })
    }

    /// Width in pixels, at least 1.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels, at least 1.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The pixels, `width * height * 3` bytes.
    pub fn into_rgb(self) -> Vec<u8> {
        self.pixels
    }

    /// Rows from the top, each `width * 3` bytes.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.pixels.chunks_exact(self.width * 3)
    }

    /// Red, green, blue at a place inside the picture.
    pub(crate) fn pixel(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }
}

/// Refuses a declared size of nothing or of more than `limit` pixels.
fn check_size(width: usize, height: usize, limit: u64) -> Result<(), OcrError> {
    match width as u64 * height as u64 {
        0 => Err(undecodable("it has no pixels")),
        pixels if pixels > limit => Err(OcrError::TooLarge { width, height, limit }),
        _ => Ok(()),
    }
}

fn undecodable(detail: impl std::fmt::Display) -> OcrError {
    OcrError::Undecodable { detail: detail.to_string() }
}

#[cfg(test)]
mod tests;
