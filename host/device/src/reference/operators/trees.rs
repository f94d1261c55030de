//! Tree ensembles (`ai.onnx.ml`).

mod ensemble;
mod fast;
mod forest;
#[cfg(test)]
mod tests;

use fast::Fast;
use forest::Forest;

use super::labels::Labels;
use super::linear::matrix;
use super::scores::{PostTransform, logistic};
use super::{Attributes, Kernel, Table, rows};
use crate::reference::array::{Array, Elements};

pub(super) const OPERATORS: Table = &[
    ("ai.onnx.ml", "TreeEnsemble", ensemble::ensemble),
    ("ai.onnx.ml", "TreeEnsembleClassifier", classifier),
    ("ai.onnx.ml", "TreeEnsembleRegressor", regressor),
];

/// Sums of the leaves' weights for each row; `None` for a class that no leaf voted for.
fn votes(
    (forest, fast): &(Forest, Option<Fast>),
    input: &Array,
    targets: usize,
    aggregate: Aggregate,
) -> Result<Vec<Vec<Option<f64>>>, String> {
    let (rows, features) = rows(input)?;
    if features < forest.features() {
        return Err(format!("expected at least {} features, got {features}", forest.features()));
    }
    if let (Some(fast), Elements::F32(values)) = (fast, &input.elements)
        && features > 0
    {
        let mut votes = vec![vec![None; targets]; rows];
        fast.leaves(values, features, |row, target, weight| aggregate.add(&mut votes[row][target], weight));
        return Ok(votes);
    }
    let values = input.to_f64()?;
    let row = |row: usize| {
        let mut votes = vec![None; targets];
        for (target, weight) in forest.leaves(&values[row * features..(row + 1) * features]) {
            aggregate.add(&mut votes[*target], *weight);
        }
        votes
    };
    Ok((0..rows).map(row).collect())
}

#[derive(Clone, Copy, PartialEq)]
enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
}

impl Aggregate {
    fn add(self, vote: &mut Option<f64>, weight: f64) {
        *vote = Some(match (*vote, self) {
            (None, _) => weight,
            (Some(vote), Self::Sum | Self::Average) => vote + weight,
            (Some(vote), Self::Min) => vote.min(weight),
            (Some(vote), Self::Max) => vote.max(weight),
        });
    }
}

fn regressor(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let targets = usize::try_from(attributes.int("n_targets", 1)?).map_err(|_| "negative number of targets")?;
    let forest = Forest::read(attributes, "target", targets)?;
    let trees = forest.trees() as f64;
    let fast = Fast::of(&forest);
    let forest = (forest, fast);
    let post = PostTransform::read(attributes)?;
    let base: Vec<f64> = attributes.floats("base_values")?.into_iter().map(f64::from).collect();
    if !base.is_empty() && base.len() != targets {
        return Err(format!("{} base values for {targets} targets", base.len()));
    }
    let aggregate = match &*attributes.string("aggregate_function", "SUM")? {
        b"SUM" => Aggregate::Sum,
        b"AVERAGE" => Aggregate::Average,
        b"MIN" => Aggregate::Min,
        b"MAX" => Aggregate::Max,
        other => return Err(format!("aggregate_function '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let share = if aggregate == Aggregate::Average { trees } else { 1.0 };
        let finish = |votes: Vec<Option<f64>>| {
            let base = |target: usize| base.get(target).copied().unwrap_or(0.0);
            let score = |(target, vote): (usize, Option<f64>)| vote.unwrap_or(0.0) / share + base(target);
            let mut scores: Vec<f64> = votes.into_iter().enumerate().map(score).collect();
            post.apply(&mut scores);
            scores
        };
        let scores: Vec<_> = votes(&forest, inputs.get(0)?, targets, aggregate)?.into_iter().map(finish).collect();
        Ok(vec![matrix(&scores, targets)?])
    }))
}

fn classifier(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let labels = Labels::read(attributes, "classlabels_int64s", "classlabels_strings")?;
    let classes = labels.len();
    let forest = Forest::read(attributes, "class", classes)?;
    let fast = Fast::of(&forest);
    let base: Vec<f64> = attributes.floats("base_values")?.into_iter().map(f64::from).collect();
    let rule = Rule {
        post: PostTransform::read(attributes)?,
        base,
        one_column: classes == 2 && forest.voted_targets() == 1,
        positive: forest.all_positive(),
    };
    let forest = (forest, fast);
    Ok(Box::new(move |inputs| {
        let votes = votes(&forest, inputs.get(0)?, classes, Aggregate::Sum)?;
        let (winners, scores): (Vec<usize>, Vec<Vec<f64>>) = votes.into_iter().map(|row| rule.decide(row)).unzip();
        Ok(vec![labels.of(&winners)?, matrix(&scores, classes)?])
    }))
}

/// How votes become a class and scores. The specification is vague for two classes; this is what ONNX Runtime does.
struct Rule {
    post: PostTransform,
    base: Vec<f64>,
    /// Two classes, and all leaves vote for the same one.
    one_column: bool,
    /// No leaf has a negative weight.
    positive: bool,
}

impl Rule {
    fn decide(&self, votes: Vec<Option<f64>>) -> (usize, Vec<f64>) {
        if let [first, second] = *votes {
            return self.decide_between_two(first, second);
        }
        let with_base = |(class, vote): (usize, Option<f64>)| match (self.base.get(class), vote) {
            (Some(base), vote) if self.base.len() == votes.len() => Some(base + vote.unwrap_or(0.0)),
            (_, vote) => vote,
        };
        let votes: Vec<Option<f64>> = votes.iter().copied().enumerate().map(with_base).collect();
        let winner =
            votes.iter().enumerate().fold(None, |best: Option<(usize, f64)>, (class, vote)| match (best, vote) {
                (None, Some(vote)) => Some((class, *vote)),
                (Some((_, most)), Some(vote)) if *vote > most => Some((class, *vote)),
                _ => best,
            });
        let mut scores: Vec<f64> = votes.into_iter().map(|vote| vote.unwrap_or(0.0)).collect();
        self.post.apply(&mut scores);
        (winner.map_or(0, |(class, _)| class), scores)
    }

    fn decide_between_two(&self, first: Option<f64>, second: Option<f64>) -> (usize, Vec<f64>) {
        let (a, b) = (first.unwrap_or(0.0), second.unwrap_or(0.0));
        let scores = match (&*self.base, second) {
            ([_, base, ..], None) => vec![-(base + a), base + a],
            ([base_a, base_b, ..], Some(_)) => vec![a + base_a, b + base_b],
            ([base], None) => vec![a + base],
            ([base], Some(_)) => vec![a + base, b],
            ([], None) => vec![a],
            ([], Some(_)) => vec![a, b],
        };
        let deciding = scores[scores.len() - 1];
        let limit = if self.one_column && self.positive { 0.5 } else { 0.0 };
        let winner = usize::from(deciding > limit);
        (winner, self.two_scores(scores, winner))
    }

    /// Scores of both classes where only one was voted for.
    fn two_scores(&self, mut scores: Vec<f64>, winner: usize) -> Vec<f64> {
        let [score] = *scores else {
            self.post.apply(&mut scores);
            return scores;
        };
        match self.post {
            PostTransform::Probit => {
                self.post.apply(&mut scores);
                scores.resize(2, 0.0);
                scores
            }
            _ if self.positive => vec![1.0 - score, score],
            PostTransform::Logistic => vec![logistic(-score), logistic(score)],
            _ if winner == 1 => vec![-score, score],
            _ => vec![score, -score],
        }
    }
}
