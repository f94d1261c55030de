//! The JSON of an inference request, as serde reads it: borrowed from the body wherever it can be.

use std::borrow::Cow;

use scorehost_core::{Failure, Shape};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A string that is borrowed unless it holds escapes.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// The document itself. Unknown keys and parameters are passed over, as the protocol asks.
#[derive(Debug, Deserialize)]
pub(crate) struct RequestJson<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub(crate) parameters: RequestParameters<'a>,
    #[serde(borrow)]
    pub(crate) inputs: Vec<InputJson<'a>>,
    #[serde(borrow, default)]
    pub(crate) outputs: Vec<OutputJson<'a>>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct RequestParameters<'a> {
    #[serde(default)]
    pub(crate) binary_data_output: bool,
    /// Microseconds.
    #[serde(default)]
    pub(crate) timeout: Option<u64>,
    /// 1 is the highest; 0 says nothing.
    #[serde(default)]
    pub(crate) priority: Option<u64>,
    #[serde(borrow, default)]
    pub(crate) sequence_id: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) sequence_start: bool,
    #[serde(default)]
    pub(crate) sequence_end: bool,
}

impl RequestParameters<'_> {
    /// Whether the request is part of a sequence; ids of 0 and "" mean none.
    pub(crate) fn in_sequence(&self) -> bool {
        self.sequence_start
            || self.sequence_end
            || self.sequence_id.is_some_and(|id| !matches!(id.get(), "0" | "\"\"" | "null"))
    }
}

#[derive(Debug, Deserialize)]
pub(crate) struct InputJson<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(deserialize_with = "shape")]
    pub(crate) shape: Shape,
    #[serde(borrow)]
    pub(crate) datatype: Text<'a>,
    #[serde(default)]
    pub(crate) parameters: InputParameters,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputParameters {
    #[serde(default)]
    pub(crate) binary_data_size: Option<u64>,
    #[serde(default)]
    pub(crate) shared_memory_region: Option<de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct OutputJson<'a> {
    #[serde(borrow)]
    pub(crate) name: Text<'a>,
    #[serde(default)]
    pub(crate) parameters: OutputParameters,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct OutputParameters {
    #[serde(default)]
    pub(crate) binary_data: Option<bool>,
    #[serde(default)]
    pub(crate) classification: u64,
    #[serde(default)]
    pub(crate) shared_memory_region: Option<de::IgnoredAny>,
}

/// Parses the document.
pub(crate) fn parse(json: &[u8]) -> Result<RequestJson<'_>, Failure> {
    let text = std::str::from_utf8(json).map_err(|error| {
        Failure::invalid(format!("the JSON of the request is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    serde_json::from_str(text).map_err(|error| {
        Failure::invalid(format!("the JSON of the request is not an inference request: {error}")).with_hint(
            "see POST /v2/models/<m>/infer of the Open Inference Protocol; NaN and Infinity are strings there",
        )
    })
}

fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Shape, D::Error> {
    struct Dims;

    impl<'de> Visitor<'de> for Dims {
        type Value = Shape;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of dimensions, whole numbers from 0 on")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
            let mut shape = Shape::new();
            while let Some(dim) = list.next_element()? {
                shape.push(dim);
            }
            Ok(shape)
        }
    }

    deserializer.deserialize_seq(Dims)
}
