use memchr::memmem::rfind;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::header::Header;
use super::{Orientation, Pixels, undecodable};
use crate::OperationError;

/// Strict, because a broken file is to be refused rather than read in part. The limit is on the area, elsewhere.
fn decoder(file: &[u8]) -> JpegDecoder<ZCursor<&[u8]>> {
    let options = DecoderOptions::default()
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .set_strict_mode(true)
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    JpegDecoder::new_with_options(ZCursor::new(file), options)
}

/// Whether the mark of the end comes behind the last scan: those of a thumbnail lie before it.
fn is_whole(file: &[u8]) -> bool {
    let end = rfind(file, &[0xFF, 0xD9]);
    end.is_some_and(|end| rfind(file, &[0xFF, 0xDA]).is_some_and(|scan| scan < end))
}

pub(super) fn header(file: &[u8]) -> Result<Header, OperationError> {
    let mut decoder = decoder(file);
    decoder.decode_headers().map_err(undecodable)?;
    let (width, height) = decoder.dimensions().ok_or_else(|| undecodable("it has no size"))?;
    Ok(Header { width: width as u64, height: height as u64, jpeg: true, staged: true })
}

/// Decodes baseline and progressive files in grey, colour or CMYK.
pub(super) fn decode(file: &[u8], header: &Header) -> Result<Pixels, OperationError> {
    // The decoder fills up what is missing at the end.
    if !is_whole(file) {
        return Err(undecodable("it is cut short"));
    }
    let mut decoder = decoder(file);
    let samples = decoder.decode().map_err(undecodable)?;
    let orientation = decoder.exif().map_or(Orientation::default(), |exif| Orientation::from_exif(exif));
    Pixels::new(header, samples, 3, orientation)
}
