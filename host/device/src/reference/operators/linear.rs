//! Linear models (`ai.onnx.ml`).

use super::labels::Labels;
use super::scores::PostTransform;
use super::{Attributes, Kernel, Table, rows};
use crate::reference::array::Array;

pub(super) const OPERATORS: Table =
    &[("ai.onnx.ml", "LinearClassifier", classifier), ("ai.onnx.ml", "LinearRegressor", regressor)];

/// Coefficients of `targets` linear functions, one row each.
struct Linear {
    targets: usize,
    coefficients: Vec<f64>,
    intercepts: Vec<f64>,
}

impl Linear {
    fn new(targets: usize, coefficients: Vec<f32>, intercepts: Vec<f32>) -> Result<Self, String> {
        let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
        let intercepts = if intercepts.is_empty() { vec![0.0; targets] } else { wide(intercepts) };
        if targets == 0 || !coefficients.len().is_multiple_of(targets) || intercepts.len() != targets {
            let (many, given) = (coefficients.len(), intercepts.len());
            return Err(format!("{many} coefficients and {given} intercepts for {targets} targets"));
        }
        Ok(Self { targets, coefficients: wide(coefficients), intercepts })
    }

    /// One row of scores for each row of the input.
    fn scores(&self, input: &Array) -> Result<Vec<Vec<f64>>, String> {
        let (rows, features) = rows(input)?;
        if features * self.targets != self.coefficients.len() {
            let wanted = self.coefficients.len() / self.targets;
            return Err(format!("expected {wanted} features, got {features}"));
        }
        let values = input.to_f64()?;
        let score = |row: &[f64], target: usize| {
            let weights = &self.coefficients[target * features..(target + 1) * features];
            row.iter().zip(weights).map(|(x, weight)| x * weight).sum::<f64>() + self.intercepts[target]
        };
        let row = |row: usize| &values[row * features..(row + 1) * features];
        Ok((0..rows).map(|index| (0..self.targets).map(|target| score(row(index), target)).collect()).collect())
    }
}

/// Rows of equal length as a matrix in single precision.
pub(super) fn matrix(rows: &[Vec<f64>], columns: usize) -> Result<Array, String> {
    Array::new(vec![rows.len(), columns], rows.iter().flatten().map(|value| *value as f32).collect())
}

fn regressor(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let targets = usize::try_from(attributes.int("targets", 1)?).map_err(|_| "negative number of targets")?;
    let linear = Linear::new(targets, attributes.floats("coefficients")?, attributes.floats("intercepts")?)?;
    let post = PostTransform::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let mut scores = linear.scores(inputs.get(0)?)?;
        scores.iter_mut().for_each(|row| post.apply(row));
        Ok(vec![matrix(&scores, targets)?])
    }))
}

fn classifier(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let intercepts = attributes.floats("intercepts")?;
    let labels = Labels::read(attributes, "classlabels_ints", "classlabels_strings")?;
    let targets = if intercepts.is_empty() { labels.len() } else { intercepts.len() };
    let linear = Linear::new(targets, attributes.floats("coefficients")?, intercepts)?;
    let post = PostTransform::read(attributes)?;
    // One function for two labels: its sign decides, and the score of the other class is added.
    let second = targets == 1 && labels.len() == 2;
    Ok(Box::new(move |inputs| {
        let mut scores = linear.scores(inputs.get(0)?)?;
        let winners: Vec<usize> = scores.iter().map(|row| winner(row)).collect();
        for row in &mut scores {
            if second { with_second(row, post) } else { post.apply(row) }
        }
        Ok(vec![labels.of(&winners)?, matrix(&scores, if second { 2 } else { targets })?])
    }))
}

/// The first of the largest scores; a single score wins for the second class where it is positive.
pub(super) fn winner(scores: &[f64]) -> usize {
    match scores {
        [score] => usize::from(*score > 0.0),
        scores => (1..scores.len()).fold(0, |best, index| if scores[index] > scores[best] { index } else { best }),
    }
}

fn with_second(scores: &mut Vec<f64>, post: PostTransform) {
    let score = scores[0];
    *scores = match post {
        PostTransform::Logistic | PostTransform::Probit => {
            let mut one = [score];
            post.apply(&mut one);
            vec![1.0 - one[0], one[0]]
        }
        _ => vec![1.0 - score, score],
    };
}
