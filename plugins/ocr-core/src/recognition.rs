//! Reading text: cutting regions out of the photo, the recogniser's input, and the text in its answer.

mod alphabet;
mod crop;
mod transcript;

pub use alphabet::Alphabet;
pub use transcript::{Transcript, transcripts};

use crate::detection::Region;
use crate::geometry::ascending;
use crate::resample::resize;
use crate::{Photo, Tensor};

/// Rows of pixels that the recogniser looks at.
const LINE_HEIGHT: usize = 48;

/// How lines are given to the recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct RecognitionOptions {
    /// Most lines in one call.
    pub batch: usize,
    /// Width in pixels that shorter lines are padded to.
    pub min_width: usize,
    /// Width in pixels that longer lines are squeezed to; bounds the memory of a call.
    pub max_width: usize,
}

impl Default for RecognitionOptions {
    fn default() -> Self {
        Self { batch: 6, min_width: 320, max_width: 3200 }
    }
}

/// One call of the recogniser.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// [n, 3, 48, w], channels blue, green, red, values -1 to 1, padded on the right with 0.
    pub input: Tensor,
    /// For each of the n lines, the index of its region.
    pub regions: Vec<usize>,
}

/// Cuts `regions` out of `photo` and groups lines of similar length, shortest first, so that little is padding.
pub fn batches<'a>(
    photo: &'a Photo,
    regions: &'a [Region],
    options: &'a RecognitionOptions,
) -> impl Iterator<Item = Batch> + 'a {
    let mut lines: Vec<(usize, Photo)> =
        regions.iter().map(|region| crop::cut(photo, &region.corners)).enumerate().collect();
    lines.sort_by(|(_, a), (_, b)| ascending(aspect(a), aspect(b)));
    let size = options.batch.max(1);
    let groups = lines.len().div_ceil(size);
    (0..groups).map(move |group| batch(&lines[group * size..lines.len().min((group + 1) * size)], options))
}

/// `lines` is ordered by aspect: the last is the widest.
fn batch(lines: &[(usize, Photo)], options: &RecognitionOptions) -> Batch {
    let widest = lines.last().map_or(0.0, |(_, line)| LINE_HEIGHT as f32 * aspect(line)) as usize;
    let width = widest.max(options.min_width).min(options.max_width).max(1);
    let mut input = Tensor::zeros(&[lines.len(), 3, LINE_HEIGHT, width]);
    for (index, (_, line)) in lines.iter().enumerate() {
        let own_width = ((LINE_HEIGHT as f32 * aspect(line)).ceil() as usize).clamp(1, width);
        input.write_photo(index, &resize(line, own_width, LINE_HEIGHT));
    }
    Batch { input, regions: lines.iter().map(|(region, _)| *region).collect() }
}

fn aspect(line: &Photo) -> f32 {
    line.width() as f32 / line.height() as f32
}

#[cfg(test)]
mod tests;
