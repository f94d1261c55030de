//! Operators that compute each element from the elements at the same place. They stay pending, so that a chain of them is one kernel.

use std::rc::Rc;

use scorehost_core::DType;
use scorehost_graph::Node;

use super::Lower;
use super::attributes::{float, int, text};
use crate::expression::{Expression, Tree};
use crate::planner::{Planner, Value};
use crate::{Dialect, kernels};

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "Add" | "Sub" | "Mul" | "Div" | "Mod" | "And" | "Or" | "Xor" | "Equal" | "Greater" | "Less"
        | "GreaterOrEqual" | "LessOrEqual" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" | "BitShift" | "PRelu" => binary,
        "Pow" => power,
        "Min" | "Max" | "Sum" | "Mean" => variadic,
        "Where" => choose,
        "Clip" => clip,
        "Cast" | "CastLike" => cast,
        "BatchNormalization" => batch_normalisation,
        "Identity" | "Dropout" => identity,
        name if unary_text(name).is_some() => unary,
        _ => return None,
    })
}

/// Text of operators without attributes; `W` stands for the type of the arithmetic, `@` ends the name of a function of ours.
fn unary_text(name: &str) -> Option<&'static str> {
    Some(match name {
        "Abs" => "($0 < (W)0 ? (W)0 - $0 : $0)",
        "Neg" => "((W)0 - $0)",
        "Sign" => "sign@($0)",
        "Floor" => "floor($0)",
        "Ceil" => "ceil($0)",
        "Round" => "rint($0)",
        "Sqrt" => "sqrt($0)",
        "Reciprocal" => "((W)1 / $0)",
        "Exp" => "exp($0)",
        "Log" => "log($0)",
        "Sin" => "sin($0)",
        "Cos" => "cos($0)",
        "Tan" => "tan($0)",
        "Asin" => "asin($0)",
        "Acos" => "acos($0)",
        "Atan" => "atan($0)",
        "Sinh" => "sinh($0)",
        "Cosh" => "cosh($0)",
        "Tanh" => "tanh($0)",
        "Asinh" => "asinh($0)",
        "Acosh" => "acosh($0)",
        "Atanh" => "atanh($0)",
        "Erf" => "erf($0)",
        "Relu" => "($0 < (W)0 ? (W)0 : $0)",
        "Sigmoid" => "sigmoid@($0)",
        "Softplus" => "softplus@($0)",
        "Softsign" => "($0 / ((W)1 + ($0 < (W)0 ? (W)0 - $0 : $0)))",
        "HardSwish" => "($0 * bounded@($0 * (W)(1.0 / 6.0) + (W)0.5, (W)0, (W)1))",
        "Mish" => "($0 * tanh(softplus@($0)))",
        "Not" => "(!$0)",
        "BitwiseNot" => "(~$0)",
        "IsNaN" => "($0 != $0)",
        // With attributes, which are put into the text.
        "Elu" | "Selu" | "Celu" | "LeakyRelu" | "HardSigmoid" | "ThresholdedRelu" | "Gelu" | "Swish" | "Shrink"
        | "IsInf" => "",
        _ => return None,
    })
}

