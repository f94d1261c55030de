use std::io::Cursor;

use png::{ColorType, Decoder, Limits, Transformations};

use super::{Orientation, Photo, check_size, undecodable};
use crate::OcrError;

/// Text, profiles and other chunks beside the pixels may take this much memory.
const CHUNK_BYTES: usize = 16 << 20;

/// Decodes files of every colour type and depth; depths above 8 bits lose their lower bits.
pub(super) fn decode(file: &[u8], max_pixels: u64) -> Result<(Photo, Orientation), OcrError> {
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: CHUNK_BYTES });
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(undecodable)?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    check_size(width, height, max_pixels)?;
    let size = reader.output_buffer_size().ok_or_else(|| undecodable("it has no size"))?;
    let mut samples = vec![0; size];
    let frame = reader.next_frame(&mut samples).map_err(undecodable)?;
    samples.truncate(frame.buffer_size());
    let pixels = to_rgb(samples, frame.color_type);
    let photo = Photo::from_rgb(width, height, pixels).ok_or_else(|| undecodable("it is cut short"))?;
    let exif = reader.info().exif_metadata.as_deref();
    Ok((photo, exif.map_or(Orientation::default(), Orientation::from_exif)))
}

/// The decoder has already turned palettes and depths into 8-bit grey or colour.
fn to_rgb(samples: Vec<u8>, color: ColorType) -> Vec<u8> {
    match color {
        ColorType::Rgb | ColorType::Indexed => samples,
        ColorType::Grayscale => samples.into_iter().flat_map(|grey| [grey; 3]).collect(),
        ColorType::GrayscaleAlpha => {
            samples.chunks_exact(2).flat_map(|pixel| over_white([pixel[0]; 3], pixel[1])).collect()
        }
        ColorType::Rgba => {
            samples.chunks_exact(4).flat_map(|pixel| over_white([pixel[0], pixel[1], pixel[2]], pixel[3])).collect()
        }
    }
}

/// Black letters on a transparent ground are common; on black they would vanish.
fn over_white(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    let alpha = u16::from(alpha);
    colour.map(|value| ((u16::from(value) * alpha + 255 * (255 - alpha)) / 255) as u8)
}
