//! Picture files to pixels.

use std::io::Cursor;

use png::{Decoder, Limits, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::{Attributes, Kernel, Table};
use crate::reference::array::Array;

pub(super) const OPERATORS: Table = &[("", "ImageDecoder", decode)];

/// Pixels of a picture at most: a small file may claim any size.
const MOST_PIXELS: usize = 1 << 26;

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Rgb,
    Bgr,
    Grey,
}

/// Red, green and blue of all pixels, row by row.
struct Pixels {
    height: usize,
    width: usize,
    rgb: Vec<u8>,
}

fn decode(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let format = match &*attributes.string("pixel_format", "RGB")? {
        b"RGB" => Format::Rgb,
        b"BGR" => Format::Bgr,
        b"Grayscale" => Format::Grey,
        other => return Err(format!("pixel_format '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let file = input.get::<u8>().ok_or_else(|| format!("expected UINT8, got {}", input.elements.dtype()))?;
        let Pixels { height, width, mut rgb } = read(file)?;
        let channels = match format {
            Format::Rgb => 3,
            Format::Bgr => {
                rgb.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| pixel.reverse());
                3
            }
            Format::Grey => {
                rgb = rgb.as_chunks::<3>().0.iter().map(|pixel| luma(*pixel)).collect();
                1
            }
        };
        Ok(vec![Array::new(vec![height, width, channels], rgb)?])
    }))
}

/// Brightness as ITU-R BT.601 weighs it, in 16 bits of fraction.
fn luma([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 19_595 * u32::from(red) + 38_470 * u32::from(green) + 7_471 * u32::from(blue) + 32_768;
    (sum >> 16) as u8
}

fn read(file: &[u8]) -> Result<Pixels, String> {
    match file {
        [0x89, b'P', b'N', b'G', ..] => read_png(file),
        [0xff, 0xd8, ..] => read_jpeg(file),
        [b'P', b'6', ..] => read_ppm(file),
        [b'B', b'M', ..] => read_bmp(file),
        _ => Err("this kind of picture is not read here (PNG, JPEG, BMP and PPM are)".to_owned()),
    }
}

fn checked(height: usize, width: usize) -> Result<usize, String> {
    let pixels = height.checked_mul(width).filter(|pixels| *pixels <= MOST_PIXELS);
    pixels.ok_or_else(|| format!("a picture of {height} x {width} pixels is too large, {MOST_PIXELS} are the most"))
}

fn read_png(file: &[u8]) -> Result<Pixels, String> {
    let failed = |error: png::DecodingError| format!("the PNG file is damaged: {error}");
    let mut decoder = Decoder::new_with_limits(Cursor::new(file), Limits { bytes: MOST_PIXELS * 4 });
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(failed)?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let pixels = checked(height, width)?;
    let samples = reader.output_color_type().0.samples();
    let mut data = vec![0; reader.output_buffer_size().ok_or("the PNG file's picture is too large")?];
    reader.next_frame(&mut data).map_err(failed)?;
    let mut rgb = Vec::with_capacity(pixels * 3);
    for pixel in data.chunks_exact(samples).take(pixels) {
        // Grey stands for all three; opacity is left out.
        rgb.extend(if samples < 3 { [pixel[0]; 3] } else { [pixel[0], pixel[1], pixel[2]] });
    }
    Ok(Pixels { height, width, rgb })
}

fn read_jpeg(file: &[u8]) -> Result<Pixels, String> {
    let failed = |error: zune_jpeg::errors::DecodeErrors| format!("the JPEG file is damaged: {error:?}");
    let side = usize::from(u16::MAX);
    let options = DecoderOptions::default().set_max_width(side).set_max_height(side).set_strict_mode(true);
    let options = options.jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(file), options);
    decoder.decode_headers().map_err(failed)?;
    let (width, height) = decoder.dimensions().ok_or("the JPEG file has no size")?;
    let pixels = checked(height, width)?;
    let rgb = decoder.decode().map_err(failed)?;
    let fits = rgb.len() == pixels * 3;
    if fits { Ok(Pixels { height, width, rgb }) } else { Err("the JPEG file has another kind of colours".to_owned()) }
}

