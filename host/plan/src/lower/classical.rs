//! Classical models of `ai.onnx.ml`: linear ones and tree ensembles, and what prepares their features.

mod features;
mod forest;

use scorehost_core::DType;
use scorehost_graph::{Attribute, Node, ValueId};

use super::Lower;
use super::attributes::{floats, int, ints, text};
use super::compose::number;
use super::convolution::index;
use crate::constants::Form;
use crate::expression::THREADS;
use crate::kernels::{self, File};
use crate::launch::{Arg, Cost, Work};
use crate::planner::Planner;
use crate::view::View;
use forest::Forest;

/// The function that lowers a node of the domain; `None` also for forms of an operator that have no kernel.
pub(super) fn find(node: &Node) -> Option<Lower> {
    if has_texts(node) || !matches!(text(node, "post_transform", "NONE"), "NONE" | "LOGISTIC" | "SOFTMAX") {
        return None;
    }
    let known = |votes| Forest::read(node, votes).is_ok();
    Some(match &*node.operator {
        "LinearRegressor" => linear_regressor,
        "LinearClassifier" => linear_classifier,
        "TreeEnsembleRegressor" if known("target") => tree_regressor,
        "TreeEnsembleClassifier" if Rule::of(node).is_ok() => tree_classifier,
        name => return features::find(name),
    })
}

/// Whether labels, keys or categories are texts, which no device holds.
fn has_texts(node: &Node) -> bool {
    let texts = |(name, value): (&std::sync::Arc<str>, &Attribute)| {
        let list = matches!(value, Attribute::Strings(all) if !all.is_empty());
        list && &**name != "nodes_modes"
    };
    node.attributes.iter().any(texts)
}

/// `[rows, features]`; a vector is one row.
fn rows(planner: &mut Planner<'_>, id: ValueId) -> Result<(ValueId, [u64; 2]), String> {
    let shape = planner.kind(id)?.0;
    let sizes = match shape[..] {
        [features] => [1, features],
        [rows, features] => [rows, features],
        _ => return Err(format!("expected rows of features, got {shape:?}")),
    };
    Ok((planner.reshape_to(id, &sizes)?, sizes))
}

/// Scores of linear functions.
fn scores(planner: &mut Planner<'_>, node: &Node, targets: u64) -> Result<ValueId, String> {
    let id = planner.input(node, 0)?;
    let x = planner.cast_to(id, DType::F32)?;
    let (x, [_, features]) = rows(planner, x)?;
    let coefficients = floats(node, "coefficients").ok_or("its coefficients are missing")?;
    if targets == 0 || coefficients.len() as u64 != targets * features {
        return Err(format!("{} coefficients for {targets} functions of {features} features", coefficients.len()));
    }
    let wide = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
    let weights = planner.known_numbers(DType::F32, &[targets, features], &wide(&coefficients))?;
    let bias = match floats(node, "intercepts").filter(|all| !all.is_empty()) {
        Some(all) if all.len() as u64 == targets => Some(planner.known_numbers(DType::F32, &[targets], &wide(&all))?),
        Some(all) => return Err(format!("{} intercepts for {targets} functions", all.len())),
        None => None,
    };
    planner.apply_in("scorehost", "FusedMatMul", &[Some(x), Some(weights), bias], &[("transB", number(1))])
}

fn transformed(planner: &mut Planner<'_>, node: &Node, scores: ValueId) -> Result<ValueId, String> {
    match text(node, "post_transform", "NONE") {
        "LOGISTIC" => planner.apply("Sigmoid", &[scores], &[]),
        "SOFTMAX" => planner.apply("Softmax", &[scores], &[("axis", number(-1))]),
        _ => Ok(scores),
    }
}

fn linear_regressor(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let scores = scores(planner, node, int(node, "targets", 1).max(0) as u64)?;
    let y = transformed(planner, node, scores)?;
    planner.give(node, 0, y)
}

/// Labels of classes, by their numbers; without any, the numbers.
fn labelled(planner: &mut Planner<'_>, labels: &[i64], classes: ValueId) -> Result<ValueId, String> {
    if labels.is_empty() {
        return Ok(classes);
    }
    let labels = planner.known_ints(&[labels.len() as u64], labels)?;
    planner.apply("Gather", &[labels, classes], &[("axis", number(0))])
}

/// The first class of the largest score.
fn winner(planner: &mut Planner<'_>, scores: ValueId) -> Result<ValueId, String> {
    planner.apply("ArgMax", &[scores], &[("axis", number(1)), ("keepdims", number(0))])
}

