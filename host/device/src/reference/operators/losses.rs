//! Losses of classifiers.

use super::numeric::{doubles, integers, of_doubles};
use super::{Attributes, Kernel, Table};
use crate::reference::array::Array;

pub(super) const OPERATORS: Table =
    &[("", "NegativeLogLikelihoodLoss", negative_log_likelihood), ("", "SoftmaxCrossEntropyLoss", cross_entropy)];

#[derive(Clone, Copy)]
enum Reduction {
    None,
    Sum,
    Mean,
}

/// What a loss does with the elements' losses.
struct Loss {
    reduction: Reduction,
    ignored: Option<i64>,
}

impl Loss {
    fn read(attributes: &Attributes<'_>) -> Result<Self, String> {
        let reduction = match &*attributes.string("reduction", "mean")? {
            b"none" => Reduction::None,
            b"sum" => Reduction::Sum,
            b"mean" => Reduction::Mean,
            other => return Err(format!("reduction '{}'", String::from_utf8_lossy(other))),
        };
        Ok(Self { reduction, ignored: attributes.optional_int("ignore_index")? })
    }

    /// The loss of logarithms of probabilities, whose second axis are the classes.
    fn of(&self, logs: &[f64], input: &Array, target: &Array, weights: Option<&Array>) -> Result<Array, String> {
        let [n, classes, ref rest @ ..] = input.shape[..] else {
            return Err(format!("expected [N, C, …], got shape {:?}", input.shape));
        };
        let inner: usize = rest.iter().product();
        if target.shape.len() + 1 != input.shape.len() || target.shape[0] != n || target.shape[1..] != *rest {
            return Err(format!("targets of shape {:?} do not fit {:?}", target.shape, input.shape));
        }
        let (targets, weights) = (integers(target)?, weights.map(doubles).transpose()?);
        let (mut losses, mut sum) = (Vec::with_capacity(targets.len()), 0.0);
        for (index, target) in targets.iter().enumerate() {
            if Some(*target) == self.ignored {
                losses.push(0.0);
                continue;
            }
            let class = usize::try_from(*target).ok().filter(|class| *class < classes);
            let class = class.ok_or_else(|| format!("target {target} is none of {classes} classes"))?;
            let weight = match &weights {
                Some(weights) => *weights.get(class).ok_or_else(|| format!("no weight for class {class}"))?,
                None => 1.0,
            };
            losses.push(-weight * logs[(index / inner * classes + class) * inner + index % inner]);
            sum += weight;
        }
        let dtype = input.elements.dtype();
        match self.reduction {
            Reduction::None => of_doubles(dtype, target.shape.clone(), losses),
            Reduction::Sum => of_doubles(dtype, vec![], vec![losses.iter().sum()]),
            Reduction::Mean => of_doubles(dtype, vec![], vec![losses.iter().sum::<f64>() / sum]),
        }
    }
}

fn negative_log_likelihood(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let loss = Loss::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let (input, target) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![loss.of(&doubles(input)?, input, target, inputs.optional(2))?])
    }))
}

/// The second output are the logarithms of the probabilities.
fn cross_entropy(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let loss = Loss::read(attributes)?;
    Ok(Box::new(move |inputs| {
        let (input, target) = (inputs.get(0)?, inputs.get(1)?);
        let logs = log_softmax(input)?;
        let result = loss.of(&logs, input, target, inputs.optional(2))?;
        Ok(vec![result, of_doubles(input.elements.dtype(), input.shape.clone(), logs)?])
    }))
}

/// Along the second axis.
fn log_softmax(input: &Array) -> Result<Vec<f64>, String> {
    let [_, classes, ref rest @ ..] = input.shape[..] else {
        return Err(format!("expected [N, C, …], got shape {:?}", input.shape));
    };
    let inner: usize = rest.iter().product();
    let mut values = doubles(input)?;
    for row in values.chunks_mut((classes * inner).max(1)) {
        for column in 0..inner {
            let line = || (0..classes).map(|class| class * inner + column);
            let most = line().map(|index| row[index]).fold(f64::NEG_INFINITY, f64::max);
            let sum = line().map(|index| (row[index] - most).exp()).sum::<f64>().ln();
            line().for_each(|index| row[index] -= most + sum);
        }
    }
    Ok(values)
}
