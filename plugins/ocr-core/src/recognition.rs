//! Reading text: cutting regions out of the photo, the recogniser's input, and the text in its answer.

mod alphabet;
mod crop;
mod transcript;

pub use alphabet::Alphabet;
pub use crop::Cut;
pub use transcript::{Best, Transcript, transcripts, transcripts_of};

use crate::detection::Region;
use crate::geometry::ascending;
use crate::resample::resize;
use crate::{Photo, Tensor};

/// Rows of pixels that the recogniser looks at.
pub const LINE_HEIGHT: usize = 48;

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

/// One line of a call: what is cut out, and the width it gets at the recogniser's height.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedLine {
    /// The index of its region.
    pub region: usize,
    /// What is cut out of the photo.
    pub cut: Cut,
    /// Width in pixels at [`LINE_HEIGHT`], at most the call's.
    pub width: usize,
}

/// One call of the recogniser before its input is made.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedBatch {
    /// Its lines, shortest first.
    pub lines: Vec<PlannedLine>,
    /// Width in pixels that all are padded to.
    pub width: usize,
}

/// Groups lines of similar length, shortest first, so that little is padding.
pub fn plan(regions: &[Region], options: &RecognitionOptions) -> Vec<PlannedBatch> {
    let mut cuts: Vec<(usize, Cut)> = regions.iter().map(|region| Cut::of(&region.corners)).enumerate().collect();
    cuts.sort_by(|(_, a), (_, b)| ascending(a.aspect(), b.aspect()));
    cuts.chunks(options.batch.max(1)).map(|cuts| planned(cuts, options)).collect()
}

/// `cuts` is ordered by aspect: the last is the widest.
fn planned(cuts: &[(usize, Cut)], options: &RecognitionOptions) -> PlannedBatch {
    let widest = cuts.last().map_or(0.0, |(_, cut)| LINE_HEIGHT as f32 * cut.aspect()) as usize;
    let width = widest.max(options.min_width).min(options.max_width).max(1);
    let own = |cut: &Cut| ((LINE_HEIGHT as f32 * cut.aspect()).ceil() as usize).clamp(1, width);
    let line = |(region, cut): &(usize, Cut)| PlannedLine { region: *region, cut: *cut, width: own(cut) };
    PlannedBatch { lines: cuts.iter().map(line).collect(), width }
}

/// Cuts `regions` out of `photo` and makes the recogniser's inputs, in the groups of [`plan`].
pub fn batches<'a>(
    photo: &'a Photo,
    regions: &'a [Region],
    options: &'a RecognitionOptions,
) -> impl Iterator<Item = Batch> + 'a {
    plan(regions, options).into_iter().map(move |planned| batch(photo, regions, &planned))
}

fn batch(photo: &Photo, regions: &[Region], planned: &PlannedBatch) -> Batch {
    let mut input = Tensor::zeros(&[planned.lines.len(), 3, LINE_HEIGHT, planned.width]);
    for (index, line) in planned.lines.iter().enumerate() {
        let cut = crop::cut(photo, &regions[line.region].corners);
        input.write_photo(index, &resize(&cut, line.width, LINE_HEIGHT));
    }
    Batch { input, regions: planned.lines.iter().map(|line| line.region).collect() }
}

#[cfg(test)]
mod tests;