/// 1 where a column of scores is above a limit, else 0.
fn above(planner: &mut Planner<'_>, scores: ValueId, limit: f64) -> Result<ValueId, String> {
    let rows = planner.kind(scores)?.0[0];
    let column = planner.reshape_to(scores, &[rows])?;
    let limit = planner.scalar(DType::F32, limit)?;
    let chosen = planner.apply("Greater", &[column, limit], &[])?;
    planner.cast_to(chosen, DType::I64)
}

/// A column and what it leaves of 1, the latter first.
fn with_rest(planner: &mut Planner<'_>, column: ValueId) -> Result<ValueId, String> {
    let one = planner.scalar(DType::F32, 1.0)?;
    let rest = planner.apply("Sub", &[one, column], &[])?;
    planner.apply("Concat", &[rest, column], &[("axis", number(1))])
}

fn linear_classifier(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let labels = ints(node, "classlabels_ints").unwrap_or_default();
    let intercepts = floats(node, "intercepts").unwrap_or_default().len();
    let targets = if intercepts == 0 { labels.len() } else { intercepts };
    let scores = scores(planner, node, targets as u64)?;
    planner.view(scores)?;
    let classes = if targets == 1 { above(planner, scores, 0.0)? } else { winner(planner, scores)? };
    let label = labelled(planner, &labels, classes)?;
    // One function for two labels: its sign decides, and the score of the other class is added.
    let y = if targets == 1 && labels.len() == 2 {
        let logistic = text(node, "post_transform", "NONE") == "LOGISTIC";
        let column = if logistic { transformed(planner, node, scores)? } else { scores };
        with_rest(planner, column)?
    } else {
        transformed(planner, node, scores)?
    };
    planner.give(node, 0, label)?;
    planner.give(node, 1, y)
}

/// Sums of the leaves' votes: `[rows, outputs]`.
fn votes(planner: &mut Planner<'_>, node: &Node, forest: &Forest, outputs: u64, how: u32) -> Result<ValueId, String> {
    let id = planner.input(node, 0)?;
    let (id, [rows, features]) = rows(planner, id)?;
    let (x, dtype) = planner.dense(id)?;
    if features < forest.features {
        return Err(format!("expected at least {} features, got {features}", forest.features));
    }
    let [nodes, values, roots, targets, weights] = forest.tables()?;
    let mut places = Vec::new();
    for table in [nodes, values, roots, targets, weights] {
        let stored = table.dtype();
        places.push(Arg::Place((&planner.constant(&table, stored, Form::Plain)?).into()));
    }
    let name = kernels::name(x.dtype).filter(|_| dtype != DType::Bool).ok_or("features must be numbers")?;
    let y: View = planner.buffer(DType::F32, vec![rows, outputs]);
    let mut args = vec![Arg::Place((&x).into())];
    args.extend(places);
    args.push(Arg::Place((&y).into()));
    args.extend([features as i32, forest.roots.len() as i32, outputs as i32, index(rows)? as i32].map(Arg::Int));
    let how = how.to_string();
    let kernel = kernels::fixed(planner.target.dialect, File::Trees, "trees", &[("T", name), ("HOW", &how)]);
    // A row is much work: few items a group, so that rows are spread over the device.
    let threads = if rows < 4096 { 16 } else { THREADS };
    index(x.elements().max(y.elements()))?;
    let cost = Cost { bytes: 4 * (x.elements() + y.elements()), operations: rows * forest.roots.len() as u64 };
    if rows > 0 {
        let blocks = [(rows as u32).div_ceil(threads), 1, 1];
        planner.launch(Work::Kernel { kernel, blocks, threads, shared: 0, args }, cost);
    }
    Ok(planner.fresh(Some(crate::planner::Value::Stored(y, DType::F32))))
}

fn with_base(planner: &mut Planner<'_>, votes: ValueId, base: &[f32]) -> Result<ValueId, String> {
    if base.is_empty() {
        return Ok(votes);
    }
    let wide: Vec<f64> = base.iter().map(|value| f64::from(*value)).collect();
    let base = planner.known_numbers(DType::F32, &[1, base.len() as u64], &wide)?;
    planner.apply("Add", &[votes, base], &[])
}

fn tree_regressor(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let forest = Forest::read(node, "target")?;
    let outputs = int(node, "n_targets", 1).max(0) as u64;
    forest.check(outputs)?;
    let (how, share) = match text(node, "aggregate_function", "SUM") {
        "SUM" => (0, 1.0),
        "AVERAGE" => (0, forest.roots.len() as f64),
        "MIN" => (1, 1.0),
        "MAX" => (2, 1.0),
        other => return Err(format!("aggregate {other} is unknown")),
    };
    let mut sums = votes(planner, node, &forest, outputs, how)?;
    if share != 1.0 {
        let share = planner.scalar(DType::F32, share)?;
        sums = planner.apply("Div", &[sums, share], &[])?;
    }
    let base = floats(node, "base_values").unwrap_or_default();
    if !base.is_empty() && base.len() as u64 != outputs {
        return Err(format!("{} base values for {outputs} targets", base.len()));
    }
    let scores = with_base(planner, sums, &base)?;
    let y = transformed(planner, node, scores)?;
    planner.give(node, 0, y)
}