/// Windows' bitmaps of 24 or 32 bits without compression: rows from the last to the first, each filled up to four bytes.
fn read_bmp(file: &[u8]) -> Result<Pixels, String> {
    let damaged = || "the BMP file is damaged".to_owned();
    let word = |at: usize| {
        let bytes = file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map(i32::from_le_bytes).ok_or_else(damaged)
    };
    let (start, header, bits) = (word(10)?, word(14)?, word(28)? & 0xffff);
    if header < 40 || !matches!(bits, 24 | 32) || word(30)? != 0 {
        return Err(format!("a BMP file of {bits} bits, or compressed, is not read here (24 and 32 plain bits are)"));
    }
    let (width, rows) = (usize::try_from(word(18)?).map_err(|_| damaged())?, word(22)?);
    let height = rows.unsigned_abs() as usize;
    let pixels = checked(height, width)?;
    let (step, start) = (bits as usize / 8, usize::try_from(start).map_err(|_| damaged())?);
    let line = (width * step).next_multiple_of(4);
    let data = start.checked_add(line * height).and_then(|end| file.get(start..end)).ok_or_else(damaged)?;
    let mut rgb = Vec::with_capacity(pixels * 3);
    for row in 0..height {
        // A negative height counts from the top.
        let row = if rows < 0 { row } else { height - 1 - row };
        let line = &data[row * line..][..width * step];
        rgb.extend(line.chunks_exact(step).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
    }
    Ok(Pixels { height, width, rgb })
}

/// Netpbm's binary pixels: `P6`, width, height and the largest value as text, then the pixels.
fn read_ppm(file: &[u8]) -> Result<Pixels, String> {
    let damaged = || "the PPM file is damaged".to_owned();
    let (mut at, mut numbers) = (2, [0usize; 3]);
    for number in &mut numbers {
        loop {
            match file.get(at).ok_or_else(damaged)? {
                b'#' => at += file[at..].iter().position(|byte| *byte == b'\n').ok_or_else(damaged)?,
                byte if byte.is_ascii_whitespace() => at += 1,
                _ => break,
            }
        }
        let digits = file[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&file[at..at + digits]).map_err(|_| damaged())?;
        *number = text.parse().map_err(|_| damaged())?;
        at += digits;
    }
    let [width, height, largest] = numbers;
    let pixels = checked(height, width)?;
    if largest != 255 {
        return Err(format!("a PPM file whose largest value is {largest} is not read here (255 is)"));
    }
    let rgb = file.get(at + 1..at + 1 + pixels * 3).ok_or_else(damaged)?.to_vec();
    Ok(Pixels { height, width, rgb })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn plain_formats_are_read_row_by_row() {
        let ppm = read(b"P6 # two pixels\n2 1\n255\n\x01\x02\x03\x04\x05\x06").unwrap();
        assert_eq!((ppm.height, ppm.width, &*ppm.rgb), (1, 2, &[1, 2, 3, 4, 5, 6][..]));
        let bmp = read(&bmp(1, 2, &[3, 2, 1, 0, 6, 5, 4, 0])).unwrap();
        assert_eq!((bmp.height, bmp.width, &*bmp.rgb), (2, 1, &[4, 5, 6, 1, 2, 3][..]));
    }

    fn bmp(width: i32, height: i32, data: &[u8]) -> Vec<u8> {
        let mut file = b"BM".to_vec();
        for word in [0, 0, 54, 40, width, height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0] {
            file.extend(i32::to_le_bytes(word));
        }
        [file, data.to_vec()].concat()
    }

    #[test]
    fn small_files_that_claim_large_pictures_are_refused_before_memory_is_taken() {
        let check = |file: &[u8], word: &str| {
            let problem = read(file).err().unwrap();
            assert!(problem.contains(word), "{problem}");
        };
        check(b"P6 99999 99999 255\n", "too large");
        check(b"P6 99999999999999999999 1 255\n", "damaged");
        check(b"P6 8000 8000 255\nabc", "damaged");
        check(b"P6 1 1 65535\nabcdef", "65535");
        check(&bmp(60_000, 60_000, &[]), "too large");
        check(&bmp(-1, 5, &[]), "damaged");
        check(&bmp(100, i32::MIN, &[]), "too large");
        check(b"GIF89a", "not read here");
        check(b"", "not read here");
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\xff\xff\0\0\xff\xff\x08\x02\0\0\0".to_vec();
        png.extend([0; 4]);
        check(&png, "PNG");
        check(&[0xff, 0xd8, 0xff, 0xc0], "JPEG");
    }
}
