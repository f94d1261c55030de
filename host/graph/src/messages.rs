//! Counts the nested messages of a model before anything is allocated for them.
//!
//! Two bytes of protobuf can stand for a message of some hundred bytes of memory, so a small hostile file could take
//! a hundred times its size. Bounding the number of messages bounds that factor for large files.

use bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

use crate::GraphError;

/// Messages and strings below a model at most; the largest published models have some hundred thousand.
pub(crate) const LIMIT: usize = 8_000_000;

/// Which fields of a message are messages or strings again.
#[derive(Clone, Copy)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    ValueInfo,
    Function,
    /// Nested messages in here are small and few per byte, or none.
    Leaf,
}

impl Kind {
    fn field(self, tag: u32) -> Kind {
        match (self, tag) {
            (Self::Model, 7) | (Self::Attribute, 6 | 11) => Self::Graph,
            (Self::Model, 25) => Self::Function,
            (Self::Graph, 1) | (Self::Function, 7) => Self::Node,
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) => Self::Tensor,
            (Self::Graph, 11..=13) => Self::ValueInfo,
            (Self::Node, 5) | (Self::Function, 11) => Self::Attribute,
            _ => Self::Leaf,
        }
    }
}

/// Fails when `bytes` is malformed, or holds more than `limit` messages and strings.
pub(crate) fn check_count(bytes: &[u8], limit: usize) -> Result<(), GraphError> {
    let mut left = limit;
    count(bytes, Kind::Model, 0, &mut left).ok_or(match left {
        0 => GraphError::TooManyParts { limit },
        _ => GraphError::Malformed,
    })
}

/// `None` where the bytes are malformed or nothing is left of the allowance.
fn count(mut bytes: &[u8], kind: Kind, depth: u32, left: &mut usize) -> Option<()> {
    // The decoder itself refuses more than 100 levels.
    if depth > 100 {
        return None;
    }
    while bytes.has_remaining() {
        let (tag, wire) = decode_key(&mut bytes).ok()?;
        let length = match wire {
            WireType::Varint => decode_varint(&mut bytes).map(|_| 0).ok()?,
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::LengthDelimited => usize::try_from(decode_varint(&mut bytes).ok()?).ok()?,
            // ONNX has no groups.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let (field, rest) = bytes.split_at_checked(length)?;
        bytes = rest;
        if matches!(wire, WireType::LengthDelimited) {
            *left = left.saturating_sub(1);
            match kind.field(tag) {
                _ if *left == 0 => return None,
                Kind::Leaf => {}
                nested => count(field, nested, depth + 1, left)?,
            }
        }
    }
    Some(())
}
