//! Pooling over space.

use scorehost_core::DType;

use super::Operator;
use super::conv::Window;
use crate::infer::context::{Fact, one, wrong};
use crate::infer::flow::{Axes, Flows, first, mixes, refuse};
use crate::infer::{Answer, Context, Dim, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "MaxPool" | "AveragePool" | "LpPool" => Operator::new(pool, pool_rows),
        "GlobalAveragePool" | "GlobalMaxPool" | "GlobalLpPool" => Operator::new(global, first),
        "MaxUnpool" => Operator::new(unpool, mixes),
        _ => return None,
    })
}

fn pool(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let kernel: Vec<Dim> = context.node.ints("kernel_shape").unwrap_or(&[]).iter().copied().map(Dim::known).collect();
    if dims.len() < 3 || kernel.len() != dims.len() - 2 {
        return wrong(format!("its window has {} dimensions, the input has rank {}", kernel.len(), dims.len()));
    }
    let window = Window::read(context, &kernel)?;
    for index in 0..kernel.len() {
        let size = dims[index + 2].clone();
        dims[index + 2] = window.output(context.symbols, index, &size)?;
    }
    let dtype = context.dtype(0)?;
    let indices = Fact::new(DType::I64, Some(dims.clone()));
    Ok(vec![Some(Fact::new(dtype, Some(dims))), Some(indices)])
}

/// The places of maxima count through the whole batch.
fn pool_rows(flows: &Flows<'_>) -> Axes {
    if flows.node.output(1).is_some() { refuse("numbers places through all rows of the batch") } else { first(flows) }
}

fn global(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    dims.iter_mut().skip(2).for_each(|dim| *dim = Dim::one());
    one(context.dtype(0)?, dims)
}

fn unpool(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    if context.given(2) {
        let shape = context.integers(2)?;
        return one(context.dtype(0)?, shape.into_iter().collect());
    }
    let kernel = context.node.ints("kernel_shape").unwrap_or(&[]).to_vec();
    let list = |name: &str, default: i64, index: usize| {
        context.node.ints(name).and_then(|values| values.get(index)).copied().unwrap_or(default)
    };
    for (index, kernel) in kernel.iter().enumerate().take(dims.len().saturating_sub(2)) {
        let size = dims[index + 2].value().ok_or(Stop::Unknown)?;
        let pads = list("pads", 0, index).saturating_add(list("pads", 0, index + dims.len() - 2));
        let out = (size - 1).saturating_mul(list("strides", 1, index)).saturating_add(*kernel).saturating_sub(pads);
        dims[index + 2] = Dim::known(out.max(0));
    }
    one(context.dtype(0)?, dims)
}
