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
    let classes = classes(&answer.shape, lines, alphabet)?;
    let found: Vec<Best> = answer.data.chunks_exact(classes).map(best).collect();
    if answer.data.len() != answer.shape.iter().product() {
        return Err(wrong_shape(&answer.shape, lines, alphabet));
    }
    Ok(of_steps(&found, lines, alphabet))
}

/// The same where the best class of every step was found elsewhere, in the answer of this `shape`.
///
/// # Errors
/// As [`transcripts`].
pub fn transcripts_of(
    found: &[Best],
    shape: &[usize],
    lines: usize,
    alphabet: &Alphabet,
) -> Result<Vec<Transcript>, OcrError> {
    let classes = classes(shape, lines, alphabet)?;
    if found.len() * classes != shape.iter().product() {
        return Err(wrong_shape(shape, lines, alphabet));
    }
    Ok(of_steps(found, lines, alphabet))
}

/// The best class of a step and its probability.
pub type Best = (usize, f32);

/// Checks that an answer is for `lines` lines and has the classes of `alphabet`.
fn classes(shape: &[usize], lines: usize, alphabet: &Alphabet) -> Result<usize, OcrError> {
    match *shape {
        [n, _, classes] if n == lines && classes == alphabet.classes() => Ok(classes),
        _ => Err(wrong_shape(shape, lines, alphabet)),
    }
}

fn of_steps(found: &[Best], lines: usize, alphabet: &Alphabet) -> Vec<Transcript> {
    let steps = found.len() / lines.max(1);
    (0..lines).map(|line| transcript(&found[line * steps..(line + 1) * steps], alphabet)).collect()
}

fn transcript(steps: &[Best], alphabet: &Alphabet) -> Transcript {
    let mut text = String::new();
    let mut scores = Vec::new();
    let mut previous = 0;
    for &(class, probability) in steps {
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
fn best(step: &[f32]) -> Best {
    let mut best = (0, f32::NEG_INFINITY);
    for (class, &probability) in step.iter().enumerate() {
        if probability > best.1 {
            best = (class, probability);
        }
    }
    best
}

fn wrong_shape(shape: &[usize], lines: usize, alphabet: &Alphabet) -> OcrError {
    OcrError::Shape {
        model: "the recogniser",
        expected: format!("[{lines}, steps, {}]", alphabet.classes()),
        found: shape.to_vec(),
    }
}

#[cfg(test)]
mod tests;
