//! One record and its line of JSON.

use std::time::SystemTime;

use half::{bf16, f16};
use scorehost_core::{DType, Tensor};
use serde_json::{Map, Value, json};

use super::date::Moment;

/// What a scorer recorded.
pub(super) enum Content {
    /// A tensor; its bytes are shared with the request, not copied.
    Tensor {
        /// Name of the input, output or column.
        name: Box<str>,
        /// The value.
        tensor: Tensor,
    },
    /// A JSON document as text.
    Json(Box<str>),
}

/// A record on its way to a file.
pub(super) struct Record {
    /// `<service>/<version>/<designation>`.
    pub(super) folder: String,
    /// When it was recorded.
    pub(super) time: SystemTime,
    /// The request.
    pub(super) request_id: Box<str>,
    /// What was recorded.
    pub(super) content: Content,
}

impl Record {
    /// Bytes that it keeps alive, roughly.
    pub(super) fn bytes(&self) -> usize {
        let content = match &self.content {
            Content::Tensor { name, tensor } => name.len() + tensor.data().len(),
            Content::Json(document) => document.len(),
        };
        self.folder.len() + self.request_id.len() + content
    }

    /// The line, with its newline.
    pub(super) fn line(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut object = Map::new();
        object.insert("time".into(), Moment::of(self.time).rfc3339().into());
        object.insert("request_id".into(), (*self.request_id).into());
        match &self.content {
            Content::Json(document) => {
                object.insert("document".into(), serde_json::from_str(document)?);
            }
            Content::Tensor { name, tensor } => {
                object.insert("name".into(), (**name).into());
                object.insert("dtype".into(), tensor.dtype().name().into());
                object.insert("shape".into(), json!(tensor.shape()));
                object.insert("data".into(), elements(tensor));
            }
        }
        let mut line = serde_json::to_vec(&Value::Object(object))?;
        line.push(b'\n');
        Ok(line)
    }
}

/// All elements, flat and row-major. JSON has no NaN or infinity: they become the strings `NaN`, `inf` and `-inf`. A
/// `BYTES` element that is not UTF-8 becomes the list of its bytes.
fn elements(tensor: &Tensor) -> Value {
    let data = tensor.data();
    match tensor.dtype() {
        DType::Bool => data.iter().map(|byte| *byte != 0).collect(),
        DType::U8 => data.iter().copied().collect(),
        DType::U16 => each(data, u16::from_le_bytes),
        DType::U32 => each(data, u32::from_le_bytes),
        DType::U64 => each(data, u64::from_le_bytes),
        DType::I8 => each(data, i8::from_le_bytes),
        DType::I16 => each(data, i16::from_le_bytes),
        DType::I32 => each(data, i32::from_le_bytes),
        DType::I64 => each(data, i64::from_le_bytes),
        DType::F16 => each(data, |bytes| float(f16::from_le_bytes(bytes).into())),
        DType::BF16 => each(data, |bytes| float(bf16::from_le_bytes(bytes).into())),
        DType::F32 => each(data, |bytes| single(f32::from_le_bytes(bytes))),
        DType::F64 => each(data, |bytes| float(f64::from_le_bytes(bytes))),
        DType::Bytes => tensor.byte_strings().map(text).collect(),
    }
}

fn each<const N: usize, T: Into<Value>>(data: &[u8], element: impl Fn([u8; N]) -> T) -> Value {
    data.as_chunks::<N>().0.iter().map(|bytes| element(*bytes)).collect()
}

fn float(value: f64) -> Value {
    if value.is_finite() { value.into() } else { value.to_string().into() }
}

/// A single-precision number in its own few digits (0.1 stays 0.1).
fn single(value: f32) -> Value {
    value.to_string().parse().map_or_else(|_| float(value.into()), float)
}

fn text(element: &[u8]) -> Value {
    std::str::from_utf8(element).map_or_else(|_| element.iter().copied().collect(), Into::into)
}