/// How votes become a class and scores, by what is known of the leaves; the same as the built-in executor's.
struct Rule {
    forest: Forest,
    classes: u64,
    labels: Vec<i64>,
    base: Vec<f32>,
    /// Of two classes, only one is voted for: the first, whose score decides, or the second.
    only: Option<u64>,
}

impl Rule {
    fn of(node: &Node) -> Result<Self, String> {
        let forest = Forest::read(node, "class")?;
        let labels = ints(node, "classlabels_int64s").unwrap_or_default();
        let classes = labels.len() as u64;
        forest.check(classes)?;
        let only = (0..classes).find(|class| classes == 2 && forest.never(1 - class));
        // A class that some rows have no vote for wins by other rules, which would need to be told from a score of 0.
        let needed = |class: &u64| if classes == 2 { *class == only.unwrap_or(1) } else { true };
        if classes < 2 || (0..classes).filter(needed).any(|class| !forest.always(class)) {
            return Err("some leaves leave out a class".to_owned());
        }
        let base = floats(node, "base_values").unwrap_or_default();
        if !base.is_empty() && base.len() as u64 != classes && !(classes == 2 && base.len() == 1) {
            return Err(format!("{} base values for {classes} classes", base.len()));
        }
        Ok(Self { forest, classes, labels, base, only })
    }
}

fn tree_classifier(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let rule = Rule::of(node)?;
    let sums = votes(planner, node, &rule.forest, rule.classes, 0)?;
    let (classes, y) = match (rule.classes, rule.only) {
        (2, Some(0)) => alone(planner, node, &rule, sums)?,
        (2, _) => {
            let base: Vec<f32> = match rule.base[..] {
                [first] => vec![first, 0.0],
                _ => rule.base.clone(),
            };
            let scores = with_base(planner, sums, &base)?;
            let second = planner.cut(scores, 1, 1, 2, 1)?;
            let half = rule.only.is_some() && rule.forest.all_positive();
            let classes = above(planner, second, if half { 0.5 } else { 0.0 })?;
            (classes, transformed(planner, node, scores)?)
        }
        _ => {
            let scores = with_base(planner, sums, &rule.base)?;
            planner.view(scores)?;
            (winner(planner, scores)?, transformed(planner, node, scores)?)
        }
    };
    let label = labelled(planner, &rule.labels, classes)?;
    planner.give(node, 0, label)?;
    planner.give(node, 1, y)
}

/// Two classes of which all leaves vote for the first: one score decides.
fn alone(planner: &mut Planner<'_>, node: &Node, rule: &Rule, sums: ValueId) -> Result<(ValueId, ValueId), String> {
    let column = planner.cut(sums, 1, 0, 1, 1)?;
    let limit = if rule.forest.all_positive() { 0.5 } else { 0.0 };
    if let [_, base] = rule.base[..] {
        let score = with_base(planner, column, &[base])?;
        planner.view(score)?;
        let other = planner.apply("Neg", &[score], &[])?;
        let scores = planner.apply("Concat", &[other, score], &[("axis", number(1))])?;
        return Ok((above(planner, score, limit)?, transformed(planner, node, scores)?));
    }
    let score = with_base(planner, column, &rule.base)?;
    planner.view(score)?;
    let classes = above(planner, score, limit)?;
    let y = if rule.forest.all_positive() {
        with_rest(planner, score)?
    } else if text(node, "post_transform", "NONE") == "LOGISTIC" {
        let other = planner.apply("Neg", &[score], &[])?;
        let both = planner.apply("Concat", &[other, score], &[("axis", number(1))])?;
        planner.apply("Sigmoid", &[both], &[])?
    } else {
        // The winner's score is positive.
        let other = planner.apply("Neg", &[score], &[])?;
        planner.view(other)?;
        let second = planner.apply("Concat", &[other, score], &[("axis", number(1))])?;
        let first = planner.apply("Concat", &[score, other], &[("axis", number(1))])?;
        let rows = planner.kind(score)?.0[0];
        let won = planner.reshape_to(classes, &[rows, 1])?;
        let won = planner.cast_to(won, DType::Bool)?;
        planner.apply("Where", &[won, second, first], &[])?
    };
    Ok((classes, y))
}
