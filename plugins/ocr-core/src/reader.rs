use crate::detection::{self, DetectionOptions};
use crate::recognition::{self, Alphabet, RecognitionOptions};
use crate::{OcrError, Photo, Quad, Tensor};

/// The two networks, run by whoever can: in a scorer, through the host's models.
pub trait TextModels {
    /// What a run fails with; decoding errors of this crate join it.
    type Error: From<OcrError>;

    /// Runs the detector: [1, 3, h, w] to probabilities [1, 1, h, w].
    fn detect(&mut self, input: &Tensor) -> Result<Tensor, Self::Error>;

    /// Runs the recogniser: [n, 3, 48, w] to class probabilities [n, steps, classes].
    fn recognize(&mut self, input: &Tensor) -> Result<Tensor, Self::Error>;
}

/// Limits and thresholds of the whole way.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Most pixels of a photo.
    pub max_pixels: u64,
    /// How text is found.
    pub detection: DetectionOptions,
    /// How lines are grouped for the recogniser.
    pub recognition: RecognitionOptions,
    /// Lines with a lower text score are left out, as are those of spaces only.
    pub min_score: f32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_pixels: 40_000_000,
            detection: DetectionOptions::default(),
            recognition: RecognitionOptions::default(),
            min_score: 0.5,
        }
    }
}

/// One line of text in a photo.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// Mean probability of its characters, 0 to 1.
    pub score: f32,
    /// Its corners in the photo.
    pub corners: Quad,
    /// Mean probability that there is text, 0 to 1.
    pub region_score: f32,
}

impl Line {
    /// The line of a region; none where what was read there is no text.
    pub fn of(region: &detection::Region, transcript: recognition::Transcript, options: &Options) -> Option<Self> {
        let is_text = !transcript.text.trim().is_empty() && transcript.score >= options.min_score;
        let detection::Region { corners, score: region_score } = region.clone();
        is_text.then_some(Self { text: transcript.text, score: transcript.score, corners, region_score })
    }
}

/// Reads all lines of text in `file`, a JPEG or PNG, in reading order.
///
/// # Errors
/// An [`OcrError`] for a bad picture or a model of the wrong shape, and whatever `models` fails with.
pub fn read_text<M: TextModels>(
    file: &[u8],
    models: &mut M,
    alphabet: &Alphabet,
    options: &Options,
) -> Result<Vec<Line>, M::Error> {
    let photo = Photo::decode(file, options.max_pixels)?;
    let map = models.detect(&detection::input(&photo, &options.detection))?;
    let regions = detection::regions(&map, &photo, &options.detection)?;
    let mut lines: Vec<Option<Line>> = vec![None; regions.len()];
    for batch in recognition::batches(&photo, &regions, &options.recognition) {
        let answer = models.recognize(&batch.input)?;
        let transcripts = recognition::transcripts(&answer, batch.regions.len(), alphabet)?;
        for (region, transcript) in batch.regions.into_iter().zip(transcripts) {
            lines[region] = Line::of(&regions[region], transcript, options);
        }
    }
    Ok(lines.into_iter().flatten().collect())
}
