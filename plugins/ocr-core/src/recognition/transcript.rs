use super::Alphabet;
use crate::{OcrError, Tensor};

/// What the recogniser reads in one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The text; empty when nothing was read.
    pub text: String,
    /// Mean probability of its characters, 0 to 1; 0 for an empty text.
    pub score: f32,
}

/// Decodes the recogniser's answer, probabilities [n, steps, classes], into one transcript for each of the n lines:
/// the best class of every step, repetitions merged, blanks dropped (greedy CTC).
///
/// # Errors
/// [`OcrError::Shape`] when the answer is not for `lines` lines or its classes are not those of `alphabet`.
pub fn transcripts(answer: &Tensor, lines: usize, alphabet: &Alphabet) -> Result<Vec<Transcript>, OcrError> {
    let (steps, classes) = match answer.shape[..] {
        [n, steps, classes]
            if n == lines && classes == alphabet.classes() && answer.data.len() == n * steps * classes =>
        {
            (steps, classes)
        }
        _ => return Err(wrong_shape(answer, lines, alphabet)),
    };
    let line = |index: usize| &answer.data[index * steps * classes..(index + 1) * steps * classes];
    Ok((0..lines).map(|index| transcript(line(index), alphabet)).collect())
}

fn transcript(steps: &[f32], alphabet: &Alphabet) -> Transcript {
    let mut text = String::new();
    let mut scores = Vec::new();
    let mut previous = 0;
    for step in steps.chunks_exact(alphabet.classes()) {
        let (class, probability) = best(step);
        if class != previous
            && let Some(character) = alphabet.character(class)
        {
            text.push_str(character);
            scores.push(probability);
        }
        previous = class;
    }
    let score = if scores.is_empty() { 0.0 } else { scores.iter().sum::<f32>() / scores.len() as f32 };
    Transcript { text, score }
}

/// The first of the greatest; NaN is never greater, so a row of NaN is a blank.
fn best(step: &[f32]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, &probability) in step.iter().enumerate() {
        if probability > best.1 {
            best = (class, probability);
        }
    }
    best
}

fn wrong_shape(answer: &Tensor, lines: usize, alphabet: &Alphabet) -> OcrError {
    OcrError::Shape {
        model: "the recogniser",
        expected: format!("[{lines}, steps, {}]", alphabet.classes()),
        found: answer.shape.clone(),
    }
}

#[cfg(test)]
mod tests;
