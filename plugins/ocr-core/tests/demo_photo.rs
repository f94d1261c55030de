//! The whole way on the demo photograph, against what the reference pipeline (RapidOCR on ONNX Runtime, see
//! fixtures/make_fixtures.py) computed at every step. The networks are stood in for by their recorded answers.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use ocr_core::detection::{self, Region};
use ocr_core::recognition::{self, Alphabet};
use ocr_core::{OcrError, Options, Photo, Point, Quad, Tensor, TextModels, read_text};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    lines: Vec<ExpectedLine>,
}

#[derive(Deserialize)]
struct ExpectedLine {
    text: String,
    score: f32,
    #[serde(rename = "box")]
    corners: [[f32; 2]; 4],
}

#[derive(Deserialize)]
struct Recognition {
    classes: usize,
    steps: Vec<Vec<(usize, f32)>>,
}

struct RecordedModels;

impl TextModels for RecordedModels {
    type Error = OcrError;

    fn detect(&mut self, input: &Tensor) -> Result<Tensor, OcrError> {
        let map = probability_map();
        assert_eq!(input.shape[2..], map.shape[2..], "the recording is of another input size");
        Ok(map)
    }

    fn recognize(&mut self, input: &Tensor) -> Result<Tensor, OcrError> {
        let lines: Vec<Recognition> = json(fixture("recognitions.json"));
        let (steps, classes) = (lines[0].steps.len(), lines[0].classes);
        assert_eq!(input.shape[0], lines.len(), "the recording has another number of lines");
        let mut data = vec![0.0; lines.len() * steps * classes];
        for (step, row) in lines.iter().flat_map(|line| &line.steps).zip(data.chunks_exact_mut(classes)) {
            step.iter().for_each(|&(class, probability)| row[class] = probability);
        }
        Ok(Tensor { shape: vec![lines.len(), steps, classes], data })
    }
}

#[test]
fn the_detector_sees_what_the_reference_shows_it() {
    let reference = picture(fixture("detector_input.png"));
    let input = detection::input(&demo_photo(), &Options::default().detection);
    assert_eq!(input.shape, [1, 3, 544, 704]);
    let plane = 544 * 704;
    let mut differences = Vec::new();
    for (index, value) in reference.iter().enumerate() {
        let (pixel, channel) = (index / 3, index % 3);
        let (x, y) = (pixel % 88 * 8, pixel / 88 * 8);
        // The tensor's planes are blue, green, red.
        let ours = (input.data[(2 - channel) * plane + y * 704 + x] + 1.0) * 127.5;
        differences.push((ours - f32::from(*value)).abs());
    }
    let mean = differences.iter().sum::<f32>() / differences.len() as f32;
    assert!(mean < 1.5, "mean difference {mean} of 255");
}

#[test]
fn regions_are_those_of_the_reference() {
    let expected = expected();
    let regions = regions();
    assert_eq!(regions.len(), expected.lines.len());
    for (region, line) in regions.iter().zip(&expected.lines) {
        for (ours, reference) in region.corners.0.iter().zip(line.corners) {
            // The reference rounds to whole pixels twice on the way.
            let far = (ours.x - reference[0]).abs().max((ours.y - reference[1]).abs());
            assert!(far <= 2.5, "{:?} against {:?} of {:?}", region.corners, line.corners, line.text);
        }
        assert!(region.score > 0.75 && region.score <= 1.0);
    }
}

#[test]
fn lines_are_cut_out_as_the_reference_cuts_them() {
    let reference = picture(fixture("crops.jpg"));
    let (photo, options) = (demo_photo(), Options::default());
    let regions = expected().lines.into_iter().map(region).collect::<Vec<_>>();
    let batches: Vec<_> = recognition::batches(&photo, &regions, &options.recognition).collect();
    assert_eq!(batches.len(), 1);
    let input = &batches[0].input;
    let width = reference.len() / (6 * 48 * 3);
    assert_eq!(input.shape, [6, 3, 48, width]);
    for (line, rows) in reference.chunks_exact(48 * width * 3).enumerate() {
        let green = rows.iter().skip(1).step_by(3);
        let ours = &input.data[(line * 3 + 1) * 48 * width..];
        let sum: f32 = green.zip(ours).map(|(theirs, ours)| ((ours + 1.0) * 127.5 - f32::from(*theirs)).abs()).sum();
        let mean = sum / (48 * width) as f32;
        // The fixture is a JPEG; another line differs by 40 and more.
        assert!(mean < 3.0, "line {line}: mean difference {mean} of 255");
    }
}

#[test]
fn reads_the_lines_of_the_reference() {
    let alphabet = alphabet();
    let lines = read_text(&demo_file(), &mut RecordedModels, &alphabet, &Options::default()).unwrap();
    let expected = expected();
    let texts = |lines: &mut dyn Iterator<Item = String>| lines.collect::<Vec<_>>();
    assert_eq!(
        texts(&mut lines.iter().map(|line| line.text.clone())),
        texts(&mut expected.lines.iter().map(|line| line.text.clone()))
    );
    for (line, reference) in lines.iter().zip(&expected.lines) {
        assert!((line.score - reference.score).abs() < 1e-3, "{} against {}", line.score, reference.score);
    }
}

#[test]
fn leaves_out_lines_below_the_least_score() {
    let options = Options { min_score: 0.95, ..Options::default() };
    let lines = read_text(&demo_file(), &mut RecordedModels, &alphabet(), &options).unwrap();
    let kept = expected().lines.iter().filter(|line| line.score >= 0.95).count();
    assert!(kept > 0 && kept < 6);
    assert_eq!(lines.len(), kept);
}

#[test]
fn refuses_a_recogniser_with_another_alphabet() {
    let error = read_text(&demo_file(), &mut RecordedModels, &Alphabet::from_lines("a\nb"), &Options::default());
    assert!(matches!(error, Err(OcrError::Shape { model: "the recogniser", .. })));
}

fn regions() -> Vec<Region> {
    detection::regions(&probability_map(), &demo_photo(), &Options::default().detection).unwrap()
}

fn region(line: ExpectedLine) -> Region {
    Region { corners: Quad(line.corners.map(|[x, y]| Point { x, y })), score: 1.0 }
}

fn probability_map() -> Tensor {
    let values = picture(fixture("probability_map.png"));
    let data = values.chunks_exact(3).map(|pixel| f32::from(pixel[0]) / 255.0).collect();
    Tensor { shape: vec![1, 1, 544, 704], data }
}

fn alphabet() -> Alphabet {
    Alphabet::from_lines(std::str::from_utf8(&fixture("ppocr_keys.txt")).unwrap())
}

fn expected() -> Expected {
    json(example("photo.expected.json"))
}

fn demo_photo() -> Photo {
    Photo::decode(&demo_file(), 1_000_000).unwrap()
}

fn demo_file() -> Vec<u8> {
    example("photo.jpg")
}

fn json<T: serde::de::DeserializeOwned>(file: Vec<u8>) -> T {
    serde_json::from_slice(&file).unwrap()
}

/// All values of a picture: red, green, blue.
fn picture(file: Vec<u8>) -> Vec<u8> {
    Photo::decode(&file, 1_000_000).unwrap().into_rgb()
}

fn fixture(name: &str) -> Vec<u8> {
    read(&root().join("tests/fixtures").join(name))
}

fn example(name: &str) -> Vec<u8> {
    read(&root().join("../examples/text-in-photo").join(name))
}

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
