//! Conversion between element types.

use bytes::Bytes;
use half::{bf16, f16};

use super::{Attributes, Kernel};
use crate::reference::array::{Array, Element, Elements};

/// The attribute `to` is ONNX's number of an element type.
pub(crate) fn cast(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let to = attributes.int("to", 0)?;
    let convert: fn(&Elements) -> Result<Elements, String> = match to {
        1 => numbers::<f32>,
        2 => numbers::<u8>,
        3 => numbers::<i8>,
        4 => numbers::<u16>,
        5 => numbers::<i16>,
        6 => numbers::<i32>,
        7 => numbers::<i64>,
        8 => texts,
        9 => numbers::<bool>,
        10 => numbers::<f16>,
        11 => numbers::<f64>,
        12 => numbers::<u32>,
        13 => numbers::<u64>,
        16 => numbers::<bf16>,
        other => return Err(format!("a cast to element type {other} is not supported here")),
    };
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        Ok(vec![Array { shape: input.shape.clone(), elements: convert(&input.elements)? }])
    }))
}

/// A number that others convert to. Integers convert among each other by their low bits, floats by cutting off.
trait Target: Element {
    fn from_int(value: i128) -> Self;
    fn from_float(value: f64) -> Self;
}

macro_rules! targets {
    ($($kind:ty)*) => {
        $(impl Target for $kind {
            fn from_int(value: i128) -> Self {
                value as Self
            }

            fn from_float(value: f64) -> Self {
                value as Self
            }
        })*
    };
}

targets!(u8 u16 u32 u64 i8 i16 i32 i64 f32 f64);

impl Target for bool {
    fn from_int(value: i128) -> Self {
        value != 0
    }

    fn from_float(value: f64) -> Self {
        value != 0.0
    }
}

impl Target for f16 {
    fn from_int(value: i128) -> Self {
        Self::from_f64(value as f64)
    }

    fn from_float(value: f64) -> Self {
        Self::from_f64(value)
    }
}

impl Target for bf16 {
    fn from_int(value: i128) -> Self {
        Self::from_f64(value as f64)
    }

    fn from_float(value: f64) -> Self {
        Self::from_f64(value)
    }
}

fn numbers<T: Target>(elements: &Elements) -> Result<Elements, String> {
    fn ints<T: Target, S: Copy + Into<i128>>(values: &[S]) -> Vec<T> {
        values.iter().map(|value| T::from_int((*value).into())).collect()
    }
    fn floats<T: Target, S: Copy + Into<f64>>(values: &[S]) -> Vec<T> {
        values.iter().map(|value| T::from_float((*value).into())).collect()
    }
    Ok(T::wrap(match elements {
        Elements::Bool(values) => values.iter().map(|value| T::from_int(i128::from(*value))).collect(),
        Elements::U8(values) => ints(values),
        Elements::U16(values) => ints(values),
        Elements::U32(values) => ints(values),
        Elements::U64(values) => ints(values),
        Elements::I8(values) => ints(values),
        Elements::I16(values) => ints(values),
        Elements::I32(values) => ints(values),
        Elements::I64(values) => ints(values),
        Elements::F16(values) => floats(values),
        Elements::BF16(values) => floats(values),
        Elements::F32(values) => floats(values),
        Elements::F64(values) => floats(values),
        Elements::Text(values) => values.iter().map(parse).collect::<Result<_, _>>()?,
    }))
}

fn parse<T: Target>(text: &Bytes) -> Result<T, String> {
    let text = String::from_utf8_lossy(text);
    let trimmed = text.trim();
    let int = trimmed.parse::<i128>().map(T::from_int);
    int.or_else(|_| trimmed.parse::<f64>().map(T::from_float)).map_err(|_| format!("'{trimmed}' is not a number"))
}

/// Integers as decimal text. Floats have no one text that all runtimes agree on, so they are refused.
fn texts(elements: &Elements) -> Result<Elements, String> {
    fn shown<T: ToString>(values: &[T]) -> Elements {
        Bytes::wrap(values.iter().map(|value| Bytes::from(value.to_string())).collect())
    }
    Ok(match elements {
        Elements::Text(values) => Elements::Text(values.clone()),
        Elements::U8(values) => shown(values),
        Elements::U16(values) => shown(values),
        Elements::U32(values) => shown(values),
        Elements::U64(values) => shown(values),
        Elements::I8(values) => shown(values),
        Elements::I16(values) => shown(values),
        Elements::I32(values) => shown(values),
        Elements::I64(values) => shown(values),
        other => return Err(format!("a cast of {} to text is not supported here", other.dtype())),
    })
}
