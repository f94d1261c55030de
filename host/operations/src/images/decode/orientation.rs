use super::Pixels;

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

    /// The stored place of the pixel that is seen at `x`, `y`; `width` and `height` are the stored ones.
    fn stored(self, (x, y): (usize, usize), width: usize, height: usize) -> (usize, usize) {
        let (x, y) = if self.0 >= 5 { (y, x) } else { (x, y) };
        let from_right = matches!(self.0, 2 | 3 | 7 | 8);
        let from_below = matches!(self.0, 3 | 4 | 6 | 7);
        (if from_right { width - 1 - x } else { x }, if from_below { height - 1 - y } else { y })
    }
}

impl Pixels {
    /// The picture as it was seen.
    pub(super) fn upright(self) -> Self {
        if self.orientation.0 == 1 {
            return self;
        }
        let Self { height, width, channels, orientation, .. } = self;
        let (seen_height, seen_width) = if orientation.0 >= 5 { (width, height) } else { (height, width) };
        let mut samples = Vec::with_capacity(self.samples.len());
        for y in 0..seen_height {
            for x in 0..seen_width {
                let (x, y) = orientation.stored((x, y), width, height);
                let at = (y * width + x) * channels;
                samples.extend_from_slice(&self.samples[at..at + channels]);
            }
        }
        Self { height: seen_height, width: seen_width, samples, channels, orientation: Orientation::default() }
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
