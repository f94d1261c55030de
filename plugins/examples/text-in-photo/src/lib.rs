//! Reads the text in a photograph: a JPEG or PNG in the body, lines with corners and scores in the answer.
//!
//! The picture is decoded, resized and cut in the host, by operations on handles; here, in the sandbox, the boxes are found and the
//! characters decoded (`ocr-core`). The two neural networks are models of the deployment: `ppocr-det` finds text, `ppocr-rec` reads
//! it and carries its alphabet as the file `ppocr_keys.txt`.

use ocr_core::detection::{self, Region};
use ocr_core::recognition::{self, Alphabet, Best, LINE_HEIGHT, PlannedBatch, PlannedLine, Transcript, transcripts_of};
use ocr_core::{Line, OcrError, Options};
use scorehost::operations::{DecodeOptions, Interpolation, Normalization, Sampling, stack_padded};
use scorehost::{Description, EntryScript, Error, Model, Request, Response, Result, Tensor};
use serde::Serialize;

/// The file of the recognition model that lists its characters.
const ALPHABET: &str = "ppocr_keys.txt";

struct TextInPhoto {
    detector: Network,
    recognizer: Network,
    alphabet: Alphabet,
    options: Options,
}

impl EntryScript for TextInPhoto {
    fn init() -> Result<Self> {
        let (detector, recognizer) = (Network::open("ppocr-det")?, Network::open("ppocr-rec")?);
        let characters = String::from_utf8(recognizer.model.file(ALPHABET)?)?;
        Ok(Self { detector, recognizer, alphabet: Alphabet::from_lines(&characters), options: Options::default() })
    }

    fn describe(&self) -> Description {
        Description::raw_http()
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        if request.body.is_empty() {
            return Err(Error::invalid("the body is empty; POST a JPEG or PNG file"));
        }
        let lines = self.read(&request.body).map_err(|Stopped(error)| error)?;
        Response::json(&Answer { lines: lines.iter().map(Found::from).collect() })
    }
}

/// The body of the answer.
#[derive(Serialize)]
struct Answer<'a> {
    lines: Vec<Found<'a>>,
}

/// One line of text.
#[derive(Serialize)]
struct Found<'a> {
    text: &'a str,
    /// Mean probability of the characters, 0 to 1.
    score: f32,
    /// Corners in pixels: top left, top right, bottom right, bottom left.
    #[serde(rename = "box")]
    corners: [[f32; 2]; 4],
}

impl<'a> From<&'a Line> for Found<'a> {
    fn from(line: &'a Line) -> Self {
        Self { text: &line.text, score: line.score, corners: line.corners.0.map(|corner| [corner.x, corner.y]) }
    }
}

/// A model with one input, whose first output is the answer.
struct Network {
    model: Model,
    input: String,
}

impl Network {
    fn open(name: &str) -> Result<Self> {
        let model = Model::open(name)?;
        let inputs = model.metadata().signature.inputs;
        let [input] = inputs.as_slice() else {
            return Err(Error::internal(format!("model {name} has {} inputs, expected one picture", inputs.len())));
        };
        let input = input.name.clone();
        Ok(Self { model, input })
    }

    fn run(&self, input: &Tensor) -> Result<Tensor> {
        let outputs = self.model.run_for([(self.input.as_str(), input)], &[])?;
        outputs.into_iter().next().map(|(_, answer)| answer).ok_or_else(|| Error::internal("the model has no output"))
    }
}

impl TextInPhoto {
    fn read(&self, file: &[u8]) -> Result<Vec<Line>, Stopped> {
        let file = Tensor::from_slice([file.len()], file)?;
        let photo = file.decode(DecodeOptions { max_pixels: self.options.max_pixels, ..DecodeOptions::default() })?;
        let regions = self.detect(&photo)?;
        let mut lines: Vec<Option<Line>> = vec![None; regions.len()];
        for batch in recognition::plan(&regions, &self.options.recognition) {
            for (planned, transcript) in batch.lines.iter().zip(self.recognize(&photo, &batch)?) {
                lines[planned.region] = Line::of(&regions[planned.region], transcript, &self.options);
            }
        }
        Ok(lines.into_iter().flatten().collect())
    }

    /// Where there is text. Only the map of probabilities comes into the sandbox.
    fn detect(&self, photo: &Tensor) -> Result<Vec<Region>, Stopped> {
        let [height, width, _] = photo.shape()[..] else { return Err(Error::internal("no picture").into()) };
        let (input_width, input_height) = detection::input_size((width, height), &self.options.detection);
        let small = photo.resize(input_height, input_width, Sampling::default())?;
        let input = small.normalize(&normalization())?.reshape([1, 3, input_height, input_width])?;
        let map = self.detector.run(&input)?;
        let map = ocr_core::Tensor { shape: map.shape(), data: map.to_vec()? };
        Ok(detection::regions_within(&map, (width, height), &self.options.detection)?)
    }

    /// Reads the lines of one call. Only the best class of each step comes into the sandbox.
    fn recognize(&self, photo: &Tensor, batch: &PlannedBatch) -> Result<Vec<Transcript>, Stopped> {
        let lines = batch.lines.iter().map(|line| cut(photo, line)).collect::<Result<Vec<_>>>()?;
        let lines: Vec<&Tensor> = lines.iter().collect();
        // Padding is grey: 0 after normalization.
        let answer = self.recognizer.run(&stack_padded(&lines, &[3, LINE_HEIGHT, batch.width], 0.0)?)?;
        let (probabilities, classes) = answer.top_k(1, -1, true)?;
        let classes = classes.to_vec::<i64>()?.into_iter().map(|class| class as usize);
        let found: Vec<Best> = classes.zip(probabilities.to_vec::<f32>()?).collect();
        Ok(transcripts_of(&found, &answer.shape(), batch.lines.len(), &self.alphabet)?)
    }
}

/// One line of text as the recogniser takes it: [3, 48, width].
fn cut(photo: &Tensor, line: &PlannedLine) -> Result<Tensor> {
    let corners = line.cut.corners.0.map(|corner| (corner.x, corner.y));
    let straight = photo.crop_quad(corners, line.cut.height, line.cut.width, Interpolation::Bicubic)?;
    straight.resize(LINE_HEIGHT, line.width, Sampling::default())?.normalize(&normalization())
}

/// Channels blue, green, red, values -1 to 1, as both networks were trained.
fn normalization() -> Normalization {
    Normalization { scale: 1.0 / 127.5, mean: vec![1.0], reverse: true, ..Normalization::default() }
}

/// Why reading stopped: the caller's picture or our side.
struct Stopped(Error);

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<OcrError> for Stopped {
    fn from(error: OcrError) -> Self {
        Self(match error {
            OcrError::Undecodable { .. } | OcrError::TooLarge { .. } => Error::invalid(error),
            OcrError::Shape { .. } => Error::internal(error),
        })
    }
}

scorehost::entry_script!(TextInPhoto);
