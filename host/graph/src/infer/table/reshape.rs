//! The same elements under another shape.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Fact, axis, one, wrong};
use crate::infer::dim::{product, shown};
use crate::infer::flow::{Axes, Flow, Flows, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "Reshape" => Operator::folding(reshape, reshape_rows),
        "Flatten" => Operator::folding(flatten, view_rows),
        "Squeeze" => Operator::folding(squeeze, view_rows),
        "Unsqueeze" => Operator::folding(unsqueeze, view_rows),
        "Transpose" => Operator::folding(transpose, transpose_rows),
        "Expand" => Operator::folding(expand, expand_rows),
        "Shape" => Operator::folding(shape, nothing),
        "Size" => Operator::folding(size, nothing),
        "ConstantOfShape" => Operator::folding(constant_of_shape, constant_rows),
        _ => return None,
    })
}

/// Their results are integers, which are followed as such.
fn nothing(_: &Flows<'_>) -> Axes {
    refuse("computes with the batch's size")
}

fn reshape(context: &mut Context<'_>) -> Answer {
    let dtype = context.dtype(0)?;
    let target = match context.integers(1) {
        Ok(target) => target,
        Err(_) => return Ok(vec![Some(Fact::new(dtype, unknown_of_rank(context)))]),
    };
    let from = context.dims(0).ok();
    let keeps_zero = context.node.int("allowzero", 0) != 0;
    let mut dims = Dims::new();
    let mut free = None;
    for (index, dim) in target.iter().enumerate() {
        let copied = from.as_ref().and_then(|from| from.get(index)).cloned();
        dims.push(match dim.value() {
            Some(-1) if free.is_some() => return wrong("the new shape has -1 more than once"),
            Some(-1) => {
                free = Some(index);
                Dim::one()
            }
            Some(0) if !keeps_zero && from.is_some() => match copied {
                Some(copied) => copied,
                None => return wrong("the new shape copies a dimension that the input does not have"),
            },
            Some(0) if !keeps_zero => context.computed(),
            Some(value) if value < 0 => return wrong(format!("the new shape has the dimension {value}")),
            _ => dim.clone(),
        });
    }
    let total = from.as_ref().and_then(|from| product(from));
    let rest = product(&dims);
    match (free, &total, &rest) {
        (Some(index), Some(total), Some(rest)) => {
            let impossible =
                matches!((total.value(), rest.value()), (Some(total), Some(rest)) if rest != 0 && total % rest != 0);
            if impossible {
                return wrong(format!("{} cannot become {}", shown(from.as_deref().unwrap_or(&[])), shown(&target)));
            }
            dims[index] = match total.over(rest) {
                Some(dim) => dim,
                None if total.is(0) => Dim::known(0),
                None => context.computed(),
            };
        }
        (Some(index), ..) => dims[index] = context.computed(),
        (None, Some(total), Some(rest)) if total.differs(rest) => {
            return wrong(format!("{} cannot become {}", shown(from.as_deref().unwrap_or(&[])), shown(&target)));
        }
        _ => {}
    }
    one(dtype, dims)
}

/// Dimensions of their own where only the length of the wanted shape is known.
fn unknown_of_rank(context: &mut Context<'_>) -> Option<Dims> {
    let length = context.dims(1).ok()?.first()?.value()?;
    (0..length.clamp(0, 16)).map(|_| Some(context.computed())).collect()
}

fn reshape_rows(flows: &Flows<'_>) -> Axes {
    if flows.axis(1).is_some() || flows.axis(0).is_none() {
        return refuse("takes its shape from what belongs to rows, or gives rows to what has none");
    }
    view_rows(flows)
}

/// The batch stays where it was among the elements in their order: what lies outside of it must have the same number.
fn view_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.axis(0).ok_or("does not take rows")?;
    let outside = |dims: &[Dim]| product(dims).ok_or("has too many free dimensions to be followed");
    let before = outside(&flows.dims(0)?[..batch])?;
    let output = flows.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
    let output = output.ok_or("has an output whose rank is not known")?;
    for (index, dim) in output.iter().enumerate() {
        if dim.is_batches() && outside(&output[..index])? == before {
            return Ok(vec![index]);
        }
    }
    refuse(format!("turns {} into {}, where rows of the batch do not stay apart", shown(flows.dims(0)?), shown(output)))
}

fn flatten(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let given = context.node.int("axis", 1);
    let at = if given == dims.len() as i64 { dims.len() } else { axis(given, dims.len())? };
    let mut side = |part: &[Dim]| product(part).unwrap_or_else(|| context.from(part));
    let flat = Dims::from_iter([side(&dims[..at]), side(&dims[at..])]);
    one(context.dtype(0)?, flat)
}