fn with_attributes(node: &Node) -> Option<String> {
    let alpha = |default| literal(float(node, "alpha", default));
    Some(match &*node.operator {
        "Elu" => format!("($0 < (W)0 ? (W){} * expm1($0) : $0)", alpha(1.0)),
        "Selu" => format!(
            "((W){} * ($0 > (W)0 ? $0 : (W){} * expm1($0)))",
            literal(float(node, "gamma", 1.050_701)),
            alpha(1.673_263_2)
        ),
        "Celu" => format!("(most@($0, (W)0) + least@((W)0, (W){0} * expm1($0 / (W){0})))", alpha(1.0)),
        "LeakyRelu" => format!("($0 < (W)0 ? (W){} * $0 : $0)", alpha(0.01)),
        "HardSigmoid" => {
            format!("bounded@((W){} * $0 + (W){}, (W)0, (W)1)", alpha(0.2), literal(float(node, "beta", 0.5)))
        }
        "ThresholdedRelu" => format!("($0 > (W){} ? $0 : (W)0)", alpha(1.0)),
        "Gelu" if text(node, "approximate", "none") == "tanh" => "gelu_tanh@($0)".to_owned(),
        "Gelu" => "gelu@($0)".to_owned(),
        "Swish" => format!("($0 * sigmoid@((W){} * $0))", alpha(1.0)),
        "Shrink" => {
            let (bias, lambda) = (literal(float(node, "bias", 0.0)), literal(float(node, "lambd", 0.5)));
            format!("($0 < (W)-{lambda} ? $0 + (W){bias} : ($0 > (W){lambda} ? $0 - (W){bias} : (W)0))")
        }
        "IsInf" => {
            let (positive, negative) = (int(node, "detect_positive", 1), int(node, "detect_negative", 1));
            format!("(isinf($0) && (($0 > (W)0 && {positive}) || ($0 < (W)0 && {negative})))")
        }
        _ => return None,
    })
}

/// A number as C text that reads back as itself.
pub(super) fn literal(value: f32) -> String {
    format!("__int_as_float(0x{:08x})", value.to_bits())
}

/// The text of a call under the type of its arithmetic, settled to the dtype where that is narrower than the arithmetic.
fn typed(text: &str, arithmetic: DType, result: DType, dialect: Dialect) -> String {
    let text =
        text.replace("(W)", &format!("({})", kernels::wide(arithmetic))).replace('@', &dialect.suffix(arithmetic));
    match result {
        DType::I8 | DType::I16 | DType::U8 | DType::U16 => settled(&text, result, dialect),
        _ => text,
    }
}

/// A value as it is after being stored as `dtype`.
fn settled(text: &str, dtype: DType, dialect: Dialect) -> String {
    let name = kernels::name(dtype).unwrap_or("f32");
    match dialect {
        Dialect::Cuda { .. } => format!("settle<{name}>({text})"),
        Dialect::OpenCl(_) => format!("settle({name}, {text})"),
    }
}

/// A pending call of operands that are broadcast to one shape.
fn pend(
    planner: &mut Planner<'_>,
    node: &Node,
    ids: &[scorehost_graph::ValueId],
    text: &str,
    result: DType,
) -> Result<(), String> {
    let mut shape = Vec::new();
    for id in ids {
        shape = broadcast(&shape, &planner.kind(*id)?.0)?;
    }
    let arithmetic = planner.kind(*ids.last().ok_or("has no inputs")?)?.1;
    let arguments = ids.iter().map(|id| planner.operand(*id, &shape)).collect::<Result<Vec<_>, _>>()?;
    if [arithmetic, result].contains(&DType::Bytes) {
        return Err("strings cannot be computed with on this device".to_owned());
    }
    let tree =
        Rc::new(Tree::Call { text: typed(text, arithmetic, result, planner.target.dialect), dtype: result, arguments });
    planner.set(node, 0, Value::Pending(Expression { dtype: result, shape, tree }));
    Ok(())
}

pub(super) fn broadcast(a: &[u64], b: &[u64]) -> Result<Vec<u64>, String> {
    let rank = a.len().max(b.len());
    let at = |shape: &[u64], d: usize| (d + shape.len()).checked_sub(rank).map_or(1, |d| shape[d]);
    let join = |d| match (at(a, d), at(b, d)) {
        (x, y) if x == y || y == 1 => Ok(x),
        (1, y) => Ok(y),
        _ => Err(format!("shapes {a:?} and {b:?} do not broadcast")),
    };
    (0..rank).map(join).collect()
}

fn unary(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let dtype = planner.kind(id)?.1;
    let result = if matches!(&*node.operator, "IsNaN" | "IsInf" | "Not") { DType::Bool } else { dtype };
    let text = with_attributes(node).or_else(|| unary_text(&node.operator).map(str::to_owned)).unwrap_or_default();
    pend(planner, node, &[id], &text, result)
}

