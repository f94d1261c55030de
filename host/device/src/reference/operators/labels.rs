//! Labels: those of classifiers, and the mapping of values to others.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;

use super::{Attributes, Kernel};
use crate::reference::array::{Array, Element, Elements};

/// The labels of a classifier.
pub(crate) enum Labels {
    Ints(Vec<i64>),
    Texts(Vec<Bytes>),
}

impl Labels {
    /// From the attributes of that name with `ints` (or `int64s`) and `strings` behind it.
    pub(crate) fn read(attributes: &Attributes<'_>, ints: &str, strings: &str) -> Result<Self, String> {
        let texts = attributes.strings(strings)?;
        if texts.is_empty() { Ok(Self::Ints(attributes.ints(ints)?)) } else { Ok(Self::Texts(texts)) }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Ints(labels) => labels.len(),
            Self::Texts(labels) => labels.len(),
        }
    }

    /// The labels of winning classes; without labels, the classes' numbers.
    pub(crate) fn of(&self, classes: &[usize]) -> Result<Array, String> {
        fn pick<T: Element>(labels: &[T], classes: &[usize]) -> Result<Array, String> {
            let picked: Option<Vec<T>> = classes.iter().map(|class| labels.get(*class).cloned()).collect();
            Array::new(vec![classes.len()], picked.ok_or("a class has no label")?)
        }
        match self {
            Self::Ints(labels) if labels.is_empty() => {
                Array::new(vec![classes.len()], classes.iter().map(|class| *class as i64).collect())
            }
            Self::Ints(labels) => pick(labels, classes),
            Self::Texts(labels) => pick(labels, classes),
        }
    }
}

/// A key that compares as labels do: numbers by value, and NaN equal to itself (from operator set 4 on).
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Text(Bytes),
    Int(i64),
    Float(u32),
}

fn float_key(value: f32) -> Key {
    let value = if value.is_nan() { f32::NAN } else { value };
    Key::Float(if value == 0.0 { 0.0f32 } else { value }.to_bits())
}

fn keys(array: &Array) -> Result<Vec<Key>, String> {
    Ok(match &array.elements {
        Elements::Text(values) => values.iter().cloned().map(Key::Text).collect(),
        Elements::I64(values) => values.iter().copied().map(Key::Int).collect(),
        Elements::F32(values) => values.iter().copied().map(float_key).collect(),
        other => return Err(format!("{} is not supported here", other.dtype())),
    })
}

/// Maps keys to values from operator set 2 on. Set 1 maps texts to their places, and back.
pub(crate) fn label_encoder(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    if attributes.opset() < 2 {
        return Err("version 1 of the operator is not supported here; export with ai.onnx.ml 2 or later".to_owned());
    }
    let texts = attributes.strings("keys_strings")?.into_iter().map(Key::Text);
    let ints = attributes.ints("keys_int64s")?.into_iter().map(Key::Int);
    let floats = attributes.floats("keys_floats")?.into_iter().map(float_key);
    let keys: Vec<Key> = texts.chain(ints).chain(floats).collect();
    let nan_matches = attributes.opset() >= 4;
    let values =
        (attributes.strings("values_strings")?, attributes.ints("values_int64s")?, attributes.floats("values_floats")?);
    match values {
        (texts, _, _) if !texts.is_empty() => {
            mapping(keys, nan_matches, texts, attributes.string("default_string", "_Unused")?)
        }
        (_, ints, _) if !ints.is_empty() => mapping(keys, nan_matches, ints, attributes.int("default_int64", -1)?),
        (_, _, floats) if !floats.is_empty() => {
            mapping(keys, nan_matches, floats, attributes.float("default_float", -0.0)?)
        }
        _ => Err("no values of a type that is supported here".to_owned()),
    }
}

fn mapping<T: Element>(from: Vec<Key>, nan_matches: bool, to: Vec<T>, default: T) -> Result<Kernel, String> {
    if from.len() != to.len() {
        return Err(format!("{} keys for {} values", from.len(), to.len()));
    }
    // The first of equal keys counts.
    let mut map: HashMap<Key, T> = from.into_iter().zip(to).rev().collect();
    if !nan_matches {
        map.remove(&float_key(f32::NAN));
    }
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let values = keys(input)?.iter().map(|key| map.get(key).unwrap_or(&default).clone()).collect();
        Ok(vec![Array::new(input.shape.clone(), values)?])
    }))
}
