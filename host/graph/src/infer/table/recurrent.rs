//! Recurrent layers.

use super::Operator;
use crate::infer::context::{Fact, wrong};
use crate::infer::flow::{Axes, Flow, Flows, refuse};
use crate::infer::{Answer, Context, Dim, Dims};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "LSTM" | "GRU" | "RNN" => Operator::new(layer, rows),
        _ => return None,
    })
}

/// Outputs Y, the last hidden state and, for LSTM, the last cell state. `layout` 1 puts the batch first.
fn layer(context: &mut Context<'_>) -> Answer {
    let (x, r) = (context.ranked(0, 3)?, context.ranked(2, 3)?);
    let batch_first = context.node.int("layout", 0) != 0;
    let hidden = r[2].clone();
    let directions = Dim::known(if context.node.text("direction", "forward") == "bidirectional" { 2 } else { 1 });
    if r[0].differs(&directions) {
        return wrong(format!("its weights are for {} directions, it has {directions}", r[0]));
    }
    let dtype = context.dtype(0)?;
    let (y, state) = if batch_first {
        let (batch, steps) = (x[0].clone(), x[1].clone());
        (vec![batch.clone(), steps, directions.clone(), hidden.clone()], vec![batch, directions, hidden])
    } else {
        let (steps, batch) = (x[0].clone(), x[1].clone());
        (vec![steps, directions.clone(), batch.clone(), hidden.clone()], vec![directions, batch, hidden])
    };
    let fact = |dims: Vec<Dim>| Some(Fact::new(dtype, Some(dims.into_iter().collect::<Dims>())));
    Ok(vec![fact(y), fact(state.clone()), fact(state)])
}

fn rows(flows: &Flows<'_>) -> Axes {
    let batch_first = flows.node.int("layout", 0) != 0;
    let axis = usize::from(!batch_first);
    flows.only(&[0, 4, 5, 6])?;
    if flows.axis(0) != Some(axis) {
        return refuse("has the batch where its steps are");
    }
    if flows.node.input(4).is_some() && flows.axis(4) != Some(0) {
        return refuse("has lengths that are not those of rows");
    }
    for state in [5, 6] {
        let given = flows.node.input(state).is_some();
        if given && flows.flow(state) != Flow::Rows(axis) {
            return refuse("has a first state that is not that of rows");
        }
    }
    Ok(if batch_first { vec![0] } else { vec![2, 1, 1] })
}
