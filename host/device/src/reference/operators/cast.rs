//! Conversion between element types.

use bytes::Bytes;
use half::{bf16, f16};
use scorehost_core::{DType, Tensor};

use super::{Attributes, Kernel, Table};
use crate::reference::array::{Array, Element, Elements};

pub(super) const OPERATORS: Table = &[("", "Cast", cast), ("", "CastLike", cast_like), ("", "BitCast", bit_cast)];

/// The dtype of ONNX's number of an element type.
pub(super) fn dtype(code: i64) -> Result<DType, String> {
    let dtype = i32::try_from(code).ok().and_then(scorehost_graph::dtype);
    dtype.ok_or_else(|| format!("element type {code} is not supported here"))
}

/// The elements as another type.
pub(super) fn convert(to: DType, elements: &Elements) -> Result<Elements, String> {
    if elements.dtype() == to {
        return Ok(elements.clone());
    }
    match to {
        DType::Bool => numbers::<bool>(elements),
        DType::U8 => numbers::<u8>(elements),
        DType::U16 => numbers::<u16>(elements),
        DType::U32 => numbers::<u32>(elements),
        DType::U64 => numbers::<u64>(elements),
        DType::I8 => numbers::<i8>(elements),
        DType::I16 => numbers::<i16>(elements),
        DType::I32 => numbers::<i32>(elements),
        DType::I64 => numbers::<i64>(elements),
        DType::F16 => numbers::<f16>(elements),
        DType::BF16 => numbers::<bf16>(elements),
        DType::F32 => numbers::<f32>(elements),
        DType::F64 => numbers::<f64>(elements),
        DType::Bytes => texts(elements),
    }
}

/// The attribute `to` is ONNX's number of an element type.
fn cast(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let to = dtype(attributes.int("to", 0)?)?;
    Ok(Box::new(move |inputs| {
        let input = inputs.get(0)?;
        Ok(vec![Array { shape: input.shape.clone(), elements: convert(to, &input.elements)? }])
    }))
}

/// To the element type of the second input.
fn cast_like(_: &Attributes<'_>) -> Result<Kernel, String> {
    Ok(Box::new(|inputs| {
        let (input, like) = (inputs.get(0)?, inputs.get(1)?);
        Ok(vec![Array { shape: input.shape.clone(), elements: convert(like.elements.dtype(), &input.elements)? }])
    }))
}

/// The same bits under another element type of the same size.
fn bit_cast(attributes: &Attributes<'_>) -> Result<Kernel, String> {
    let to = dtype(attributes.int("to", 0)?)?;
    Ok(Box::new(move |inputs| {
        let tensor = inputs.own(0)?.into_tensor().map_err(|error| error.to_string())?;
        let cast = Tensor::new(to, tensor.shape(), tensor.data().clone()).map_err(|error| error.to_string())?;
        Ok(vec![Array::from_tensor(&cast)?])
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
