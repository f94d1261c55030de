//! Reads the text in a photograph: a JPEG or PNG in the body, lines with corners and scores in the answer. All but the two networks
//! runs in the sandbox (`ocr-core`): the comparison for `text-in-photo`, which leaves most of it to the host.

use ocr_core::recognition::Alphabet;
use ocr_core::{Line, OcrError, Options, TextModels, read_text};
use scorehost::{Description, EntryScript, Error, Model, Request, Response, Result, Tensor, Tensors};
use serde::Serialize;

/// The file of the recognition model that lists its characters.
const ALPHABET: &str = "ppocr_keys.txt";

struct TextInPhoto {
    networks: Networks,
    alphabet: Alphabet,
}

impl EntryScript for TextInPhoto {
    fn init() -> Result<Self> {
        let networks = Networks { detector: Network::open("ppocr-det")?, recognizer: Network::open("ppocr-rec")? };
        let characters = String::from_utf8(networks.recognizer.model.file(ALPHABET)?)?;
        Ok(Self { alphabet: Alphabet::from_lines(&characters), networks })
    }

    fn describe(&self) -> Description {
        Description::raw_http()
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        if request.body.is_empty() {
            return Err(Error::invalid("the body is empty; POST a JPEG or PNG file"));
        }
        let lines = read_text(&request.body, &mut self.networks, &self.alphabet, &Options::default());
        let lines = lines.map_err(|Stopped(error)| error)?;
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

    fn run(&self, input: &ocr_core::Tensor) -> Result<ocr_core::Tensor> {
        let tensor = Tensor::from_slice(&input.shape, &input.data)?;
        let outputs = self.model.run(&Tensors::new().with(self.input.as_str(), tensor))?;
        let (_, answer) = outputs.into_iter().next().ok_or_else(|| Error::internal("the model has no output"))?;
        Ok(ocr_core::Tensor { shape: answer.shape(), data: answer.to_vec()? })
    }
}

struct Networks {
    detector: Network,
    recognizer: Network,
}

impl TextModels for Networks {
    type Error = Stopped;

    fn detect(&mut self, input: &ocr_core::Tensor) -> Result<ocr_core::Tensor, Stopped> {
        self.detector.run(input).map_err(Stopped)
    }

    fn recognize(&mut self, input: &ocr_core::Tensor) -> Result<ocr_core::Tensor, Stopped> {
        self.recognizer.run(input).map_err(Stopped)
    }
}

/// Why reading stopped: the caller's picture or our side.
struct Stopped(Error);

impl From<OcrError> for Stopped {
    fn from(error: OcrError) -> Self {
        Self(match error {
            OcrError::Undecodable { .. } | OcrError::TooLarge { .. } => Error::invalid(error),
            OcrError::Shape { .. } => Error::internal(error),
        })
    }
}

scorehost::entry_script!(TextInPhoto);
