//! Normalisations.

use super::Operator;
use super::reduce::own_axis;
use crate::infer::context::{Fact, one};
use crate::infer::flow::{Axes, Flows, first, refuse};
use crate::infer::{Answer, Context, Dim, Dims};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "BatchNormalization" => Operator::new(batch, batch_rows),
        "InstanceNormalization" | "GroupNormalization" | "LRN" => Operator::new(same, first),
        "LayerNormalization" => Operator::new(layer, last_axes_rows),
        "RMSNormalization" | "SimplifiedLayerNormalization" => Operator::new(same, last_axes_rows),
        "MeanVarianceNormalization" => Operator::new(same, mean_variance_rows),
        _ => return None,
    })
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

/// Scale, shift, mean and variance are of one size; those that training mode gives, too.
fn batch(context: &mut Context<'_>) -> Answer {
    let (dtype, dims) = (context.dtype(0)?, context.dims(0)?);
    let mut outputs = vec![Some(Fact::new(dtype, Some(dims)))];
    for _ in 1..context.node.outputs.len() {
        outputs.push(Some(Fact::new(context.dtype(1)?, Some(context.dims(1)?))));
    }
    Ok(outputs)
}

fn batch_rows(flows: &Flows<'_>) -> Axes {
    let training = flows.node.int("training_mode", 0) != 0 || flows.node.outputs.iter().skip(1).any(Option::is_some);
    // Before operator set 9, 'spatial' = 0 gives each place a mean of its own, still none for rows.
    if training { refuse("is in training mode, where its mean is that of the batch") } else { first(flows) }
}

fn layer(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let axis = context.axis(-1, dims.len())?;
    let statistics: Dims =
        dims.iter().enumerate().map(|(at, dim)| if at < axis { dim.clone() } else { Dim::one() }).collect();
    let dtype = context.dtype(0)?;
    let statistics = Fact::new(scorehost_core::DType::F32, Some(statistics));
    Ok(vec![Some(Fact::new(dtype, Some(dims))), Some(statistics.clone()), Some(statistics)])
}

fn last_axes_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let axis = own_axis(flows, -1, batch)?;
    if batch > axis {
        return refuse("normalises over the batch");
    }
    let rank = flows.rank(0)?;
    for index in [1, 2] {
        flows.serves_all(index, batch, rank)?;
    }
    Ok(vec![batch])
}

fn mean_variance_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let rank = flows.rank(0)? as i64;
    let axes = flows.node.ints("axes").unwrap_or(&[0, 2, 3]);
    let hit = axes.iter().any(|axis| *axis == batch as i64 || axis.saturating_add(rank) == batch as i64);
    if hit { refuse("normalises over the batch") } else { Ok(vec![batch]) }
}
