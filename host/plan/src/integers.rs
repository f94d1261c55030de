//! Arithmetic on shapes: what exporters compute with the sizes of inputs, evaluated while planning.
//!
//! Small integer tensors only. Whatever else depends on constants alone is evaluated by the [`Fold`] that the executor was given.

use scorehost_core::{DType, Tensor};
use scorehost_graph::{Attribute, Fold, Initialiser, Node};

use super::lower::attributes::{axis, int, integers, ints};

/// Elements of a tensor that is still a shape.
const LARGEST: u64 = 1024;

/// Evaluates integer nodes by itself, and asks another evaluator for the rest.
pub(super) struct Integers<'a>(pub(super) &'a dyn Fold);

impl Fold for Integers<'_> {
    fn fold(&self, node: &Node, inputs: &[Option<Tensor>]) -> Option<Vec<Tensor>> {
        constant(node)
            .or_else(|| evaluated(node, inputs))
            .map(|tensor| vec![tensor])
            .or_else(|| self.0.fold(node, inputs))
    }
}

fn tensor(dtype: DType, shape: &[u64], values: &[i64]) -> Option<Tensor> {
    let data: Vec<u8> = match dtype {
        DType::I64 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        DType::I32 => values.iter().flat_map(|value| (*value as i32).to_le_bytes()).collect(),
        DType::F32 => values.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect(),
        DType::Bool => values.iter().map(|value| u8::from(*value != 0)).collect(),
        _ => return None,
    };
    Tensor::new(dtype, shape, data.into()).ok()
}

fn constant(node: &Node) -> Option<Tensor> {
    if &*node.operator != "Constant" || !node.domain.is_empty() {
        return None;
    }
    let attribute = |name: &str| node.attributes.get(name);
    if let Some(Attribute::Tensor(Initialiser::Tensor(tensor))) = attribute("value") {
        return Some(tensor.clone());
    }
    if let Some(Attribute::Int(value)) = attribute("value_int") {
        return tensor(DType::I64, &[], &[*value]);
    }
    if let Some(Attribute::Ints(values)) = attribute("value_ints") {
        return tensor(DType::I64, &[values.len() as u64], values);
    }
    if let Some(Attribute::Float(value)) = attribute("value_float") {
        return Tensor::from_f32([0u64; 0].as_slice(), &[*value]).ok();
    }
    let Some(Attribute::Floats(values)) = attribute("value_floats") else { return None };
    Tensor::from_f32([values.len() as u64].as_slice(), values).ok()
}

fn evaluated(node: &Node, inputs: &[Option<Tensor>]) -> Option<Tensor> {
    let whole = |tensor: &Tensor| matches!(tensor.dtype(), DType::I64 | DType::I32) && tensor.elements() <= LARGEST;
    if !node.domain.is_empty() || inputs.is_empty() || !inputs.iter().flatten().all(whole) {
        return None;
    }
    let input = |index: usize| inputs.get(index)?.as_ref();
    let values = |index: usize| input(index).and_then(|tensor| integers(tensor).ok());
    let x = input(0)?;
    match &*node.operator {
        "Identity" => Some(x.clone()),
        "Add" | "Sub" | "Mul" | "Div" => binary(&node.operator, x, input(1)?),
        "Concat" => concat(inputs),
        "Gather" => gather(node, x, input(1)?),
        "Slice" => slice(x, &values(1)?, &values(2)?, values(3).as_deref(), values(4).as_deref()),
        "Cast" => cast(node, x),
        "Reshape" | "Squeeze" | "Unsqueeze" => reshaped(node, x, values(1)),
        "Neg" => tensor(x.dtype(), x.shape(), &values(0)?.iter().map(|value| -value).collect::<Vec<_>>()),
        "ConstantOfShape" => filled(node, &values(0)?),
        "Range" => range(x.dtype(), values(0)?.first()?, values(1)?.first()?, values(2)?.first()?),
        "ReduceProd" if x.shape().len() == 1 => product(node, x.dtype(), &values(0)?),
        _ => None,
    }
}

fn binary(operator: &str, a: &Tensor, b: &Tensor) -> Option<Tensor> {
    let (left, right) = (integers(a).ok()?, integers(b).ok()?);
    let shape = if a.elements() == 1 && a.shape().len() <= b.shape().len() { b.shape() } else { a.shape() };
    let count = left.len().max(right.len());
    if (left.len() != count && left.len() != 1) || (right.len() != count && right.len() != 1) {
        return None;
    }
    if left.len() == right.len() && a.shape() != b.shape() && count != 1 {
        return None;
    }
    let apply = |at: usize| {
        let (x, y) = (left[if left.len() == 1 { 0 } else { at }], right[if right.len() == 1 { 0 } else { at }]);
        match operator {
            "Add" => x.checked_add(y),
            "Sub" => x.checked_sub(y),
            "Mul" => x.checked_mul(y),
            _ => x.checked_div(y),
        }
    };
    tensor(a.dtype(), shape, &(0..count).map(apply).collect::<Option<Vec<_>>>()?)
}

