//! Sequences of tensors, as far as their elements are known one by one.

use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Content, Fact, axis, dtype_of, wrong};
use crate::infer::flow::mixes;
use crate::infer::{Answer, Context, Dim, Stop};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "SequenceEmpty" => Operator::new(empty, mixes),
        "SequenceConstruct" => Operator::new(construct, mixes),
        "SequenceInsert" => Operator::new(insert, mixes),
        "SequenceErase" => Operator::new(erase, mixes),
        "SequenceAt" => Operator::new(at, mixes),
        "SequenceLength" => Operator::new(length, mixes),
        "SplitToSequence" => Operator::new(split, mixes),
        "ConcatFromSequence" => Operator::new(concat, mixes),
        _ => return None,
    })
}

type Elements = Vec<Option<Fact>>;

fn one(elements: Elements, dtype: DType) -> Answer {
    if elements.len() > Content::LIMIT {
        return Err(Stop::Unknown);
    }
    Ok(vec![Some(Fact { dtype, dims: None, content: Content::Sequence(elements) })])
}

fn sequence(context: &Context<'_>) -> Result<(Elements, DType), Stop> {
    let fact = context.fact(0)?;
    match &fact.content {
        Content::Sequence(elements) => Ok((elements.clone(), fact.dtype)),
        _ => Err(Stop::Unknown),
    }
}

/// A place counted from the front, of `many`.
fn place(context: &Context<'_>, input: usize, many: usize) -> Result<usize, Stop> {
    let place = context.numbers(input)?.first().copied().ok_or(Stop::Unknown)?;
    let counted = if place < 0 { place.saturating_add(many as i64) } else { place };
    match usize::try_from(counted) {
        Ok(counted) if counted < many => Ok(counted),
        _ => wrong(format!("place {place} is outside a sequence of {many}")),
    }
}

fn empty(context: &mut Context<'_>) -> Answer {
    one(Vec::new(), dtype_of(context.node.int("dtype", 1))?)
}

fn construct(context: &mut Context<'_>) -> Answer {
    let elements: Elements = context.inputs.iter().map(|fact| fact.cloned()).collect();
    one(elements, context.dtype(0)?)
}

fn insert(context: &mut Context<'_>) -> Answer {
    let (mut elements, dtype) = sequence(context)?;
    let at = if context.given(2) { place(context, 2, elements.len() + 1)? } else { elements.len() };
    elements.insert(at, context.optional(1).cloned());
    one(elements, dtype)
}

fn erase(context: &mut Context<'_>) -> Answer {
    let (mut elements, dtype) = sequence(context)?;
    let last = elements.len().checked_sub(1).ok_or(Stop::Unknown)?;
    let at = if context.given(1) { place(context, 1, elements.len())? } else { last };
    elements.remove(at);
    one(elements, dtype)
}

fn at(context: &mut Context<'_>) -> Answer {
    let (elements, _) = sequence(context)?;
    let at = place(context, 1, elements.len())?;
    Ok(vec![elements.into_iter().nth(at).flatten()])
}

fn length(context: &mut Context<'_>) -> Answer {
    let many = sequence(context)?.0.len() as i64;
    Ok(vec![Some(Fact::integers(DType::I64, true, vec![Dim::known(many)]))])
}

fn split(context: &mut Context<'_>) -> Answer {
    let (dims, dtype) = (context.dims(0)?, context.dtype(0)?);
    let at = axis(context.node.int("axis", 0), dims.len())?;
    let total = dims[at].value().ok_or(Stop::Unknown)?;
    let given = context.given(1);
    let sizes = match given {
        false => vec![1; usize::try_from(total.min(Content::LIMIT as i64 + 1)).unwrap_or(0)],
        true if context.dims(1)?.is_empty() => {
            let size = context.numbers(1)?.first().copied().filter(|size| *size > 0).ok_or(Stop::Unknown)?;
            let many = (total.max(0) as u64).div_ceil(size as u64).min(Content::LIMIT as u64 + 1) as i64;
            (0..many).map(|index| size.min(total - index * size)).collect()
        }
        true => context.numbers(1)?,
    };
    let part = |size: &i64| {
        let mut dims = dims.clone();
        dims[at] = Dim::known(*size);
        if !given && context.node.int("keepdims", 1) == 0 {
            dims.remove(at);
        }
        Some(Fact::new(dtype, Some(dims)))
    };
    one(sizes.iter().take(Content::LIMIT + 1).map(part).collect(), dtype)
}

fn concat(context: &mut Context<'_>) -> Answer {
    let (elements, dtype) = sequence(context)?;
    let known = elements.iter().map(|fact| fact.as_ref()?.dims.clone()).collect::<Option<Vec<_>>>();
    let all = known.ok_or(Stop::Unknown)?;
    let new = context.node.int("new_axis", 0) != 0;
    let mut dims = all.first().cloned().ok_or(Stop::Unknown)?;
    let at = axis(context.node.int("axis", 0), dims.len() + usize::from(new))?;
    if new {
        dims.insert(at, Dim::size(all.len() as u64));
        return Ok(vec![Some(Fact::new(dtype, Some(dims)))]);
    }
    for other in &all[1..] {
        let size = other.get(at).and_then(|size| dims[at].plus(size));
        dims[at] = size.ok_or(Stop::Unknown)?;
    }
    Ok(vec![Some(Fact::new(dtype, Some(dims)))])
}
