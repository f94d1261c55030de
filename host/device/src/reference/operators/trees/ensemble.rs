//! `TreeEnsemble`, the one operator that replaces the two others from version 5 of `ai.onnx.ml` on.

use super::Aggregate;
use crate::reference::array::Array;
use crate::reference::attributes::Attributes;
use crate::reference::operators::numeric::{doubles, of_doubles};
use crate::reference::operators::scores::PostTransform;
use crate::reference::operators::{Kernel, rows};

/// What a node asks of a feature.
enum Question {
    LessOrEqual(f64),
    Less(f64),
    GreaterOrEqual(f64),
    Greater(f64),
    Equal(f64),
    NotEqual(f64),
    /// Whether it is one of these.
    Member(Vec<f64>),
}

impl Question {
    fn holds(&self, x: f64) -> bool {
        match self {
            Self::LessOrEqual(value) => x <= *value,
            Self::Less(value) => x < *value,
            Self::GreaterOrEqual(value) => x >= *value,
            Self::Greater(value) => x > *value,
            Self::Equal(value) => x == *value,
            Self::NotEqual(value) => x != *value,
            Self::Member(values) => values.contains(&x),
        }
    }
}

/// Where an answer leads.
#[derive(Clone, Copy)]
enum Next {
    Node(usize),
    Leaf(usize),
}

struct Branch {
    feature: usize,
    question: Question,
    missing_is_true: bool,
    yes: Next,
    no: Next,
}

struct Ensemble {
    branches: Vec<Branch>,
    roots: Vec<usize>,
    /// Target and weight.
    leaves: Vec<(usize, f64)>,
    features: usize,
}

pub(crate) fn ensemble(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let targets = usize::try_from(attributes.int("n_targets", 1)?).ok().filter(|many| *many <= 1 << 20);
    let targets = targets.ok_or("n_targets is negative or too large")?;
    let ensemble = Ensemble::read(attributes, targets)?;
    let aggregate = match attributes.int("aggregate_function", 1)? {
        0 => Aggregate::Average,
        1 => Aggregate::Sum,
        2 => Aggregate::Min,
        3 => Aggregate::Max,
        other => return Err(format!("aggregate_function {other}")),
    };
    let post = match attributes.int("post_transform", 0)? {
        0 => PostTransform::None,
        1 => PostTransform::Softmax,
        2 => PostTransform::Logistic,
        3 => PostTransform::SoftmaxZero,
        4 => PostTransform::Probit,
        other => return Err(format!("post_transform {other}")),
    };
    let share = if aggregate == Aggregate::Average { ensemble.roots.len() as f64 } else { 1.0 };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let (many, features) = rows(input)?;
        if features < ensemble.features {
            return Err(format!("expected at least {} features, got {features}", ensemble.features));
        }
        let values = doubles(input)?;
        crate::reference::array::count(&[many, targets])?;
        let mut results = Vec::with_capacity(many * targets);
        for row in 0..many {
            let mut votes = vec![None; targets];
            for (target, weight) in ensemble.leaves(&values[row * features..(row + 1) * features]) {
                aggregate.add(&mut votes[target], weight);
            }
            let mut scores: Vec<f64> = votes.into_iter().map(|vote| vote.unwrap_or(0.0) / share).collect();
            post.apply(&mut scores);
            results.extend(scores);
        }
        Ok(vec![of_doubles(input.elements.dtype(), vec![many, targets], results)?])
    }))
}

fn numbers(attributes: &Attributes<'_>, name: &str) -> Result<Vec<f64>, String> {
    attributes.tensor(name)?.map_or(Ok(Vec::new()), |tensor: Array| doubles(&tensor))
}

fn places(attributes: &Attributes<'_>, name: &str, below: usize) -> Result<Vec<usize>, String> {
    let place = |at: i64| usize::try_from(at).ok().filter(|at| *at < below).ok_or_else(|| format!("{name} holds {at}"));
    attributes.ints(name)?.into_iter().map(place).collect()
}

/// One entry for each node; none where an optional attribute is left out.
fn fits<T>(values: &[T], many: usize, name: &str) -> Result<(), String> {
    if values.len() == many { Ok(()) } else { Err(format!("{name} has {} entries, expected {many}", values.len())) }
}

