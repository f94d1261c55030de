use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Reader, Transformations};

use super::header::Header;
use super::{Orientation, Pixels, undecodable};
use crate::OperationError;

/// Text, profiles and other chunks beside the pixels may take this much memory.
const CHUNK_BYTES: usize = 16 << 20;

fn reader(file: &[u8]) -> Result<Reader<Cursor<&[u8]>>, OperationError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: CHUNK_BYTES });
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.read_info().map_err(undecodable)
}

pub(super) fn header(file: &[u8]) -> Result<Header, OperationError> {
    let reader = reader(file)?;
    let (width, height) = (reader.info().width.into(), reader.info().height.into());
    Ok(Header { width, height, jpeg: false, staged: false })
}

/// Decodes files of every colour type and depth; depths above 8 bits lose their lower bits. Opacity is kept where it is
/// wanted.
pub(super) fn decode(file: &[u8], header: &Header, opacity: bool) -> Result<Pixels, OperationError> {
    let mut reader = reader(file)?;
    let size = reader.output_buffer_size().ok_or_else(|| undecodable("it has no size"))?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples).map_err(undecodable)?;
    samples.truncate(frame.buffer_size());
    let (samples, channels) = to_rgb(samples, frame.color_type, opacity);
    let exif = reader.info().exif_metadata.as_deref();
    let orientation = exif.map_or(Orientation::default(), Orientation::from_exif);
    Pixels::new(header, samples, channels, orientation)
}

/// The decoder has already turned palettes and depths into 8-bit grey or colour.
fn to_rgb(samples: Vec<u8>, color: ColorType, opacity: bool) -> (Vec<u8>, usize) {
    let (grey, rgba) = (samples.chunks_exact(2), samples.chunks_exact(4));
    match (color, opacity) {
        (ColorType::Rgb | ColorType::Indexed, _) => (samples, 3),
        (ColorType::Grayscale, _) => (samples.into_iter().flat_map(|grey| [grey; 3]).collect(), 3),
        (ColorType::GrayscaleAlpha, true) => (grey.flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(), 4),
        (ColorType::GrayscaleAlpha, false) => (grey.flat_map(|p| over_white([p[0]; 3], p[1])).collect(), 3),
        (ColorType::Rgba, true) => (samples, 4),
        (ColorType::Rgba, false) => (rgba.flat_map(|p| over_white([p[0], p[1], p[2]], p[3])).collect(), 3),
    }
}

/// Black letters on a transparent ground are common; on black they would vanish.
fn over_white(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = u16::from(alpha);
    colour.map(|value| ((u16::from(value) * alpha + 255 * (255 - alpha)) / 255) as u8)
}