fn binary(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?];
    let dtype = planner.kind(ids[0])?.1;
    let whole = !matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64);
    let logical = [DType::Bool];
    let (text, result) = match &*node.operator {
        "Add" => ("($0 + $1)", dtype),
        "Sub" => ("($0 - $1)", dtype),
        "Mul" => ("($0 * $1)", dtype),
        "Div" if whole && !logical.contains(&dtype) && is_unsigned(dtype) => ("($1 == (W)0 ? (W)0 : $0 / $1)", dtype),
        "Div" if whole => ("quotient@($0, $1)", dtype),
        "Div" => ("($0 / $1)", dtype),
        "Mod" if !whole => ("fmod($0, $1)", dtype),
        "Mod" if int(node, "fmod", 0) != 0 => ("($1 == (W)0 ? (W)0 : $0 % $1)", dtype),
        "Mod" => ("floor_mod@($0, $1)", dtype),
        "And" => ("($0 && $1)", DType::Bool),
        "Or" => ("($0 || $1)", DType::Bool),
        "Xor" => ("($0 != $1)", DType::Bool),
        "Equal" => ("($0 == $1)", DType::Bool),
        "Greater" => ("($0 > $1)", DType::Bool),
        "Less" => ("($0 < $1)", DType::Bool),
        "GreaterOrEqual" => ("($0 >= $1)", DType::Bool),
        "LessOrEqual" => ("($0 <= $1)", DType::Bool),
        "BitwiseAnd" => ("($0 & $1)", dtype),
        "BitwiseOr" => ("($0 | $1)", dtype),
        "BitwiseXor" => ("($0 ^ $1)", dtype),
        "BitShift" if text(node, "direction", "") == "LEFT" => ("($0 << $1)", dtype),
        "BitShift" => ("($0 >> $1)", dtype),
        _ => ("($0 < (W)0 ? $1 * $0 : $0)", dtype),
    };
    pend(planner, node, &ids, text, result)
}

const fn is_unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::U8 | DType::U16 | DType::U32 | DType::U64)
}

fn power(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?];
    let ((_, dtype), (_, exponent)) = (planner.kind(ids[0])?, planner.kind(ids[1])?);
    let whole = |dtype| !matches!(dtype, DType::F16 | DType::BF16 | DType::F32 | DType::F64);
    let arithmetic = kernels::wide(dtype);
    let constant = planner.host(ids[1]).ok().filter(|tensor| tensor.elements() == 1);
    let constant =
        constant.and_then(|tensor| super::attributes::numbers(tensor).ok()).and_then(|all| all.first().copied());
    let text = match constant {
        Some(2.0) => "($0 * $0)".to_owned(),
        Some(0.5) if !whole(dtype) => "sqrt($0)".to_owned(),
        _ if whole(dtype) && whole(exponent) => {
            format!("int_power{}(({arithmetic})$0, (i64)$1)", planner.target.dialect.suffix(dtype))
        }
        _ if whole(dtype) => format!("({arithmetic})pow((double)$0, (double)$1)"),
        _ => format!("pow($0, ({arithmetic})$1)"),
    };
    pend(planner, node, &ids, &text, dtype)
}

fn variadic(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids: Vec<_> = (0..node.inputs.len()).map(|index| planner.input(node, index)).collect::<Result<_, _>>()?;
    let dtype = planner.kind(*ids.first().ok_or("has no inputs")?)?.1;
    let mut text = "$0".to_owned();
    for index in 1..ids.len() {
        text = match &*node.operator {
            "Min" => format!("least@({text}, ${index})"),
            "Max" => format!("most@({text}, ${index})"),
            _ => format!("({text} + ${index})"),
        };
    }
    if &*node.operator == "Mean" {
        text = format!("({text} / (W){})", ids.len());
    }
    if ids.len() > 8 {
        return Err(format!("{} inputs are more than one kernel reads", ids.len()));
    }
    pend(planner, node, &ids, &text, dtype)
}

