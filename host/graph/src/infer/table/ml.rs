//! `ai.onnx.ml`: rows of features.

use bytes::Bytes;
use scorehost_core::DType;

use super::Operator;
use crate::infer::context::{Fact, one};
use crate::infer::flow::{Axes, Flow, Flows, each, refuse};
use crate::infer::{Answer, Context, Dim, Dims, Stop};
use crate::{Attribute, Initialiser};

pub(super) fn find(name: &str) -> Option<Operator> {
    Some(match name {
        "LinearClassifier" | "TreeEnsembleClassifier" | "SVMClassifier" => Operator::new(classifier, table_rows),
        "LinearRegressor" => Operator::new(linear, table_rows),
        "TreeEnsembleRegressor" | "SVMRegressor" => Operator::new(regressor, table_rows),
        "TreeEnsemble" => Operator::new(ensemble, table_rows),
        "Scaler" | "Normalizer" => Operator::new(floats, table_rows),
        "Imputer" | "Binarizer" => Operator::new(same, table_rows),
        "LabelEncoder" | "CategoryMapper" => Operator::new(labels, each),
        "OneHotEncoder" => Operator::new(one_hot, each),
        "ArrayFeatureExtractor" => Operator::new(extract, extract_rows),
        "FeatureVectorizer" => Operator::new(vectorise, vectorise_rows),
        _ => return None,
    })
}

/// A table has its rows at axis 0; a vector is one row, so its axis 0 is no batch.
fn table_rows(flows: &Flows<'_>) -> Axes {
    let batch = flows.main()?;
    if batch == 0 && flows.rank(0)? == 2 { Ok(vec![0]) } else { refuse("takes a table, of which the batch is no row") }
}

fn same(context: &mut Context<'_>) -> Answer {
    one(context.dtype(0)?, context.dims(0)?)
}

fn floats(context: &mut Context<'_>) -> Answer {
    one(DType::F32, context.dims(0)?)
}

/// Rows of a table; a vector is one.
fn rows(context: &Context<'_>) -> Result<Dim, Stop> {
    let dims = context.dims(0)?;
    match dims.len() {
        1 => Ok(Dim::one()),
        2 => Ok(dims[0].clone()),
        _ => Err(Stop::Unknown),
    }
}

fn strings<'a>(context: &'a Context<'_>, name: &str) -> &'a [Bytes] {
    match context.node.attributes.get(name) {
        Some(Attribute::Strings(values)) => values,
        _ => &[],
    }
}

fn classifier(context: &mut Context<'_>) -> Answer {
    let rows = rows(context)?;
    let texts = ["classlabels_strings", "classlabels_string"].map(|name| strings(context, name).len());
    let numbers =
        ["classlabels_ints", "classlabels_int64s"].map(|name| context.node.ints(name).map_or(0, <[i64]>::len));
    let text = texts.iter().sum::<usize>();
    let count = if text > 0 { text } else { numbers.iter().sum() };
    // A single label stands for itself and its opposite in some producers' files.
    let classes = if count < 2 { context.fresh() } else { Dim::size(count as u64) };
    let labels = Fact::new(if text > 0 { DType::Bytes } else { DType::I64 }, Some(Dims::from_iter([rows.clone()])));
    let scores = Fact::new(DType::F32, Some(Dims::from_iter([rows, classes])));
    Ok(vec![Some(labels), Some(scores)])
}

fn targets(context: &mut Context<'_>, count: i64) -> Answer {
    let rows = rows(context)?;
    one(DType::F32, Dims::from_iter([rows, Dim::known(count.max(1))]))
}

fn linear(context: &mut Context<'_>) -> Answer {
    let count = context.node.int("targets", 1);
    targets(context, count)
}

fn regressor(context: &mut Context<'_>) -> Answer {
    let count = context.node.int("n_targets", 1);
    targets(context, count)
}

fn ensemble(context: &mut Context<'_>) -> Answer {
    let (rows, count) = (rows(context)?, context.node.int("n_targets", 1));
    one(context.dtype(0)?, Dims::from_iter([rows, Dim::known(count.max(1))]))
}

/// The dtype of the values that keys are mapped to.
fn labels(context: &mut Context<'_>) -> Answer {
    let dims = context.dims(0)?;
    let has = |name: &str| context.node.attributes.contains_key(name);
    let dtype = match context.node.attributes.get("values_tensor") {
        Some(Attribute::Tensor(Initialiser::Tensor(tensor))) => tensor.dtype(),
        Some(_) => return Err(Stop::Unknown),
        None if has("values_strings") => DType::Bytes,
        None if has("values_int64s") => DType::I64,
        None if has("values_floats") => DType::F32,
        // Operator set 1, and `CategoryMapper`: strings to integers or back.
        None if context.dtype(0)? == DType::Bytes => DType::I64,
        None => DType::Bytes,
    };
    one(dtype, dims)
}

fn one_hot(context: &mut Context<'_>) -> Answer {
    let mut dims = context.dims(0)?;
    let count = strings(context, "cats_strings").len().max(context.node.ints("cats_int64s").map_or(0, <[i64]>::len));
    dims.push(Dim::size(count as u64));
    one(DType::F32, dims)
}

fn extract(context: &mut Context<'_>) -> Answer {
    let (mut dims, indices) = (context.dims(0)?, context.dims(1)?);
    let count = crate::infer::dim::product(&indices).ok_or(Stop::Unknown)?;
    match dims.len() {
        // A vector comes out as one row.
        1 => dims = Dims::from_iter([Dim::one(), count]),
        rank => *dims.get_mut(rank.wrapping_sub(1)).ok_or(Stop::Unknown)? = count,
    }
    one(context.dtype(0)?, dims)
}

fn extract_rows(flows: &Flows<'_>) -> Axes {
    match (flows.flow(0), flows.flow(1)) {
        (Flow::Rows(batch), Flow::Same) if batch + 1 < flows.rank(0)? => Ok(vec![batch]),
        // Labels looked up for each row: they come out side by side.
        (Flow::Same, Flow::Rows(batch)) if flows.dims(1)?[..batch].iter().all(|dim| dim.is(1)) => {
            Ok(vec![flows.rank(0)?.max(2) - 1])
        }
        _ => refuse("takes features at places that may be those of other rows"),
    }
}

fn vectorise(context: &mut Context<'_>) -> Answer {
    let rows = rows(context)?;
    let width: i64 =
        context.node.ints("inputdimensions").ok_or(Stop::Unknown)?.iter().fold(0, |a, b| a.saturating_add(*b));
    one(DType::F32, Dims::from_iter([rows, Dim::known(width.max(0))]))
}

fn vectorise_rows(flows: &Flows<'_>) -> Axes {
    for index in 0..flows.flows.len() {
        if flows.flow(index) != Flow::Rows(0) || flows.rank(index)? != 2 {
            return refuse("joins what are not rows of tables");
        }
    }
    Ok(vec![0])
}
