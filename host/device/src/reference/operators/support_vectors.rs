//! Support vector machines (`ai.onnx.ml`): the arithmetic of libsvm (Chang and Lin, *LIBSVM: A Library for Support Vector
//! Machines*, 2011), with scores laid out as ONNX Runtime does where the specification is silent.

use super::labels::Labels;
use super::linear::matrix;
use super::scores::{PostTransform, logistic};
use super::{Attributes, Kernel, Table, rows};

pub(super) const OPERATORS: Table =
    &[("ai.onnx.ml", "SVMClassifier", classifier), ("ai.onnx.ml", "SVMRegressor", regressor)];

/// Scores of all pairs of classes that one row may have.
const MOST_CLASSES: usize = 4096;

#[derive(Clone, Copy, PartialEq)]
enum Similarity {
    Linear,
    Polynomial,
    Radial,
    Sigmoid,
}

/// The vectors that a row is compared with, and how.
struct Machine {
    similarity: Similarity,
    gamma: f64,
    offset: f64,
    degree: f64,
    features: usize,
    /// One behind the other; without any, the coefficients are those of a linear function.
    vectors: Vec<f64>,
    coefficients: Vec<f64>,
    rho: Vec<f64>,
}

fn wide(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

impl Machine {
    /// A machine of so many support vectors; without any, of so many linear functions.
    fn read(attributes: &Attributes<'_>, vectors: usize, functions: usize) -> Result<Self, String> {
        let similarity = match &*attributes.string("kernel_type", "LINEAR")? {
            b"LINEAR" => Similarity::Linear,
            b"POLY" => Similarity::Polynomial,
            b"RBF" => Similarity::Radial,
            b"SIGMOID" => Similarity::Sigmoid,
            other => return Err(format!("kernel_type '{}'", String::from_utf8_lossy(other))),
        };
        let (gamma, offset, degree) = match *wide(attributes.floats("kernel_params")?) {
            [gamma, offset, degree] => (gamma, offset, degree),
            [] => (0.0, 0.0, 0.0),
            ref other => return Err(format!("kernel_params has {} entries, expected 3", other.len())),
        };
        let (values, coefficients) =
            (wide(attributes.floats("support_vectors")?), wide(attributes.floats("coefficients")?));
        let (all, many) = if vectors > 0 { (values.len(), vectors) } else { (coefficients.len(), functions) };
        if many == 0 || all == 0 || all % many != 0 {
            return Err(format!("{all} numbers do not make {many} vectors"));
        }
        let rho = wide(attributes.floats("rho")?);
        if rho.is_empty() {
            return Err("attribute 'rho' is missing".to_owned());
        }
        Ok(Self { similarity, gamma, offset, degree, features: all / many, vectors: values, coefficients, rho })
    }

    fn similarity(&self, x: &[f64], y: &[f64]) -> f64 {
        let product = || x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        match self.similarity {
            Similarity::Linear => product(),
            Similarity::Polynomial => (self.gamma * product() + self.offset).powf(self.degree),
            Similarity::Sigmoid => (self.gamma * product() + self.offset).tanh(),
            Similarity::Radial => (-self.gamma * x.iter().zip(y).map(|(x, y)| (x - y) * (x - y)).sum::<f64>()).exp(),
        }
    }

    /// How like a row is to each vector.
    fn similarities(&self, x: &[f64]) -> Vec<f64> {
        self.vectors.chunks_exact(self.features).map(|vector| self.similarity(x, vector)).collect()
    }

    /// Rows of an input, which must have as many features as the vectors.
    fn rows(&self, input: &crate::reference::array::Array) -> Result<Vec<Vec<f64>>, String> {
        let (_, features) = rows(input)?;
        if features != self.features {
            return Err(format!("expected {} features, got {features}", self.features));
        }
        Ok(input.to_f64()?.chunks(features.max(1)).map(<[f64]>::to_vec).collect())
    }
}

fn regressor(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let many = usize::try_from(attributes.int("n_supports", 0)?).map_err(|_| "negative number of supports")?;
    let machine = Machine::read(attributes, many, 1)?;
    let (one_class, post) = (attributes.int("one_class", 0)? != 0, PostTransform::read(attributes)?);
    if many > 0 && machine.coefficients.len() != many {
        return Err(format!("{} coefficients for {many} support vectors", machine.coefficients.len()));
    }
    Ok(Box::new(move |inputs| {
        let score = |x: Vec<f64>| {
            let weighed = |likes: &[f64]| likes.iter().zip(&machine.coefficients).map(|(x, c)| x * c).sum::<f64>();
            let sum = match many {
                0 => machine.similarity(&x, &machine.coefficients),
                _ => weighed(&machine.similarities(&x)),
            };
            let sum = sum + machine.rho[0];
            let mut scores = vec![if !one_class {
                sum
            } else if sum > 0.0 {
                1.0
            } else {
                -1.0
            }];
            post.apply(&mut scores);
            scores
        };
        let scores: Vec<Vec<f64>> = machine.rows(inputs.get(0)?)?.into_iter().map(score).collect();
        Ok(vec![matrix(&scores, 1)?])
    }))
}

/// A machine that tells classes apart, by a vote of all pairs of them.
struct Classifier {
    machine: Machine,
    /// Support vectors of each class; none in a linear one.
    per_class: Vec<usize>,
    classes: usize,
    /// Of Platt's function, a pair for each pair of classes.
    platt: Option<(Vec<f64>, Vec<f64>)>,
    post: PostTransform,
    positive: bool,
}

fn classifier(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let labels = Labels::read(attributes, "classlabels_ints", "classlabels_strings")?;
    let counts = attributes.ints("vectors_per_class")?;
    let per_class: Option<Vec<usize>> = counts.iter().map(|many| usize::try_from(*many).ok()).collect();
    let per_class = per_class.ok_or("vectors_per_class has a negative entry")?;
    let vectors = per_class.iter().try_fold(0usize, |all, many| all.checked_add(*many)).ok_or("too many vectors")?;
    let classes = if vectors > 0 { per_class.len() } else { labels.len().max(1) };
    let machine = Machine::read(attributes, vectors, classes)?;
    let (a, b) = (wide(attributes.floats("prob_a")?), wide(attributes.floats("prob_b")?));
    let pairs = classes * classes.saturating_sub(1) / 2;
    if classes > MOST_CLASSES || labels.len() < classes {
        return Err(format!("{} labels for {classes} classes (at most {MOST_CLASSES})", labels.len()));
    }
    let coefficients = machine.coefficients.len();
    if vectors > 0 && (coefficients != vectors * (classes - 1) || machine.rho.len() < pairs) {
        return Err(format!("{coefficients} coefficients and {} rho for {vectors} vectors", machine.rho.len()));
    }
    if !a.is_empty() && (a.len() != pairs || b.len() != pairs) {
        return Err(format!("{} prob_a and {} prob_b for {pairs} pairs of classes", a.len(), b.len()));
    }
    let platt = (vectors > 0 && !a.is_empty()).then_some((a, b));
    let positive = machine.coefficients.iter().all(|coefficient| *coefficient >= 0.0);
    let post = PostTransform::read(attributes)?;
    let classifier = Classifier { machine, per_class, classes, platt, post, positive };
    Ok(Box::new(move |inputs| {
        let rows = classifier.machine.rows(inputs.get(0)?)?;
        let (winners, scores): (Vec<usize>, Vec<Vec<f64>>) = rows.iter().map(|row| classifier.decide(row)).unzip();
        let columns = scores.first().map_or(classifier.columns(), Vec::len);
        Ok(vec![labels.of(&winners)?, matrix(&scores, columns)?])
    }))
}

impl Classifier {
    /// Scores of a row.
    fn columns(&self) -> usize {
        match (self.classes, &self.platt) {
            (2, _) | (_, Some(_)) => self.classes,
            _ if self.per_class.iter().sum::<usize>() == 0 => self.classes,
            _ => self.classes * (self.classes - 1) / 2,
        }
    }

    /// The class of a row, and its scores.
    fn decide(&self, x: &[f64]) -> (usize, Vec<f64>) {
        if self.per_class.iter().sum::<usize>() == 0 {
            let chunks = self.machine.coefficients.chunks_exact(self.machine.features);
            let mut scores: Vec<f64> =
                chunks.map(|line| self.machine.similarity(x, line) + self.machine.rho[0]).collect();
            let winner = largest(&scores);
            return (self.one_score(scores[winner], winner), self.finished(&mut scores));
        }
        let (mut scores, votes) = self.pairs(x);
        let winner = largest(&votes);
        if let Some((a, b)) = &self.platt {
            let mut shares = shares(&scores, a, b, self.classes);
            self.post.apply(&mut shares);
            return (winner, shares);
        }
        (winner, self.finished(&mut scores))
    }

    /// The class where one score decides between two.
    fn one_score(&self, score: f64, winner: usize) -> usize {
        if self.classes != 2 || self.machine.rho.len() != 1 {
            return winner;
        }
        let second = if self.positive { score >= 0.5 } else { score > 0.0 };
        if second { 1 } else { winner }
    }

    fn finished(&self, scores: &mut Vec<f64>) -> Vec<f64> {
        if let ([score], 2) = (&scores[..], self.classes) {
            let score = *score;
            *scores = match self.post {
                PostTransform::None => vec![-score, score],
                PostTransform::Logistic => vec![logistic(-score), logistic(score)],
                _ => vec![1.0 - score, score],
            };
            return std::mem::take(scores);
        }
        self.post.apply(scores);
        std::mem::take(scores)
    }

    /// The score of each pair of classes, and the number of pairs that each class wins.
    fn pairs(&self, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let likes = self.machine.similarities(x);
        let mut starts = vec![0];
        self.per_class.iter().for_each(|many| starts.push(starts[starts.len() - 1] + many));
        let sum = |line: usize, class: usize| {
            let range = starts[class]..starts[class + 1];
            let weights = &self.machine.coefficients[line * likes.len()..][range.clone()];
            weights.iter().zip(&likes[range]).map(|(weight, like)| weight * like).sum::<f64>()
        };
        let (mut scores, mut votes) = (Vec::new(), vec![0.0; self.classes]);
        for first in 0..self.classes {
            for second in first + 1..self.classes {
                let score = sum(second - 1, first) + sum(first, second) + self.machine.rho[scores.len()];
                votes[if score > 0.0 { first } else { second }] += 1.0;
                scores.push(score);
            }
        }
        (scores, votes)
    }
}

/// The first of the largest.
fn largest(scores: &[f64]) -> usize {
    (1..scores.len()).fold(0, |best, at| if scores[at] > scores[best] { at } else { best })
}

/// Probabilities of the classes from those of all pairs (Wu, Lin and Weng, *Probability Estimates for Multi-class Classification by Pairwise
/// Coupling*, 2004, second method).
fn shares(scores: &[f64], a: &[f64], b: &[f64], classes: usize) -> Vec<f64> {
    let mut won = vec![vec![0.0; classes]; classes];
    let pairs = (0..classes).flat_map(|first| (first + 1..classes).map(move |second| (first, second)));
    for (pair, (first, second)) in pairs.enumerate() {
        let share = (1.0 - logistic(scores[pair] * a[pair] + b[pair])).clamp(1e-7, 1.0 - 1e-7);
        (won[first][second], won[second][first]) = (share, 1.0 - share);
    }
    let mut q = vec![vec![0.0; classes]; classes];
    for one in 0..classes {
        for other in (0..classes).filter(|other| *other != one) {
            q[one][one] += won[other][one] * won[other][one];
            q[one][other] = -won[other][one] * won[one][other];
        }
    }
    let mut shares = vec![1.0 / classes as f64; classes];
    let limit = 0.005 / classes as f64;
    for _ in 0..classes.max(100) {
        let mut lines: Vec<f64> = q.iter().map(|line| line.iter().zip(&shares).map(|(q, p)| q * p).sum()).collect();
        let mut total: f64 = lines.iter().zip(&shares).map(|(line, p)| line * p).sum();
        if lines.iter().all(|line| (line - total).abs() < limit) {
            break;
        }
        for at in 0..classes {
            let step = (total - lines[at]) / q[at][at];
            shares[at] += step;
            total = (total + step * (step * q[at][at] + 2.0 * lines[at])) / (1.0 + step) / (1.0 + step);
            for other in 0..classes {
                lines[other] = (lines[other] + step * q[at][other]) / (1.0 + step);
                shares[other] /= 1.0 + step;
            }
        }
    }
    shares
}