fn squeeze(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let gone: Vec<usize> = match context.numbers_or("axes", 1)? {
        Some(axes) => axes.iter().map(|given| axis(*given, dims.len())).collect::<Result<_, _>>()?,
        // Which are 1 is told only by known dimensions.
        None if dims.iter().any(|dim| dim.value().is_none()) => return Err(Stop::Unknown),
        None => (0..dims.len()).filter(|index| dims[*index].is(1)).collect(),
    };
    if let Some(index) = gone.iter().find(|index| dims[**index].differs(&Dim::one())) {
        return wrong(format!("axis {index} of {} is not 1", shown(&dims)));
    }
    let kept = dims.iter().enumerate().filter(|(index, _)| !gone.contains(index)).map(|(_, dim)| dim.clone());
    one(context.dtype(0)?, kept.collect())
}

fn unsqueeze(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let axes = context.numbers_or("axes", 1)?.ok_or(Stop::Unknown)?;
    let rank = dims.len() + axes.len();
    if rank > crate::infer::engine::RANK {
        return Err(Stop::Unknown);
    }
    let new: Vec<usize> = axes.iter().map(|given| axis(*given, rank)).collect::<Result<_, _>>()?;
    let mut old = dims.iter().cloned();
    let all = (0..rank).map(|index| if new.contains(&index) { Dim::one() } else { old.next().unwrap_or(Dim::one()) });
    one(context.dtype(0)?, all.collect())
}

/// The order of axes; reversed where none is given.
pub(super) fn permutation(given: Option<&[i64]>, rank: usize) -> Option<Vec<usize>> {
    let Some(given) = given else { return Some((0..rank).rev().collect()) };
    let order: Vec<usize> = given.iter().map(|axis| usize::try_from(*axis).ok()).collect::<Option<_>>()?;
    let complete = order.len() == rank && (0..rank).all(|axis| order.contains(&axis));
    complete.then_some(order)
}

fn transpose(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    match permutation(context.node.ints("perm"), dims.len()) {
        Some(order) => one(context.dtype(0)?, order.into_iter().map(|axis| dims[axis].clone()).collect()),
        None => wrong(format!("its 'perm' is no order of {} axes", dims.len())),
    }
}

fn transpose_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    let order = permutation(flows.node.ints("perm"), flows.rank(0)?);
    let moved = order.and_then(|order| order.iter().position(|axis| *axis == batch));
    moved.map(|axis| vec![axis]).ok_or_else(|| "has no order of axes".to_owned())
}

fn expand(context: &mut Context<'_>) -> Answer {
    let target = context.integers(1)?;
    let dims = context.dims(0)?;
    let merged = super::elementwise::merge(context, &dims, &target)?;
    one(context.dtype(0)?, merged)
}

fn expand_rows(flows: &Flows<'_>) -> Axes {
    if let Some(axis) = flows.axis(0) {
        let missing = || "has inputs that do not broadcast".to_owned();
        return (flows.output_rank()? + axis).checked_sub(flows.rank(0)?).map(|axis| vec![axis]).ok_or_else(missing);
    }
    constant_rows(flows)
}

/// What is the same for all rows becomes rows where the new shape has the batch's size.
fn constant_rows(flows: &Flows<'_>) -> Axes {
    if (0..flows.flows.len()).any(|index| matches!(flows.flow(index), Flow::Rows(_))) {
        return refuse("takes its shape from what belongs to rows");
    }
    let output = flows.outputs.first().and_then(Option::as_ref).and_then(|fact| fact.dims.as_ref());
    let axis = output.and_then(|dims| dims.iter().position(Dim::is_batches));
    axis.map(|axis| vec![axis]).ok_or_else(|| "has a shape in which the batch cannot be found".to_owned())
}

fn shape(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let rank = dims.len() as i64;
    let bound = |name, default| {
        let at = context.node.int(name, default);
        (if at < 0 { at.saturating_add(rank) } else { at }).clamp(0, rank) as usize
    };
    let (start, end) = (bound("start", 0), bound("end", rank));
    let values = dims.get(start..end).unwrap_or(&[]).to_vec();
    Ok(vec![Some(Fact::integers(DType::I64, false, values))])
}

fn size(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let size = product(&dims).unwrap_or_else(|| context.computed());
    Ok(vec![Some(Fact::integers(DType::I64, true, vec![size]))])
}

fn constant_of_shape(context: &mut Context<'_>) -> Answer {
    use crate::{Attribute, Initialiser};
    let value = context.node.attributes.get("value");
    let dtype = match value {
        Some(Attribute::Tensor(Initialiser::Tensor(tensor))) => tensor.dtype(),
        Some(_) => return Err(Stop::Unknown),
        None => DType::F32,
    };
    let dims: Dims = context.integers(0)?.into_iter().collect();
    if dims.iter().any(|dim| dim.value().is_some_and(|value| value < 0)) {
        return wrong(format!("the shape {} has a negative dimension", shown(&dims)));
    }
    one(dtype, dims)
}
