//! Features of classical models (`ai.onnx.ml`) made from others.

use bytes::Bytes;

use super::numeric::{doubles, of_doubles, size};
use super::{Attributes, Kernel, Table, rows};
use crate::reference::array::{Array, count};

pub(super) const OPERATORS: Table = &[
    ("ai.onnx.ml", "Binarizer", binarizer),
    ("ai.onnx.ml", "OneHotEncoder", one_hot_encoder),
    ("ai.onnx.ml", "FeatureVectorizer", feature_vectorizer),
];

/// 1 where an element is above the threshold, else 0.
fn binarizer(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let threshold = f64::from(attributes.float("threshold", 0.0)?);
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let values = doubles(input)?.into_iter().map(|x| if x > threshold { 1.0 } else { 0.0 }).collect();
        Ok(vec![of_doubles(input.elements.dtype(), input.shape.clone(), values)?])
    }))
}

/// A new last axis with a 1 at the category of each element; without `zeros`, unknown ones are refused.
fn one_hot_encoder(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let (ints, texts) = (attributes.ints("cats_int64s")?, attributes.strings("cats_strings")?);
    let zeros = attributes.int("zeros", 1)? != 0;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let found: Vec<Option<usize>> = match input.get::<Bytes>() {
            Some(values) => values.iter().map(|value| texts.iter().position(|known| known == value)).collect(),
            None => {
                let place = |value: f64| ints.iter().position(|known| *known == value as i64);
                doubles(input)?.into_iter().map(place).collect()
            }
        };
        if !zeros && found.contains(&None) {
            return Err("an element is of no known category".to_owned());
        }
        let categories = if input.get::<Bytes>().is_some() { texts.len() } else { ints.len() };
        let mut shape = input.shape.clone();
        shape.push(categories);
        let mut hot = vec![0f32; count(&shape)?];
        let places = found.iter().enumerate().filter_map(|(index, place)| Some(index * categories + (*place)?));
        places.for_each(|place| hot[place] = 1.0);
        Ok(vec![Array::new(shape, hot)?])
    }))
}

/// The features of all inputs side by side, each cut or filled with zeros to its declared number.
fn feature_vectorizer(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let widths = attributes.ints("inputdimensions")?;
    let widths: Vec<usize> =
        widths.iter().map(|width| size(*width, "a number of features")).collect::<Result<_, _>>()?;
    Ok(Box::new(move |inputs| {
        let parts = inputs.all()?;
        let mut tables = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let (many, features) = rows(part)?;
            tables.push((doubles(part)?, many, features, widths.get(index).copied().unwrap_or(features)));
        }
        let many = tables.first().map_or(0, |table| table.1);
        if tables.iter().any(|table| table.1 != many) {
            return Err("the inputs have different numbers of rows".to_owned());
        }
        let total = tables.iter().map(|table| table.3).sum();
        let mut joined: Vec<f32> = Vec::with_capacity(count(&[many, total])?);
        for row in 0..many {
            for (values, _, features, width) in &tables {
                let value = |at: usize| if at < *features { values[row * features + at] as f32 } else { 0.0 };
                joined.extend((0..*width).map(value));
            }
        }
        Ok(vec![Array::new(vec![many, total], joined)?])
    }))
}
