//! Bodies in and out: bounded JSON in, streams both ways.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

use crate::ControlError;

/// Why a body broke off.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A response's body.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A body that is known whole.
pub(crate) fn full(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that another task feeds; an error ends the connection, so that a reader never takes a part for the whole.
pub(crate) struct Fed(pub(crate) mpsc::Receiver<Result<Bytes, BodyError>>);

impl http_body::Body for Fed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data)))
    }
}

/// Reads a whole body of at most `limit` bytes.
pub(crate) async fn read<B>(mut body: B, limit: usize) -> Result<Bytes, ControlError>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<BodyError>,
{
    let mut content = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| ControlError::Upload { reason: error.into().to_string() })?;
        if let Ok(part) = frame.into_data() {
            if content.len() + part.len() > limit {
                return Err(ControlError::TooLarge { limit: limit as u64 });
            }
            content.extend_from_slice(&part);
        }
    }
    Ok(content.freeze())
}

/// Parses a JSON document; nesting is bounded by serde_json at 128 levels.
pub(crate) fn json<T: DeserializeOwned>(content: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(content).map_err(|error| ControlError::Json { reason: error.to_string() })
}
