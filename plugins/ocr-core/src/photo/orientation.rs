use super::Photo;

const ORIENTATION_TAG: u16 = 0x0112;
const ENTRY_BYTES: usize = 12;

/// How a camera was held: 1 to 8 as in the EXIF specification, 1 for upright.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Orientation(u16);

impl Default for Orientation {
    fn default() -> Self {
        Self(1)
    }
}

impl Orientation {
    /// Looks it up in EXIF data (a TIFF header and its first directory); upright where that says nothing sensible.
    pub(super) fn from_exif(exif: &[u8]) -> Self {
        find(exif).filter(|value| (1..=8).contains(value)).map_or(Self::default(), Self)
    }

    /// Returns `photo` as it was seen.
    pub(super) fn upright(self, photo: Photo) -> Photo {
        if self.0 == 1 {
            return photo;
        }
        let swapped = self.0 >= 5;
        let (width, height) = if swapped { (photo.height, photo.width) } else { (photo.width, photo.height) };
        let mut pixels = Vec::with_capacity(photo.pixels.len());
        for y in 0..height {
            for x in 0..width {
                let (x, y) = if swapped { (y, x) } else { (x, y) };
                pixels.extend(self.stored(&photo, x, y));
            }
        }
        Photo { width, height, pixels }
    }

    fn stored(self, photo: &Photo, x: usize, y: usize) -> [u8; 3] {
        let from_right = matches!(self.0, 2 | 3 | 7 | 8);
        let from_below = matches!(self.0, 3 | 4 | 6 | 7);
        let x = if from_right { photo.width - 1 - x } else { x };
        let y = if from_below { photo.height - 1 - y } else { y };
        photo.pixel(x, y)
    }
}

fn find(exif: &[u8]) -> Option<u16> {
    let big_endian = match exif.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = exif.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let (first, second) = (usize::from(short(4)?), usize::from(short(6)?));
    let directory = if big_endian { (first << 16) | second } else { (second << 16) | first };
    let entries = exif.get(directory.checked_add(2)?..)?.chunks_exact(ENTRY_BYTES).take(short(directory)?.into());
    let position = entries.enumerate().find_map(|(index, _)| {
        let at = directory + 2 + index * ENTRY_BYTES;
        (short(at) == Some(ORIENTATION_TAG)).then_some(at)
    })?;
    short(position + 8)
}
