//! Preparation of features (`ai.onnx.ml`).

use super::{Attributes, Kernel, Table, rows};
use crate::reference::array::{Array, Element, Elements, each};

pub(super) const OPERATORS: Table = &[
    ("ai.onnx.ml", "Scaler", scaler),
    ("ai.onnx.ml", "Normalizer", normalizer),
    ("ai.onnx.ml", "Imputer", imputer),
    ("ai.onnx.ml", "ArrayFeatureExtractor", array_feature_extractor),
];

/// A factor or offset of a feature: one for all, or one for each.
fn of_feature(values: &[f32], feature: usize, default: f32) -> f64 {
    f64::from(match values {
        [] => default,
        [one] => *one,
        many => many.get(feature).copied().unwrap_or(default),
    })
}

fn check_length(values: &[f32], features: usize) -> Result<(), String> {
    if values.len() <= 1 || values.len() == features {
        return Ok(());
    }
    Err(format!("{} values for {features} features", values.len()))
}

fn scaler(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (offset, scale) = (attributes.floats("offset")?, attributes.floats("scale")?);
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let features = input.shape.last().copied().unwrap_or(1);
        check_length(&offset, features)?;
        check_length(&scale, features)?;
        let one = |(index, x): (usize, f64)| {
            let feature = index % features;
            ((x - of_feature(&offset, feature, 0.0)) * of_feature(&scale, feature, 1.0)) as f32
        };
        Ok(vec![Array::new(input.shape.clone(), input.to_f64()?.into_iter().enumerate().map(one).collect())?])
    }))
}

fn normalizer(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let norm: fn(&[f64]) -> f64 = match &*attributes.string("norm", "MAX")? {
        b"MAX" => |row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        b"L1" => |row| row.iter().map(|x| x.abs()).sum(),
        b"L2" => |row| row.iter().map(|x| x * x).sum::<f64>().sqrt(),
        other => return Err(format!("norm '{}'", String::from_utf8_lossy(other))),
    };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let (_, features) = rows(input)?;
        let values = input.to_f64()?;
        let mut normal = Vec::with_capacity(values.len());
        for row in values.chunks(features.max(1)) {
            // A row of zeros stays as it is.
            let by = Some(norm(row)).filter(|by| *by != 0.0).unwrap_or(1.0);
            normal.extend(row.iter().map(|x| (x / by) as f32));
        }
        Ok(vec![Array::new(input.shape.clone(), normal)?])
    }))
}

fn imputer(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (floats, ints) = (attributes.floats("imputed_value_floats")?, attributes.ints("imputed_value_int64s")?);
    let missing_float = attributes.float("replaced_value_float", 0.0)?;
    let missing_int = attributes.int("replaced_value_int64", 0)?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let (_, features) = rows(input)?;
        let shape = input.shape.clone();
        let is_missing = |x: f64| x == f64::from(missing_float) || (x.is_nan() && missing_float.is_nan());
        Ok(vec![match &input.elements {
            Elements::F32(values) => {
                Array::new(shape, impute(values, features, &floats, |x| is_missing((*x).into()))?)?
            }
            Elements::F64(values) => {
                let floats: Vec<f64> = floats.iter().map(|value| f64::from(*value)).collect();
                Array::new(shape, impute(values, features, &floats, |x| is_missing(*x))?)?
            }
            Elements::I64(values) => Array::new(shape, impute(values, features, &ints, |x| *x == missing_int)?)?,
            other => return Err(format!("{} is not supported here", other.dtype())),
        }])
    }))
}

fn impute<T: Copy>(values: &[T], features: usize, with: &[T], missing: impl Fn(&T) -> bool) -> Result<Vec<T>, String> {
    if with.is_empty() || (with.len() != 1 && with.len() != features) {
        return Err(format!("{} values to impute {features} features", with.len()));
    }
    let pick = |(index, x): (usize, &T)| if missing(x) { with[index % features % with.len()] } else { *x };
    Ok(values.iter().enumerate().map(pick).collect())
}

/// Picks columns of the last axis.
fn array_feature_extractor(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (input, columns) = (inputs.get(0)?, inputs.get(1)?.to_i64()?);
        let (features, outer) = input.shape.split_last().ok_or("a scalar has no features")?;
        let index = |column: &i64| usize::try_from(*column).ok().filter(|column| column < features);
        let picked: Option<Vec<usize>> = columns.iter().map(index).collect();
        let picked = picked.ok_or_else(|| format!("columns {columns:?} of {features}"))?;
        let mut shape = if outer.is_empty() { vec![1] } else { outer.to_vec() };
        shape.push(picked.len());
        Ok(vec![Array { shape, elements: each!(&input.elements, values => pick(values, *features, &picked)) }])
    }))
}

fn pick<T: Element>(values: &[T], features: usize, columns: &[usize]) -> Elements {
    let rows = values.chunks(features.max(1));
    T::wrap(rows.flat_map(|row| columns.iter().map(|column| row[*column].clone())).collect())
}
