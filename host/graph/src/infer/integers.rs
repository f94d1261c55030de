//! Arithmetic with the integers that shapes are made of.

use scorehost_core::DType;

use super::context::{Content, Context, Fact, Stop, values};
use super::dim::{Dim, product};
use super::table::taken;
use crate::{Attribute, Initialiser};

/// The output of a node that computes integers of integers; `None` where it is another kind of node, or they are not known.
pub(super) fn evaluate(context: &mut Context<'_>) -> Option<Fact> {
    if !context.node.domain.is_empty() {
        return None;
    }
    match &*context.node.operator {
        "Identity" => {
            let fact = context.optional(0)?;
            fact.as_integers()?;
            Some(fact.clone())
        }
        "Cast" => cast(context),
        "Reshape" | "Squeeze" | "Unsqueeze" | "Flatten" => viewed(context),
        "Gather" => gathered(context),
        "Concat" => joined(context),
        "Slice" => sliced(context),
        "ConstantOfShape" => filled(context),
        "ReduceProd" => multiplied(context),
        "Where" => chosen(context),
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "Max" | "Min" | "Equal" => calculated(context),
        _ => None,
    }
}

fn is_scalar(fact: &Fact) -> Option<bool> {
    match fact.dims.as_ref()?.len() {
        0 => Some(true),
        1 => Some(false),
        _ => None,
    }
}

/// Integers of a dtype that can hold sizes.
fn integers(context: &Context<'_>, index: usize) -> Option<(Vec<Dim>, bool)> {
    let fact = context.optional(index)?;
    if !matches!(fact.dtype, DType::I64 | DType::I32 | DType::Bool) {
        return None;
    }
    Some((fact.as_integers()?, is_scalar(fact)?))
}

fn cast(context: &Context<'_>) -> Option<Fact> {
    let dtype = super::context::dtype_of(context.node.int("to", 0)).ok()?;
    let (values, scalar) = integers(context, 0)?;
    let fits = |value: &Dim| match dtype {
        DType::I64 => true,
        DType::I32 => value.value().is_none_or(|value| i32::try_from(value).is_ok()),
        _ => false,
    };
    values.iter().all(fits).then(|| Fact::integers(dtype, scalar, values))
}

/// The same integers as a scalar or a vector.
fn viewed(context: &mut Context<'_>) -> Option<Fact> {
    let (values, _) = integers(context, 0)?;
    let dtype = context.dtype(0).ok()?;
    let infer = super::table::find(context.node)?.infer;
    let output = infer(context).ok()?.into_iter().next()??;
    let scalar = is_scalar(&output)?;
    let count = product(output.dims.as_ref()?)?.value()?;
    (count == values.len() as i64).then(|| Fact::integers(dtype, scalar, values))
}

fn gathered(context: &Context<'_>) -> Option<Fact> {
    let (values, scalar) = integers(context, 0)?;
    let places = context.optional(1)?;
    let one = is_scalar(places)?;
    if scalar || places.dtype == DType::Bool {
        return None;
    }
    let count = values.len() as i64;
    let found = context.numbers(1).ok()?.into_iter().map(|place| {
        let place = if place < 0 { place + count } else { place };
        values.get(usize::try_from(place).ok()?).cloned()
    });
    let found: Vec<Dim> = found.take(Content::LIMIT + 1).collect::<Option<_>>()?;
    (found.len() <= Content::LIMIT)
        .then(|| Fact::integers(context.optional(0).map_or(DType::I64, |fact| fact.dtype), one, found))
}

fn joined(context: &Context<'_>) -> Option<Fact> {
    let mut all = Vec::new();
    for index in 0..context.inputs.len() {
        let (values, scalar) = integers(context, index)?;
        all.extend(values);
        if scalar || all.len() > Content::LIMIT {
            return None;
        }
    }
    Some(Fact::integers(context.dtype(0).ok()?, false, all))
}

fn sliced(context: &Context<'_>) -> Option<Fact> {
    let (values, scalar) = integers(context, 0)?;
    let single = |name: &str, index: usize, default: Option<i64>| match context.numbers_or(name, index) {
        Ok(Some(values)) if values.len() == 1 => values.first().copied(),
        Ok(None) => default,
        _ => None,
    };
    let (start, end) = (single("starts", 1, None)?, single("ends", 2, None)?);
    let (axis, step) = (single("axes", 3, Some(0))?, single("steps", 4, Some(1))?);
    if scalar || !matches!(axis, 0 | -1) || step == 0 {
        return None;
    }
    let size = values.len() as i64;
    let count = taken(size, start, end, step);
    let first = if start < 0 { start.saturating_add(size) } else { start };
    let first = if step > 0 { first.clamp(0, size) } else { first.clamp(-1, size - 1) };
    let at = |index: i64| values.get(usize::try_from(first + index * step).ok()?).cloned();
    let taken: Vec<Dim> = (0..count).map(at).collect::<Option<_>>()?;
    Some(Fact::integers(context.dtype(0).ok()?, false, taken))
}

