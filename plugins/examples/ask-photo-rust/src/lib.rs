//! Answers a question with the line of a photograph that fits it best: three models of two services in one request.
//!
//! The photograph is in the body, the question in the query (`?q=when+is+it+open`). A small look by the model `ppocr-det` tells
//! whether there is text at all; the service `text-in-photo` reads it; the model `minilm` makes a vector of the question and of every
//! line, and the lines are ranked by how close they are. The pixels and vectors stay in the host.

mod query;
mod wordpiece;

use scorehost::operations::{DecodeOptions, Normalization, Reduction, Sampling};
use scorehost::{Description, EntryScript, Error, Model, Request, Response, Result, Tensor, Tensors, services};
use serde::{Deserialize, Serialize};
use wordpiece::Vocabulary;

/// The service that reads photographs.
const READER: &str = "text-in-photo";
/// Pixels that are enough to see that there is text.
const LOOK: usize = 320;
/// From this probability on a pixel belongs to text.
const PROBABLE: f32 = 0.3;

struct AskPhoto {
    detector: Model,
    encoder: Model,
    vocabulary: Vocabulary,
}

/// The body of the answer.
#[derive(Serialize)]
struct Answer {
    question: String,
    lines: Vec<Ranked>,
}

/// What the service `text-in-photo` answers.
#[derive(Deserialize)]
struct Read {
    lines: Vec<Line>,
}

/// One line of text.
#[derive(Clone, Serialize, Deserialize)]
struct Line {
    text: String,
    score: f64,
    #[serde(rename = "box")]
    corners: [[f64; 2]; 4],
}

/// One line of text and the cosine of its vector and the question's.
#[derive(Serialize)]
struct Ranked {
    #[serde(flatten)]
    line: Line,
    similarity: f64,
}

impl EntryScript for AskPhoto {
    fn init() -> Result<Self> {
        let (detector, encoder) = (Model::open("ppocr-det")?, Model::open("minilm")?);
        let vocabulary = Vocabulary::of(&String::from_utf8(encoder.file("vocab.txt")?)?);
        Ok(Self { detector, encoder, vocabulary })
    }

    fn describe(&self) -> Description {
        Description::raw_http()
    }

    fn run(&mut self, request: Request) -> Result<Response> {
        let question = query::value(&request.query, "q");
        if question.trim().is_empty() {
            let message = "the query has no question; POST a photograph to …/score?q=when+is+it+open";
            return Err(Error::invalid(message));
        }
        let lines = if self.has_text(&request.body)? { read(request.body)? } else { Vec::new() };
        let lines = self.rank(&question, lines)?;
        Response::json(&Answer { question, lines })
    }
}

/// The lines that the other service reads.
fn read(photo: Vec<u8>) -> Result<Vec<Line>> {
    let read: Read = services::post(READER, photo, "image/jpeg")?.successful()?.json()?;
    Ok(read.lines)
}

impl AskPhoto {
    /// Whether the detection model sees any text in the picture, made small.
    fn has_text(&self, photo: &[u8]) -> Result<bool> {
        let pixels = Tensor::from_slice([photo.len()], photo)?.decode(DecodeOptions::default())?;
        let normalization =
            Normalization { scale: 1.0 / 127.5, mean: vec![1.0], reverse: true, ..Normalization::default() };
        let prepared = pixels.resize(LOOK, LOOK, Sampling::default())?.normalize(&normalization)?;
        let inputs = Tensors::new().with("x", prepared.reshape([1, 3, LOOK, LOOK])?);
        let maps = self.detector.run(&inputs)?;
        let (_, map) = maps.iter().next().ok_or_else(|| Error::internal("the detection model has no output"))?;
        let greatest = map.reduce(Reduction::Max, &[], false)?.to_vec::<f32>()?;
        Ok(greatest.iter().any(|probability| *probability > PROBABLE))
    }

    /// The lines with their cosine with the question, closest first.
    fn rank(&self, question: &str, lines: Vec<Line>) -> Result<Vec<Ranked>> {
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let texts: Vec<&str> = std::iter::once(question).chain(lines.iter().map(|line| line.text.as_str())).collect();
        let products = self.products(&texts)?;
        let product = |row: usize, column: usize| f64::from(products[row * texts.len() + column]);
        let cosine = |row: usize| product(row, 0) / (product(row, row) * product(0, 0)).sqrt();
        let mut ranked: Vec<Ranked> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| Ranked { line: line.clone(), similarity: rounded(cosine(index + 1)) })
            .collect();
        ranked.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        Ok(ranked)
    }

    /// Products of the vectors of all texts with one another, row by row: of each the mean of the encoder's vectors of its word pieces.
    fn products(&self, texts: &[&str]) -> Result<Vec<f32>> {
        let batch = self.vocabulary.batch(texts);
        let shape = [texts.len(), batch.length];
        let inputs = Tensors::new()
            .with("input_ids", Tensor::from_slice(shape, &batch.ids)?)
            .with("attention_mask", Tensor::from_slice(shape, &batch.mask)?)
            .with("token_type_ids", Tensor::from_slice(shape, &vec![0_i64; batch.ids.len()])?);
        let hidden = self.encoder.run(&inputs)?.take("last_hidden_state")?;
        let weights: Vec<f32> = batch.mask.iter().map(|counts| *counts as f32).collect();
        let weights = Tensor::from_slice(shape, &weights)?;
        let weighted = hidden.multiply(&weights.reshape([shape[0], shape[1], 1])?)?;
        let total = weighted.reduce(Reduction::Sum, &[1], false)?;
        let vectors = total.divide(&weights.reduce(Reduction::Sum, &[1], true)?)?;
        vectors.matmul(&vectors.transpose(&[])?)?.to_vec()
    }
}

/// To four places.
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

scorehost::entry_script!(AskPhoto);