fn choose(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let ids = [planner.input(node, 0)?, planner.input(node, 1)?, planner.input(node, 2)?];
    let dtype = planner.kind(ids[1])?.1;
    pend(planner, node, &ids, "($0 ? $1 : $2)", dtype)
}

fn clip(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let dtype = planner.kind(x)?.1;
    let mut ids = vec![];
    let mut text = "$X".to_owned();
    let bound = |index: usize| node.inputs.get(index).copied().flatten();
    if let Some(low) = bound(1) {
        text = format!("most@({text}, ${})", ids.len());
        ids.push(low);
    } else if node.attributes.contains_key("min") {
        text = format!("most@({text}, (W){})", literal(float(node, "min", f32::MIN)));
    }
    if let Some(high) = bound(2) {
        text = format!("least@({text}, ${})", ids.len());
        ids.push(high);
    } else if node.attributes.contains_key("max") {
        text = format!("least@({text}, (W){})", literal(float(node, "max", f32::MAX)));
    }
    let text = text.replace("$X", &format!("${}", ids.len()));
    ids.push(x);
    pend(planner, node, &ids, &text, dtype)
}

/// The dtype of an ONNX element type number.
pub(super) fn dtype_of(code: i64) -> Option<DType> {
    Some(match code {
        1 => DType::F32,
        2 => DType::U8,
        3 => DType::I8,
        4 => DType::U16,
        5 => DType::I16,
        6 => DType::I32,
        7 => DType::I64,
        9 => DType::Bool,
        10 => DType::F16,
        11 => DType::F64,
        12 => DType::U32,
        13 => DType::U64,
        16 => DType::BF16,
        _ => return None,
    })
}

fn cast(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let to = if &*node.operator == "CastLike" {
        planner.kind(planner.input(node, 1)?)?.1
    } else {
        let code = int(node, "to", 0);
        dtype_of(code).ok_or_else(|| format!("element type {code} does not exist on this device"))?
    };
    let from = planner.kind(id)?.1;
    let wide = kernels::wide(to);
    let text = match to {
        DType::Bool => format!("($0 != ({})0)", kernels::wide(from)),
        DType::I8 | DType::I16 | DType::U8 | DType::U16 => format!("({wide})$0"),
        DType::F16 | DType::BF16 if from != to => settled("$0", to, planner.target.dialect),
        _ => format!("({wide})$0"),
    };
    pend(planner, node, &[id], &text, to)
}

fn identity(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let value = match planner.value(id)?.clone() {
        // Its one reader may be this node, and this node's value have more.
        Value::Pending(_) => {
            let (view, dtype) = planner.view(id)?;
            Value::Stored(view, dtype)
        }
        known => known,
    };
    planner.set(node, 0, value);
    // Dropout that drops nothing keeps everything.
    if node.output(1).is_some() {
        let shape = planner.kind(id)?.0;
        let tree = Rc::new(Tree::Call { text: "1".to_owned(), dtype: DType::Bool, arguments: Vec::new() });
        planner.set(node, 1, Value::Pending(Expression { dtype: DType::Bool, shape, tree }));
    }
    Ok(())
}

fn batch_normalisation(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let (shape, dtype) = planner.kind(x)?;
    let mut arguments = Vec::new();
    for index in 1..5 {
        let id = planner.input(node, index)?;
        let (view, _) = planner.view(id)?;
        let mut per_channel = vec![view.elements()];
        per_channel.extend(std::iter::repeat_n(1, shape.len().saturating_sub(2)));
        arguments.push(Rc::new(Tree::Read(view.reshaped(&per_channel).ok_or("a parameter has the wrong shape")?)));
    }
    arguments.push(planner.operand(x, &shape)?);
    let epsilon = literal(float(node, "epsilon", 1e-5));
    let text =
        typed(&format!("(($4 - $2) * ($0 / sqrt($3 + (W){epsilon})) + $1)"), dtype, dtype, planner.target.dialect);
    let tree = Rc::new(Tree::Call { text, dtype, arguments });
    planner.set(node, 0, Value::Pending(Expression { dtype, shape, tree }));
    Ok(())
}
