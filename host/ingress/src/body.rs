//! Response bodies.

use std::collections::VecDeque;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};

use crate::grpc::Answers;

type BoxError = Box<dyn Error + Send + Sync>;

/// A response body. Most hold one buffer; large tensors follow the buffer of their header without a copy.
pub struct Body(Kind);

enum Kind {
    Empty,
    One(Bytes),
    Many { rest: VecDeque<Bytes>, bytes: u64 },
    Grpc { first: Option<Bytes>, rest: VecDeque<Bytes>, trailers: Option<HeaderMap> },
    Stream(Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>),
}

impl Body {
    /// No bytes.
    #[must_use]
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// The bytes of `data`.
    pub fn full(data: impl Into<Bytes>) -> Self {
        Self(Kind::One(data.into()))
    }

    /// Any other body, of known or unknown length.
    pub fn stream<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(Kind::Stream(Box::pin(http_body_util::BodyExt::map_err(body, Into::into))))
    }

    /// Buffers sent one after the other.
    pub(crate) fn chain(parts: VecDeque<Bytes>) -> Self {
        let bytes = parts.iter().map(|part| part.len() as u64).sum();
        Self(Kind::Many { rest: parts, bytes })
    }

    /// A gRPC message with its framing, in pieces, and the trailers behind it.
    pub(crate) const fn grpc(first: Bytes, rest: VecDeque<Bytes>, trailers: HeaderMap) -> Self {
        Self(Kind::Grpc { first: Some(first), rest, trailers: Some(trailers) })
    }

    /// The body's only buffer, where it consists of one.
    pub(crate) const fn as_one(&self) -> Option<&Bytes> {
        if let Kind::One(data) = &self.0 { Some(data) } else { None }
    }
}

/// What a connection sends: a body, or the answers of a gRPC stream.
pub(crate) enum Reply {
    Plain(Body),
    Stream(Answers),
}

impl http_body::Body for Reply {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Plain(body) => Pin::new(body).poll_frame(cx),
            Self::Stream(answers) => Pin::new(answers).poll_frame(cx).map_err(|never| match never {}),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Plain(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Plain(body) => body.size_hint(),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let data = match &mut self.0 {
            Kind::Empty => None,
            Kind::One(data) => {
                let data = std::mem::take(data);
                self.0 = Kind::Empty;
                Some(data)
            }
            Kind::Many { rest, bytes } => rest.pop_front().inspect(|part| *bytes -= part.len() as u64),
            Kind::Grpc { first, rest, trailers } => match first.take().or_else(|| rest.pop_front()) {
                Some(data) => Some(data),
                None => return Poll::Ready(trailers.take().map(|trailers| Ok(Frame::trailers(trailers)))),
            },
            Kind::Stream(body) => return body.as_mut().poll_frame(cx),
        };
        Poll::Ready(data.map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::One(_) => false,
            Kind::Many { rest, .. } => rest.is_empty(),
            Kind::Grpc { first, rest, trailers } => first.is_none() && rest.is_empty() && trailers.is_none(),
            Kind::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::One(data) => SizeHint::with_exact(data.len() as u64),
            Kind::Many { bytes, .. } => SizeHint::with_exact(*bytes),
            // A content-length in front of trailers is legal, and of no use to a gRPC client.
            Kind::Grpc { .. } => SizeHint::default(),
            Kind::Stream(body) => body.size_hint(),
        }
    }
}
