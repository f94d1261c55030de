use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Orientation, Photo, check_size, undecodable};
use crate::OcrError;

/// Decodes baseline and progressive files in grey, colour or CMYK.
pub(super) fn decode(file: &[u8], max_pixels: u64) -> Result<(Photo, Orientation), OcrError> {
    // The limit is on the area, below; strict, because a broken file is to be refused rather than read in part.
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(undecodable)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| undecodable("it has no size"))?;
    check_size(width, height, max_pixels)?;
    let pixels = decoder.decode().map_err(undecodable)?;
    let photo = Photo::from_rgb(width, height, pixels).ok_or_else(|| undecodable("it is cut short"))?;
    Ok((photo, decoder.exif().map_or(Orientation::default(), |exif| Orientation::from_exif(exif))))
}