impl Ensemble {
    fn read(attributes: &Attributes<'_>, targets: usize) -> Result<Self, String> {
        let (splits, modes) = (numbers(attributes, "nodes_splits")?, attributes.tensor("nodes_modes")?);
        let modes = modes.as_ref().and_then(Array::get::<u8>).ok_or("nodes_modes are no UINT8")?;
        let many = splits.len();
        fits(modes, many, "nodes_modes")?;
        let features = places(attributes, "nodes_featureids", 1 << 24)?;
        fits(&features, many, "nodes_featureids")?;
        let missing = attributes.ints("nodes_missing_value_tracks_true")?;
        if !missing.is_empty() {
            fits(&missing, many, "nodes_missing_value_tracks_true")?;
        }
        let (weights, of) = (numbers(attributes, "leaf_weights")?, places(attributes, "leaf_targetids", targets)?);
        fits(&weights, of.len(), "leaf_weights")?;
        let next = |side: &str| -> Result<Vec<Next>, String> {
            let leaf = attributes.ints(&format!("nodes_{side}leafs"))?;
            fits(&leaf, many, "nodes_…leafs")?;
            let ids = places(attributes, &format!("nodes_{side}nodeids"), many.max(of.len()))?;
            fits(&ids, many, "nodes_…nodeids")?;
            let next = |(leaf, id): (i64, usize)| match leaf != 0 {
                true if id < of.len() => Ok(Next::Leaf(id)),
                false if id < many => Ok(Next::Node(id)),
                _ => Err(format!("a node leads to {id}, which is not there")),
            };
            leaf.into_iter().zip(ids).map(next).collect()
        };
        let (yes, no) = (next("true")?, next("false")?);
        let mut sets = numbers(attributes, "membership_values")?;
        // Sets are read from the end, each of them up to the mark before.
        let marks = sets.iter().filter(|value| value.is_nan()).count();
        let mut groups: Vec<Vec<f64>> = Vec::with_capacity(marks);
        if sets.last().is_some_and(|last| !last.is_nan()) {
            sets.push(f64::NAN);
        }
        for group in sets.split(|value| value.is_nan()) {
            groups.push(group.to_vec());
        }
        let mut groups = groups.into_iter();
        let mut branches = Vec::with_capacity(many);
        for (index, mode) in modes.iter().enumerate() {
            let split = splits[index];
            let question = match mode {
                0 => Question::LessOrEqual(split),
                1 => Question::Less(split),
                2 => Question::GreaterOrEqual(split),
                3 => Question::Greater(split),
                4 => Question::Equal(split),
                5 => Question::NotEqual(split),
                6 => Question::Member(groups.next().ok_or("membership_values has fewer sets than nodes ask for")?),
                other => return Err(format!("nodes_modes holds {other}")),
            };
            let missing_is_true = missing.get(index).is_some_and(|missing| *missing != 0);
            let (feature, yes, no) = (features[index], yes[index], no[index]);
            branches.push(Branch { feature, question, missing_is_true, yes, no });
        }
        let roots = places(attributes, "tree_roots", many)?;
        let features = branches.iter().map(|branch| branch.feature + 1).max().unwrap_or(0);
        let ensemble = Self { branches, roots, leaves: of.into_iter().zip(weights).collect(), features };
        ensemble.ends()?;
        Ok(ensemble)
    }

    /// Refuses nodes that lead back to themselves, so that every walk ends.
    fn ends(&self) -> Result<(), String> {
        let mut before = vec![0usize; self.branches.len()];
        let next = |branch: &Branch| [branch.yes, branch.no];
        let nodes = |branch: &Branch| {
            next(branch).into_iter().filter_map(|next| match next {
                Next::Node(at) => Some(at),
                Next::Leaf(_) => None,
            })
        };
        self.branches.iter().flat_map(nodes).for_each(|at| before[at] += 1);
        // Nodes whose predecessors are all gone can go; what remains goes round in circles.
        let mut free: Vec<usize> = (0..before.len()).filter(|at| before[*at] == 0).collect();
        let mut gone = 0;
        while let Some(at) = free.pop() {
            gone += 1;
            for next in nodes(&self.branches[at]) {
                before[next] -= 1;
                if before[next] == 0 {
                    free.push(next);
                }
            }
        }
        if gone == self.branches.len() { Ok(()) } else { Err("a tree leads back to itself".to_owned()) }
    }

    /// Target and weight of the leaf that a row reaches in each tree.
    fn leaves<'a>(&'a self, row: &'a [f64]) -> impl Iterator<Item = (usize, f64)> + 'a {
        self.roots.iter().map(|root| {
            let mut at = *root;
            loop {
                let branch = &self.branches[at];
                let x = row[branch.feature];
                let taken = branch.question.holds(x) || (branch.missing_is_true && x.is_nan());
                match if taken { branch.yes } else { branch.no } {
                    Next::Node(next) => at = next,
                    Next::Leaf(leaf) => return self.leaves[leaf],
                }
            }
        })
    }
}
