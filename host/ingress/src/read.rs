//! Reads a request body within its limit.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, Failure};
use scorehost_telemetry::note;

/// First allocation for a body of unknown length.
const UNKNOWN_START: usize = 64 << 10;

pub(crate) fn too_large(limit: u64) -> Failure {
    Failure::new(ErrorKind::TooLarge, format!("the request body is larger than the limit of {limit} bytes"))
}

/// Reads all of `body`. A body that arrives in one piece is handed on without a copy; a larger one of known length
/// goes into one buffer of that length.
pub(crate) async fn read_body(body: Incoming, limit: u64) -> Result<Bytes, Failure> {
    let body = read_whole(body, limit).await?;
    note::write(|note| note.bytes_in += body.len() as u64);
    Ok(body)
}

async fn read_whole(mut body: Incoming, limit: u64) -> Result<Bytes, Failure> {
    let declared = body.size_hint().exact();
    if declared.is_some_and(|bytes| bytes > limit) {
        return Err(too_large(limit));
    }
    let Some(first) = next_piece(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() as u64 > limit {
        return Err(too_large(limit));
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next_piece(&mut body).await? else { return Ok(first) };
    let mut whole = Vec::with_capacity(declared.map_or(UNKNOWN_START, |bytes| bytes as usize));
    whole.extend_from_slice(&first);
    append(&mut whole, &second, limit)?;
    while let Some(piece) = next_piece(&mut body).await? {
        append(&mut whole, &piece, limit)?;
    }
    Ok(whole.into())
}

fn append(whole: &mut Vec<u8>, piece: &[u8], limit: u64) -> Result<(), Failure> {
    if (whole.len() + piece.len()) as u64 > limit {
        return Err(too_large(limit));
    }
    whole.extend_from_slice(piece);
    Ok(())
}

/// The next data of the body; trailers are passed over.
pub(crate) async fn next_piece(body: &mut Incoming) -> Result<Option<Bytes>, Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::invalid(format!("the request body ended early: {error}")))?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
