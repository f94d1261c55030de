//! gRPC's framing: a flag byte, a big-endian u32 length, a message.

use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::Incoming;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use prost::Message;
use prost::encoding::decode_varint;
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
    let limit_of_frame = limit.saturating_add(PREFIX as u64);
    let mut body = activity.reading(read::read_aligned(body, limit_of_frame, raw_contents)).await?;
    let (compressed, length) = split_prefix(&body).ok_or_else(|| no_message(body.len()))?;
    let _ = body.split_to(PREFIX);
    if length != body.len() as u64 {
        return Err(Failure::invalid(format!("the frame announces {length} bytes, but {} follow", body.len())));
    }
    if compressed { decompress(headers, body, limit).await } else { Ok(body) }
}

/// Where the first `raw_input_contents` of a framed `ModelInferRequest` begin, as far as its first piece tells; else 0. A wrong
/// guess costs a device a copy and nothing else.
fn raw_contents(piece: &[u8]) -> usize {
    /// Field 7, length-delimited.
    const RAW_INPUT_CONTENTS: u64 = 7 << 3 | 2;
    let mut rest = piece.get(PREFIX..).unwrap_or_default();
    while let (Ok(key), Ok(length)) = (decode_varint(&mut rest), decode_varint(&mut rest)) {
        if key == RAW_INPUT_CONTENTS {
            return piece.len() - rest.len();
        }
        // Fields before it are all of this kind.
        let skipped = usize::try_from(length).ok().filter(|_| key & 7 == 2).and_then(|length| rest.get(length..));
        let Some(behind) = skipped else { return 0 };
        rest = behind;
    }
    0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::message::{InputTensor, ModelInferRequest};

    #[test]
    fn raw_contents_are_found_in_the_first_piece_of_a_message() {
        let input = InputTensor {
            name: "x".into(),
            datatype: "FP32".into(),
            shape: vec![1, 500],
            contents: None,
            ..InputTensor::default()
        };
        let request = ModelInferRequest {
            model_name: "a model".into(),
            id: "7".into(),
            inputs: vec![input],
            raw_input_contents: vec![Bytes::from(vec![0xAB; 2000])],
            ..ModelInferRequest::default()
        };
        let message = framed(&request).unwrap();
        let begins = raw_contents(&message[..100]);
        assert_eq!((message[begins - 1], message[begins], message.len() - begins), (0x0F, 0xAB, 2000));
        for piece in [&message[..0], &message[..3], &message[..12], &[0xFF; 64][..], &[0; 64]] {
            assert_eq!(raw_contents(piece), 0);
        }
    }
}
