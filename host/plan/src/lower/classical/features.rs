//! Preparation of features, as elementwise operators and reductions.

use scorehost_core::DType;
use scorehost_graph::{Node, ValueId};

use super::rows;
use crate::lower::Lower;
use crate::lower::attributes::{float, floats, int, integers, ints, text};
use crate::lower::compose::number;
use crate::planner::Planner;

pub(super) fn find(name: &str) -> Option<Lower> {
    Some(match name {
        "Scaler" => scaler,
        "Normalizer" => normalizer,
        "Imputer" => imputer,
        "Binarizer" => binarizer,
        "ArrayFeatureExtractor" => extractor,
        "FeatureVectorizer" => vectorizer,
        "OneHotEncoder" => one_hot,
        _ => return None,
    })
}

/// One number for all features, or one for each.
fn of_features(planner: &mut Planner<'_>, values: &[f32], features: u64) -> Result<ValueId, String> {
    if values.len() != 1 && values.len() as u64 != features {
        return Err(format!("{} values for {features} features", values.len()));
    }
    let wide: Vec<f64> = values.iter().map(|value| f64::from(*value)).collect();
    planner.known_numbers(DType::F32, &[values.len() as u64], &wide)
}

fn scaler(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let mut y = planner.cast_to(id, DType::F32)?;
    let features = planner.kind(y)?.0.last().copied().unwrap_or(1);
    for (name, operator) in [("offset", "Sub"), ("scale", "Mul")] {
        if let Some(values) = floats(node, name).filter(|values| !values.is_empty()) {
            let values = of_features(planner, &values, features)?;
            y = planner.apply(operator, &[y, values], &[])?;
        }
    }
    planner.give(node, 0, y)
}

fn normalizer(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let id = planner.input(node, 0)?;
    let x = planner.cast_to(id, DType::F32)?;
    let shape = planner.kind(x)?.0;
    let (table, _) = rows(planner, x)?;
    let operator = match text(node, "norm", "MAX") {
        "MAX" => "ReduceMax",
        "L1" => "ReduceL1",
        "L2" => "ReduceL2",
        other => return Err(format!("norm {other} is unknown")),
    };
    let axes = planner.known_ints(&[1], &[1])?;
    let norm = planner.apply(operator, &[table, axes], &[])?;
    // A row of zeros stays as it is.
    let (zero, one) = (planner.scalar(DType::F32, 0.0)?, planner.scalar(DType::F32, 1.0)?);
    let empty = planner.apply("Equal", &[norm, zero], &[])?;
    let by = planner.apply("Where", &[empty, one, norm], &[])?;
    let y = planner.apply("Div", &[table, by], &[])?;
    let y = planner.reshape_to(y, &shape)?;
    planner.give(node, 0, y)
}

fn imputer(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let (shape, dtype) = planner.kind(x)?;
    let features = shape.last().copied().unwrap_or(1);
    let (missing, with) = match dtype {
        DType::F32 => {
            let missing = float(node, "replaced_value_float", 0.0);
            let with = floats(node, "imputed_value_floats").ok_or("its values are missing")?;
            let with = of_features(planner, &with, features)?;
            let missing = if missing.is_nan() {
                planner.apply("IsNaN", &[x], &[])?
            } else {
                let missing = planner.scalar(DType::F32, f64::from(missing))?;
                planner.apply("Equal", &[x, missing], &[])?
            };
            (missing, with)
        }
        DType::I64 => {
            let with = ints(node, "imputed_value_int64s").ok_or("its values are missing")?;
            if with.len() != 1 && with.len() as u64 != features {
                return Err(format!("{} values for {features} features", with.len()));
            }
            let with = planner.known_ints(&[with.len() as u64], &with)?;
            let missing = planner.known_ints(&[], &[int(node, "replaced_value_int64", 0)])?;
            (planner.apply("Equal", &[x, missing], &[])?, with)
        }
        other => return Err(format!("{other} is not imputed on this device")),
    };
    let y = planner.apply("Where", &[missing, with, x], &[])?;
    planner.give(node, 0, y)
}

/// 1 where an element is above the threshold, else 0.
fn binarizer(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let x = planner.input(node, 0)?;
    let dtype = planner.kind(x)?.1;
    let threshold = f64::from(float(node, "threshold", 0.0));
    let threshold = planner.scalar(dtype, threshold)?;
    let above = planner.apply("Greater", &[x, threshold], &[])?;
    let y = planner.cast_to(above, dtype)?;
    planner.give(node, 0, y)
}

/// Columns of the last dimension.
fn extractor(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let mut x = planner.input(node, 0)?;
    let columns = planner.input(node, 1)?;
    let mut shape = planner.kind(x)?.0;
    if shape.len() == 1 {
        shape.insert(0, 1);
        x = planner.reshape_to(x, &shape)?;
    }
    let count = planner.kind(columns)?.0.iter().product();
    if let Ok(known) = planner.host(columns)
        && let Some(column) =
            integers(known)?.iter().find(|column| shape.last().is_none_or(|size| **column >= *size as i64))
    {
        return Err(format!("column {column} of {shape:?}"));
    }
    let columns = planner.reshape_to(columns, &[count])?;
    let y = planner.apply("Gather", &[x, columns], &[("axis", number(-1))])?;
    planner.give(node, 0, y)
}

/// The features of all inputs beside each other.
fn vectorizer(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let widths = ints(node, "inputdimensions").unwrap_or_default();
    let mut parts = Vec::new();
    for index in 0..node.inputs.len() {
        let id = planner.input(node, index)?;
        let x = planner.cast_to(id, DType::F32)?;
        let (table, [_, features]) = rows(planner, x)?;
        let width = widths.get(index).copied().unwrap_or(features as i64);
        if width != features as i64 {
            return Err(format!("input {index} has {features} features, and {width} are told"));
        }
        parts.push(table);
    }
    let y = planner.apply("Concat", &parts, &[("axis", number(1))])?;
    planner.give(node, 0, y)
}

/// A new last dimension with a 1 at the category of each element.
fn one_hot(planner: &mut Planner<'_>, node: &Node) -> Result<(), String> {
    let categories = ints(node, "cats_int64s").unwrap_or_default();
    if int(node, "zeros", 1) == 0 {
        return Err("unknown categories are not refused on this device".to_owned());
    }
    let id = planner.input(node, 0)?;
    let x = planner.cast_to(id, DType::I64)?;
    let mut shape = planner.kind(x)?.0;
    shape.push(1);
    let x = planner.reshape_to(x, &shape)?;
    let categories = planner.known_ints(&[categories.len() as u64], &categories)?;
    let same = planner.apply("Equal", &[x, categories], &[])?;
    let y = planner.cast_to(same, DType::F32)?;
    planner.give(node, 0, y)
}
