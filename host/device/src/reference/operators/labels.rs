//! Labels: those of classifiers, and the mapping of values to others.

use std::collections::HashMap;
use std::hash::Hash;

use bytes::Bytes;
use scorehost_core::DType;

use super::numeric::{doubles, integers, is_float, of_doubles};
use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, Element, Elements, each};

pub(super) const OPERATORS: Table = &[("ai.onnx.ml", "LabelEncoder", label_encoder)];

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
    Float(u64),
}

fn float_key(value: f64) -> Key {
    let value = if value.is_nan() { f64::NAN } else { value };
    Key::Float(if value == 0.0 { 0.0f64 } else { value }.to_bits())
}

fn keys(array: &Array) -> Result<Vec<Key>, String> {
    Ok(match &array.elements {
        Elements::Text(values) => values.iter().cloned().map(Key::Text).collect(),
        other if is_float(other.dtype()) => doubles(array)?.into_iter().map(float_key).collect(),
        _ => integers(array)?.into_iter().map(Key::Int).collect(),
    })
}

/// Maps keys to values from operator set 2 on. Set 1 maps texts to their places, and back.
fn label_encoder(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    if attributes.opset() < 2 {
        return Err("version 1 of the operator is not supported here; export with ai.onnx.ml 2 or later".to_owned());
    }
    let texts = attributes.strings("keys_strings")?.into_iter().map(Key::Text);
    let ints = attributes.ints("keys_int64s")?.into_iter().map(Key::Int);
    let floats = attributes.floats("keys_floats")?.into_iter().map(|key| float_key(key.into()));
    let tensor = attributes.tensor("keys_tensor")?.map_or(Ok(Vec::new()), |tensor| self::keys(&tensor))?;
    let keys: Vec<Key> = texts.chain(ints).chain(floats).chain(tensor).collect();
    let nan_matches = attributes.opset() >= 4;
    if let Some(values) = attributes.tensor("values_tensor")? {
        let default = attributes.tensor("default_tensor")?.map_or_else(|| default_of(&values), Ok)?;
        return each!(&values.elements, values => {
            let wrong = "the default has another type than the values";
            mapping(keys, nan_matches, values.to_vec(), default.get().and_then(<[_]>::first).cloned().ok_or(wrong)?)
        });
    }
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

/// What an unknown key becomes where the model does not say: "_Unused", -1 or -0.
fn default_of(values: &Array) -> Result<Array, String> {
    match values.elements.dtype() {
        DType::Bytes => Array::new(vec![], vec![Bytes::from_static(b"_Unused")]),
        dtype => of_doubles(dtype, vec![], vec![if is_float(dtype) { -0.0 } else { -1.0 }]),
    }
}

fn mapping<T: Element>(from: Vec<Key>, nan_matches: bool, to: Vec<T>, default: T) -> Result<Kernel, String> {
    if from.len() != to.len() {
        return Err(format!("{} keys for {} values", from.len(), to.len()));
    }
    // The first of equal keys counts.
    let mut map: HashMap<Key, T> = from.into_iter().zip(to).rev().collect();
    if !nan_matches {
        map.remove(&float_key(f64::NAN));
    }
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        let values = keys(input)?.iter().map(|key| map.get(key).unwrap_or(&default).clone()).collect();
        Ok(vec![Array::new(input.shape.clone(), values)?])
    }))
}
