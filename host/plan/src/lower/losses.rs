//! Losses of classifiers, which models exported for training or evaluation end with.

use scorehost_graph::{Attribute, Node, ValueId};

use super::Lower;
use super::attributes::text;
use super::compose::{along, number};
use crate::planner::Planner;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "NegativeLogLikelihoodLoss" => negative_log_likelihood,
        "SoftmaxCrossEntropyLoss" => cross_entropy,
        _ => return None,
    })
}

fn negative_log_likelihood(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let logs = planner.input(node, 0)?;
    let y = loss(planner, node, logs)?;
    planner.give(node, 0, y)
}

/// The second output are the logarithms of the probabilities.
fn cross_entropy(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let scores = planner.input(node, 0)?;
    let logs = planner.apply("LogSoftmax", &[scores], &[along(1)])?;
    let y = loss(planner, node, logs)?;
    planner.give(node, 1, logs)?;
    planner.give(node, 0, y)
}

/// Of logarithms of probabilities, whose second dimension are the classes.
fn loss(planner: &mut Planner<'_>, node: &Node, logs: ValueId) -> Result<ValueId, String> {
    let target = planner.input(node, 1)?;
    let (shape, dtype) = planner.kind(logs)?;
    let (targets, index) = planner.kind(target)?;
    let fits =
        shape.len() >= 2 && targets.len() + 1 == shape.len() && targets[0] == shape[0] && targets[1..] == shape[2..];
    if !fits {
        return Err(format!("targets {targets:?} for {shape:?}"));
    }
    let (zero, one) = (planner.scalar(dtype, 0.0)?, planner.scalar(dtype, 1.0)?);
    let (mut class, mut weight) = (target, None);
    let mut ignored = None;
    if let Some(Attribute::Int(value)) = node.attributes.get("ignore_index") {
        let value = planner.known_numbers(index, &[], &[*value as f64])?;
        let same = planner.apply("Equal", &[target, value], &[])?;
        planner.view(same)?;
        let first = planner.known_numbers(index, &[], &[0.0])?;
        class = planner.apply("Where", &[same, first, target], &[])?;
        planner.view(class)?;
        ignored = Some(same);
    }
    if let Some(weights) = node.input(2) {
        weight = Some(planner.apply("Gather", &[weights, class], &[along(0)])?);
    }
    if let Some(ignored) = ignored {
        let kept = weight.unwrap_or(one);
        weight = Some(planner.apply("Where", &[ignored, zero, kept], &[])?);
    }
    let spread = [&targets[..1], &[1], &targets[1..]].concat();
    let class = planner.reshape_to(class, &spread)?;
    let picked = planner.apply("GatherElements", &[logs, class], &[along(1)])?;
    let picked = planner.reshape_to(picked, &targets)?;
    let mut losses = planner.apply("Neg", &[picked], &[])?;
    if let Some(weight) = weight {
        planner.view(weight)?;
        losses = planner.apply("Mul", &[losses, weight], &[])?;
    }
    let keep = [("keepdims", number(0))];
    match text(node, "reduction", "mean") {
        "none" => Ok(losses),
        "sum" => planner.apply("ReduceSum", &[losses], &keep),
        "mean" => match weight {
            Some(weight) => {
                let (sum, weights) =
                    (planner.apply("ReduceSum", &[losses], &keep)?, planner.apply("ReduceSum", &[weight], &keep)?);
                planner.apply("Div", &[sum, weights], &[])
            }
            None => planner.apply("ReduceMean", &[losses], &keep),
        },
        other => Err(format!("reduction {other} is unknown")),
    }
}