fn filled(context: &Context<'_>) -> Option<Fact> {
    let (shape, _) = integers(context, 0)?;
    let value = match context.node.attributes.get("value")? {
        Attribute::Tensor(Initialiser::Tensor(tensor)) => tensor,
        _ => return None,
    };
    let count = match &*shape {
        [] => 1,
        [count] => usize::try_from(count.value()?).ok()?,
        _ => return None,
    };
    if count > Content::LIMIT || !matches!(value.dtype(), DType::I64 | DType::I32) {
        return None;
    }
    let value = Dim::known(*values(value)?.first()?);
    Some(Fact::integers(value_dtype(context), shape.is_empty(), vec![value; count]))
}

fn value_dtype(context: &Context<'_>) -> DType {
    match context.node.attributes.get("value") {
        Some(Attribute::Tensor(Initialiser::Tensor(tensor))) => tensor.dtype(),
        _ => DType::I64,
    }
}

fn multiplied(context: &Context<'_>) -> Option<Fact> {
    let (values, scalar) = integers(context, 0)?;
    let axes = context.numbers_or("axes", 1).ok()?;
    let all = axes.is_none_or(|axes| axes.is_empty() || axes.iter().all(|axis| matches!(axis, 0 | -1)));
    if scalar || !all || context.node.int("noop_with_empty_axes", 0) != 0 {
        return None;
    }
    let keeps = context.node.int("keepdims", 1) != 0;
    Some(Fact::integers(context.dtype(0).ok()?, !keeps, vec![product(&values)?]))
}

/// Integers side by side; single ones serve all.
fn broadcast<const N: usize>(parts: [&(Vec<Dim>, bool); N]) -> Option<(Vec<[Dim; N]>, bool)> {
    let count = parts.iter().map(|(values, _)| values.len()).find(|count| *count != 1).unwrap_or(1);
    let fits = parts.iter().all(|(values, _)| values.len() == count || values.len() == 1);
    let at = |index: usize| parts.map(|(values, _)| values[if values.len() == 1 { 0 } else { index }].clone());
    let scalar = parts.iter().all(|(_, scalar)| *scalar);
    (fits && count <= Content::LIMIT).then(|| ((0..count).map(at).collect(), scalar))
}

fn chosen(context: &Context<'_>) -> Option<Fact> {
    let parts = [integers(context, 0)?, integers(context, 1)?, integers(context, 2)?];
    let (rows, scalar) = broadcast([&parts[0], &parts[1], &parts[2]])?;
    let choose = |[condition, yes, no]: [Dim; 3]| Some(if condition.value()? != 0 { yes } else { no });
    let values: Vec<Dim> = rows.into_iter().map(choose).collect::<Option<_>>()?;
    Some(Fact::integers(context.dtype(1).ok()?, scalar, values))
}

fn calculated(context: &mut Context<'_>) -> Option<Fact> {
    if context.inputs.len() != 2 {
        return None;
    }
    let (a, b) = (integers(context, 0)?, integers(context, 1)?);
    let (rows, scalar) = broadcast([&a, &b])?;
    let operator = &*context.node.operator;
    let dtype = if operator == "Equal" { DType::Bool } else { context.dtype(0).ok()? };
    if dtype == DType::Bool && operator != "Equal" {
        return None;
    }
    let mut results = Vec::with_capacity(rows.len());
    for [a, b] in rows {
        let result = match calculate(operator, &a, &b) {
            Ok(value) => value?,
            // Some number that nobody follows.
            Err(Stop::Unknown) => context.symbols.from([&a, &b]),
            Err(Stop::Wrong(_)) => return None,
        };
        results.push(result);
    }
    Some(Fact::integers(dtype, scalar, results))
}

/// `Ok(None)` gives the node up; `Unknown` stands for a number of its own.
fn calculate(operator: &str, a: &Dim, b: &Dim) -> Result<Option<Dim>, Stop> {
    let known = a.value().zip(b.value());
    let unknown = || Stop::Unknown;
    Ok(Some(match (operator, known) {
        ("Add", _) => a.plus(b).ok_or_else(unknown)?,
        ("Sub", _) => b.negated().and_then(|b| a.plus(&b)).ok_or_else(unknown)?,
        ("Mul", _) => a.times(b).ok_or_else(unknown)?,
        ("Div", Some((a, b))) => Dim::known(a.checked_div(b).ok_or_else(unknown)?),
        ("Div", None) => a.over(b).ok_or_else(unknown)?,
        ("Mod", Some((a, b))) if a >= 0 && b > 0 => Dim::known(a % b),
        ("Max", Some((a, b))) => Dim::known(a.max(b)),
        ("Min", Some((a, b))) => Dim::known(a.min(b)),
        ("Max" | "Min", None) if a == b => a.clone(),
        ("Equal", _) => return Ok(equal(a, b).map(|equal| Dim::known(i64::from(equal)))),
        _ => return Err(Stop::Unknown),
    }))
}

/// Whether two are certainly equal or certainly not: sizes that are not known are not negative.
fn equal(a: &Dim, b: &Dim) -> Option<bool> {
    match (a.value(), b.value()) {
        _ if a == b => Some(true),
        (Some(_), Some(_)) => Some(false),
        (Some(value), None) if value < 0 && b.is_size() => Some(false),
        (None, Some(value)) if value < 0 && a.is_size() => Some(false),
        _ => None,
    }
}
