//! Elements at places that another tensor names.

use scorehost_core::DType;

use super::Operator;
use super::reduce::own_axis;
use crate::infer::context::{Fact, axis, one, wrong};
use crate::infer::flow::{Axes, Flow, Flows, mixes, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Gather" => Operator::folding(gather, gather_rows),
        "GatherElements" => Operator::folding(gather_elements, gather_elements_rows),
        "GatherND" => Operator::folding(gather_nd, mixes),
        "ScatterElements" | "Scatter" => Operator::folding(same, scatter_rows),
        "ScatterND" | "TensorScatter" => Operator::folding(same, mixes),
        "OneHot" => Operator::folding(one_hot, one_hot_rows),
        "NonZero" => Operator::folding(non_zero, mixes),
        "Unique" => Operator::new(unique, mixes),
        _ => return None,
    })
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

fn gather(context: &mut Context<'_>) -> Answer {
    let (data, indices) = (context.dims(0)?, context.dims(1)?);
    let axis = context.axis(0, data.len())?;
    let parts = [&data[..axis], &indices, &data[axis + 1..]];
    one(context.dtype(0)?, parts.concat().into_iter().collect())
}

fn gather_rows(flows: &Flows<'_>) -> Axes {
    let rank = flows.rank(0)?;
    match (flows.flow(0), flows.flow(1)) {
        (Flow::Same, Flow::Rows(batch)) => {
            let own = axis(flows.node.int("axis", 0), rank).map_err(|_| "has an axis outside its input")?;
            Ok(vec![own + batch])
        }
        (Flow::Rows(batch), Flow::Same) => {
            let own = own_axis(flows, 0, batch)?;
            Ok(vec![if batch < own { batch } else { batch + flows.rank(1)? - 1 }])
        }
        _ => refuse("takes rows at places that rows name, which may be those of others"),
    }
}

fn gather_elements(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(1)?)
}

fn gather_elements_rows(flows: &Flows<'_>) -> Axes {
    match (flows.flow(0), flows.flow(1)) {
        (Flow::Rows(batch), Flow::Rows(other)) if batch == other => own_axis(flows, 0, batch).map(|_| vec![batch]),
        _ => refuse("takes rows at places that may be those of others"),
    }
}

fn gather_nd(context: &mut Context<'_>) -> Answer {
    let (data, indices) = (context.dims(0)?, context.dims(1)?);
    let shared = usize::try_from(context.node.int("batch_dims", 0)).map_err(|_| Stop::Unknown)?;
    let Some((last, places)) = indices.split_last() else { return wrong("its indices are a scalar") };
    let depth = last.value().and_then(|depth| usize::try_from(depth).ok()).ok_or(Stop::Unknown)?;
    let Some(rest) = shared.checked_add(depth).and_then(|from| data.get(from..)) else {
        return wrong("its indices name more axes than the data has");
    };
    one(context.dtype(0)?, places.iter().chain(rest).cloned().collect())
}

fn scatter_rows(flows: &Flows<'_>) -> Axes {
    match (flows.flow(0), flows.flow(1), flows.flow(2)) {
        (Flow::Rows(batch), Flow::Rows(places), Flow::Rows(updates)) if batch == places && batch == updates => {
            own_axis(flows, 0, batch).map(|_| vec![batch])
        }
        _ => refuse("writes rows at places that may be those of others"),
    }
}

fn one_hot(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let axis = axis(context.node.int("axis", -1), dims.len() + 1)?;
    let depth = match context.integers(1).ok().and_then(|depth| depth.first().cloned()) {
        Some(depth) if depth.value().is_none_or(|value| value >= 0) => depth,
        _ => context.computed(),
    };
    dims.insert(axis, depth);
    one(context.dtype(2)?, dims)
}

fn one_hot_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let rank = flows.rank(0)?;
    let own = axis(flows.node.int("axis", -1), rank + 1).map_err(|_| "has an axis outside its input")?;
    Ok(vec![if batch < own { batch } else { batch + 1 }])
}

fn non_zero(context: &mut Context<'_>) -> Answer {
    let rank = context.dims(0)?.len() as u64;
    let found = context.computed();
    one(DType::I64, Dims::from_iter([Dim::size(rank), found]))
}

fn unique(context: &mut Context<'_>) -> Answer {
    let dtype = context.dtype(0)?;
    let dims = context.dims(0)?;
    let (found, whole) = (context.computed(), Dims::from_iter([context.computed()]));
    let values = match context.node.attributes.contains_key("axis") {
        true => {
            let at = context.axis(0, dims.len())?;
            let mut dims = dims;
            dims[at] = found.clone();
            dims
        }
        false => Dims::from_iter([found.clone()]),
    };
    let index = |dims: Dims| Some(Fact::new(DType::I64, Some(dims)));
    let first = Dims::from_iter([found]);
    Ok(vec![Some(Fact::new(dtype, Some(values))), index(first.clone()), index(whole), index(first)])
}
