//! Reads a request body within its limit.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use scorehost_core::{Copied, ErrorKind, Failure};
use scorehost_telemetry::note;

/// First allocation for a body of unknown length.
const UNKNOWN_START: usize = 64 << 10;
/// Where the elements of a tensor begin in memory, so that every device reads them in place.
const ALIGNMENT: usize = 64;

pub(crate) fn too_large(limit: u64) -> Failure {
    Failure::new(ErrorKind::TooLarge, format!("the request body is larger than the limit of {limit} bytes"))
}

/// Reads all of `body`. A body that arrives in one piece is handed on without a copy; a larger one of known length
/// goes into one buffer of that length.
pub(crate) async fn read_body(body: Incoming, limit: u64) -> Result<Bytes, Failure> {
    read_aligned(body, limit, |_| 0).await
}

/// The same for a body in which tensors begin at a byte that `tensors` finds in the body's first piece: where the body has to be
/// copied anyway, that byte is put where devices read tensors in place.
pub(crate) async fn read_aligned(
    body: Incoming,
    limit: u64,
    tensors: impl FnOnce(&[u8]) -> usize,
) -> Result<Bytes, Failure> {
    let body = read_whole(body, limit, tensors).await?;
    note::write(|note| note.bytes_in += body.len() as u64);
    Ok(body)
}

async fn read_whole(mut body: Incoming, limit: u64, tensors: impl FnOnce(&[u8]) -> usize) -> Result<Bytes, Failure> {
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
    let mut whole = Whole::new(declared, limit, tensors(&first));
    whole.append(&first)?;
    whole.append(&second)?;
    while let Some(piece) = next_piece(&mut body).await? {
        whole.append(&piece)?;
    }
    Ok(whole.finish())
}

/// A body on its way into one buffer.
struct Whole {
    /// `start` bytes that do not belong to the body, then what there is of it.
    buffer: Vec<u8>,
    start: usize,
    limit: u64,
}

impl Whole {
    /// A body whose byte `aligned` is to lie on a multiple of [`ALIGNMENT`]. One of unknown length may move while it grows.
    fn new(declared: Option<u64>, limit: u64, aligned: usize) -> Self {
        let room = declared.map_or(UNKNOWN_START, |bytes| bytes as usize);
        let mut buffer = Vec::with_capacity(room + ALIGNMENT);
        let start = (buffer.as_ptr() as usize).wrapping_add(aligned).wrapping_neg() % ALIGNMENT;
        buffer.resize(start, 0);
        Self { buffer, start, limit }
    }

    fn append(&mut self, piece: &[u8]) -> Result<(), Failure> {
        if (self.buffer.len() - self.start + piece.len()) as u64 > self.limit {
            return Err(too_large(self.limit));
        }
        self.buffer.extend_from_slice(piece);
        Copied::Body.count(piece.len());
        Ok(())
    }

    fn finish(self) -> Bytes {
        Bytes::from(self.buffer).slice(self.start..)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_of_a_body_in_pieces_lie_where_devices_read_them() {
        for aligned in [0, 1, 63, 64, 117, 5000] {
            let mut whole = Whole::new(Some(9000), 9000, aligned);
            let body: Vec<u8> = (0..9000u32).map(|at| at as u8).collect();
            for piece in body.chunks(700) {
                whole.append(piece).unwrap();
            }
            let bytes = whole.finish();
            assert_eq!(bytes[aligned..].as_ptr().align_offset(ALIGNMENT), 0, "{aligned}");
            assert_eq!(bytes, body);
        }
    }

    #[test]
    fn a_body_that_is_longer_than_it_may_be_is_refused_wherever_it_begins() {
        let mut whole = Whole::new(None, 10, 7);
        whole.append(&[0; 10]).unwrap();
        assert_eq!(whole.append(&[0]).unwrap_err().kind, ErrorKind::TooLarge);
    }
}
