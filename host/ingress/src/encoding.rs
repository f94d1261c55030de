//! Content encodings: undoes gzip and deflate of requests within the size limit, applies them to responses.

use std::io::{Read, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderMap, HeaderValue, Response, header};
use scorehost_core::Failure;

use crate::read::too_large;
use crate::{Body, offload};

/// An encoding that both sides know. `deflate` is the zlib format (RFC 9110, 8.4.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

/// The body as it was before `Content-Encoding`, of at most `limit` bytes.
pub(crate) async fn undo(headers: &HeaderMap, body: Bytes, limit: u64) -> Result<Bytes, Failure> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else { return Ok(body) };
    let encoding = match value.to_str().unwrap_or_default().trim() {
        "" | "identity" => return Ok(body),
        "gzip" | "x-gzip" => Encoding::Gzip,
        "deflate" => Encoding::Deflate,
        other => {
            return Err(Failure::invalid(format!("Content-Encoding '{other}' is none of gzip, deflate, identity")));
        }
    };
    // Few bytes can unpack to many, so that their number does not decide whether this is long work.
    if body.len() < 1024 && limit <= offload::INLINE_BYTES as u64 {
        return inflate(encoding, &body, limit);
    }
    offload::run(move || inflate(encoding, &body, limit)).await
}

/// Unpacks `body`; stops one byte behind `limit`.
pub(crate) fn inflate(encoding: Encoding, body: &[u8], limit: u64) -> Result<Bytes, Failure> {
    let mut plain = Vec::with_capacity((body.len() * 2).min(limit as usize));
    let within = limit.saturating_add(1);
    let read = match encoding {
        Encoding::Gzip => GzDecoder::new(body).take(within).read_to_end(&mut plain),
        Encoding::Deflate => ZlibDecoder::new(body).take(within).read_to_end(&mut plain),
    };
    read.map_err(|error| Failure::invalid(format!("the body is not what its Content-Encoding says: {error}")))?;
    if plain.len() as u64 > limit { Err(too_large(limit)) } else { Ok(plain.into()) }
}

/// The encoding to answer with: the first of gzip and deflate that the caller does not rule out.
pub(crate) fn accepted(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(header::ACCEPT_ENCODING)?.to_str().ok()?;
    let wants = |name: &str| {
        value.split(',').any(|item| {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
            coding.trim().eq_ignore_ascii_case(name) && !refused
        })
    };
    if wants("gzip") { Some(Encoding::Gzip) } else { wants("deflate").then_some(Encoding::Deflate) }
}

/// Compresses a response of one buffer from `from` bytes on. Chained tensors stay as they are: compressing them costs more
/// than a loopback or a cluster network does.
pub(crate) async fn apply(
    encoding: Option<Encoding>,
    from: usize,
    mut response: Response<Body>,
) -> Result<Response<Body>, Failure> {
    let Some(encoding) = encoding else { return Ok(response) };
    let Some(plain) = response.body().as_one().filter(|plain| plain.len() >= from).cloned() else {
        return Ok(response);
    };
    let packed = if plain.len() < offload::INLINE_BYTES {
        deflate(encoding, &plain)?
    } else {
        offload::run(move || deflate(encoding, &plain)).await?
    };
    let name = match encoding {
        Encoding::Gzip => HeaderValue::from_static("gzip"),
        Encoding::Deflate => HeaderValue::from_static("deflate"),
    };
    response.headers_mut().insert(header::CONTENT_ENCODING, name);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    *response.body_mut() = Body::full(packed);
    Ok(response)
}

pub(crate) fn deflate(encoding: Encoding, plain: &[u8]) -> Result<Bytes, Failure> {
    let out = Vec::with_capacity(plain.len() / 2);
    let packed = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(out, Compression::fast());
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(out, Compression::fast());
            encoder.write_all(plain).and_then(|()| encoder.finish())
        }
    };
    packed.map(Bytes::from).map_err(Failure::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_go_there_and_back() {
        let plain = b"scorehost ".repeat(100);
        for encoding in [Encoding::Gzip, Encoding::Deflate] {
            let packed = deflate(encoding, &plain).unwrap();
            assert!(packed.len() < plain.len() / 4);
            assert_eq!(inflate(encoding, &packed, 1000).unwrap(), plain);
        }
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let packed = deflate(Encoding::Gzip, &vec![0; 10_000_000]).unwrap();
        let failure = inflate(Encoding::Gzip, &packed, 1_000_000).unwrap_err();
        assert_eq!(failure.kind, scorehost_core::ErrorKind::TooLarge);
    }

    #[test]
    fn damaged_bodies_are_refused() {
        let packed = deflate(Encoding::Gzip, b"scorehost").unwrap();
        for damaged in [&packed[..packed.len() - 4], b"plain"] {
            let failure = inflate(Encoding::Gzip, damaged, 1000).unwrap_err();
            assert_eq!(failure.kind, scorehost_core::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn the_callers_choice_decides() {
        let check = |value: &'static str, expected| {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(accepted(&headers), expected, "{value}");
        };
        check("gzip, deflate", Some(Encoding::Gzip));
        check("deflate", Some(Encoding::Deflate));
        check("gzip;q=0, deflate;q=0.5", Some(Encoding::Deflate));
        check("br, identity", None);
        check("", None);
    }
}
