//! gRPC's framing: a flag byte, a big-endian u32 length, a message.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use prost::Message;
use scorehost_core::{ErrorKind, Failure};

use super::GRPC_ENCODING;
use crate::encoding::{self, Encoding};
use crate::server::Activity;
use crate::{offload, read};

pub(crate) const PREFIX: usize = 5;

/// The one message of a unary call.
pub(crate) async fn read_unary(
    activity: &Activity,
    headers: &HeaderMap,
    body: Incoming,
    limit: u64,
) -> Result<Bytes, Failure> {
    let mut body = activity.reading(read::read_body(body, limit.saturating_add(PREFIX as u64))).await?;
    let (compressed, length) = split_prefix(&body).ok_or_else(|| no_message(body.len()))?;
    let _ = body.split_to(PREFIX);
    if length != body.len() as u64 {
        return Err(Failure::invalid(format!("the frame announces {length} bytes, but {} follow", body.len())));
    }
    if compressed { decompress(headers, body, limit).await } else { Ok(body) }
}

fn no_message(bytes: usize) -> Failure {
    Failure::invalid(format!("a unary call needs one framed message of at least {PREFIX} bytes, got {bytes}"))
}

/// Flag and length of the frame that `data` starts with; `None` where the prefix is incomplete.
pub(crate) fn split_prefix(data: &[u8]) -> Option<(bool, u64)> {
    let ([flag, a, b, c, d], _) = data.split_first_chunk::<PREFIX>()?;
    Some((*flag != 0, u64::from(u32::from_be_bytes([*a, *b, *c, *d]))))
}

/// Undoes the compression of one message.
pub(crate) async fn decompress(headers: &HeaderMap, message: Bytes, limit: u64) -> Result<Bytes, Failure> {
    let name = headers.get(GRPC_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("identity");
    let encoding = match name {
        "gzip" => Encoding::Gzip,
        "deflate" => Encoding::Deflate,
        "identity" => return Err(Failure::new(ErrorKind::Internal, "a compressed frame came without grpc-encoding")),
        other => {
            let other: String = other.chars().take(32).collect();
            return Err(Failure::new(
                ErrorKind::Unsupported,
                format!("grpc-encoding '{other}' is none of identity, gzip, deflate"),
            ));
        }
    };
    offload::run(move || encoding::inflate(encoding, &message, limit)).await
}

/// Frames a message.
pub(crate) fn framed(message: &impl Message) -> Result<Bytes, Failure> {
    let length = message.encoded_len();
    let mut out = BytesMut::with_capacity(PREFIX + length);
    put_prefix(&mut out, length)?;
    message.encode(&mut out).map_err(Failure::internal)?;
    Ok(out.freeze())
}

pub(crate) fn put_prefix(out: &mut BytesMut, length: usize) -> Result<(), Failure> {
    let length = u32::try_from(length).map_err(|_| {
        Failure::new(ErrorKind::TooLarge, format!("the answer has {length} bytes, more than a gRPC message can hold"))
    })?;
    out.put_u8(0);
    out.put_u32(length);
    Ok(())
}

/// What `grpc-message` cannot hold as it is.
const MESSAGE: AsciiSet = CONTROLS.add(b'%');

pub(crate) fn percent_encode(message: &str) -> String {
    utf8_percent_encode(message, &MESSAGE).to_string()
}