fn concat(inputs: &[Option<Tensor>]) -> Option<Tensor> {
    let mut all = Vec::new();
    let first = inputs.first()?.as_ref()?;
    for input in inputs {
        let input = input.as_ref()?;
        if input.shape().len() != 1 {
            return None;
        }
        all.extend(integers(input).ok()?);
    }
    tensor(first.dtype(), &[all.len() as u64], &all)
}

fn gather(node: &Node, x: &Tensor, at: &Tensor) -> Option<Tensor> {
    if x.shape().len() != 1 || int(node, "axis", 0) != 0 {
        return None;
    }
    let values = integers(x).ok()?;
    let pick = |index: i64| values.get(axis(index, values.len()).ok()?).copied();
    let picked = integers(at).ok()?.into_iter().map(pick).collect::<Option<Vec<_>>>()?;
    tensor(x.dtype(), at.shape(), &picked)
}

fn slice(x: &Tensor, start: &[i64], end: &[i64], axes: Option<&[i64]>, steps: Option<&[i64]>) -> Option<Tensor> {
    if x.shape().len() != 1
        || start.len() != 1
        || end.len() != 1
        || axes.is_some_and(|axes| axes != [0] && axes != [-1])
    {
        return None;
    }
    if steps.is_some_and(|steps| steps != [1]) {
        return None;
    }
    let values = integers(x).ok()?;
    let size = values.len() as i64;
    let bound = |at: i64| (if at < 0 { at.saturating_add(size) } else { at }).clamp(0, size) as usize;
    let part = values.get(bound(start[0])..bound(end[0]).max(bound(start[0])))?;
    tensor(x.dtype(), &[part.len() as u64], part)
}

fn cast(node: &Node, x: &Tensor) -> Option<Tensor> {
    let to = match int(node, "to", 0) {
        1 => DType::F32,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        _ => return None,
    };
    tensor(to, x.shape(), &integers(x).ok()?)
}

fn reshaped(node: &Node, x: &Tensor, given: Option<Vec<i64>>) -> Option<Tensor> {
    let shape: Vec<u64> = match &*node.operator {
        "Reshape" => given?.into_iter().map(|size| if size < 0 { x.elements() } else { size as u64 }).collect(),
        "Squeeze" => x.shape().iter().copied().filter(|size| *size != 1).collect(),
        _ => {
            let axes = given.or_else(|| ints(node, "axes"))?;
            if !x.shape().iter().all(|size| *size == 1) && x.shape().len() != 1 {
                return None;
            }
            let rank = x.shape().len() + axes.len();
            let new = axes.into_iter().map(|d| axis(d, rank)).collect::<Result<Vec<_>, _>>().ok()?;
            let mut old = x.shape().iter().copied();
            (0..rank).map(|d| if new.contains(&d) { 1 } else { old.next().unwrap_or(1) }).collect()
        }
    };
    x.reshape(&*shape).ok()
}

fn filled(node: &Node, shape: &[i64]) -> Option<Tensor> {
    let shape: Vec<u64> = shape.iter().map(|size| u64::try_from(*size).ok()).collect::<Option<_>>()?;
    let count =
        shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size)).filter(|count| *count <= LARGEST)?;
    let (dtype, value) = match node.attributes.get("value") {
        Some(Attribute::Tensor(Initialiser::Tensor(tensor))) => (tensor.dtype(), tensor.data().clone()),
        _ => (DType::F32, bytes::Bytes::from_static(&[0; 4])),
    };
    Tensor::new(dtype, &*shape, value.repeat(count as usize).into()).ok()
}

fn range(dtype: DType, start: &i64, limit: &i64, step: &i64) -> Option<Tensor> {
    let count = if *step == 0 { return None } else { limit.checked_sub(*start)?.checked_div(*step)? };
    let count = u64::try_from(count).unwrap_or(0)
        + u64::from((limit - start) % step != 0 && (limit - start).signum() == step.signum());
    let values: Vec<i64> = (0..count.min(LARGEST + 1) as i64).map(|i| start + i * step).collect();
    (count <= LARGEST).then(|| tensor(dtype, &[count], &values))?
}

fn product(node: &Node, dtype: DType, values: &[i64]) -> Option<Tensor> {
    let product = values.iter().try_fold(1i64, |product, value| product.checked_mul(*value))?;
    let shape: &[u64] = if int(node, "keepdims", 1) != 0 { &[1] } else { &[] };
    tensor(dtype, shape, &[product])
}
