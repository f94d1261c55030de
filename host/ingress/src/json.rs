//! Writes JSON into a buffer without a tree in between.

use bytes::{BufMut, BytesMut};
use serde::Serialize;

use crate::Body;

/// Appends `text` as a JSON string.
pub(crate) fn push_string(out: &mut BytesMut, text: &str) {
    if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.reserve(text.len() + 2);
        out.put_u8(b'"');
        out.put_slice(text.as_bytes());
        out.put_u8(b'"');
    } else {
        push_escaped(out, text);
    }
}

#[cold]
fn push_escaped(out: &mut BytesMut, text: &str) {
    // Serialising a string into memory cannot fail.
    let _ = serde_json::to_writer(out.writer(), text);
}

/// Appends an integer.
pub(crate) fn push_integer(out: &mut BytesMut, value: impl itoa::Integer) {
    out.put_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends `[1,16]`.
pub(crate) fn push_shape(out: &mut BytesMut, shape: &[u64]) {
    out.put_u8(b'[');
    for (place, dim) in shape.iter().enumerate() {
        if place > 0 {
            out.put_u8(b',');
        }
        push_integer(out, *dim);
    }
    out.put_u8(b']');
}

/// A document as a body; for answers off the hot path.
pub(crate) fn document(value: &impl Serialize) -> Body {
    // The documents are trees of strings and numbers, which always serialise.
    Body::full(serde_json::to_vec(value).unwrap_or_default())
}
