//! Bodies within their limits: bytes, silence, and the call's end.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use wasmtime_wasi_http::{Error, WasiBody};

use super::usage::Counters;

/// A request's body, of at most `left` bytes.
pub(crate) struct Outgone {
    inner: WasiBody,
    limit: u64,
    left: u64,
}

impl Outgone {
    pub(crate) const fn new(inner: WasiBody, limit: u64) -> Self {
        Self { inner, limit, left: limit }
    }
}

impl Body for Outgone {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            let size = frame.data_ref().map_or(0, |data| data.len() as u64);
            match self.left.checked_sub(size) {
                Some(left) => self.left = left,
                None => return Poll::Ready(Some(Err(Error::HttpRequestBodySize(Some(self.limit))))),
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A response's body. It holds the request's place among those under way.
pub(crate) struct Received {
    inner: Incoming,
    limit: u64,
    left: u64,
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    until: Instant,
    counters: Arc<Counters>,
    _place: OwnedSemaphorePermit,
}

impl Received {
    pub(crate) fn new(
        inner: Incoming,
        (limit, idle): (u64, Duration),
        until: Instant,
        counters: Arc<Counters>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let silence = Box::pin(tokio::time::sleep_until(until.min(Instant::now() + idle)));
        Self { inner, limit, left: limit, idle, silence, until, counters, _place: place }
    }

    fn take(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        let size = frame.data_ref().map_or(0, |data| data.len() as u64);
        self.counters.received.fetch_add(size, Ordering::Relaxed);
        self.left = self.left.checked_sub(size).ok_or(Error::HttpResponseBodySize(Some(self.limit)))?;
        let next = self.until.min(Instant::now() + self.idle);
        self.silence.as_mut().reset(next);
        Ok(())
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.take(&frame).map(|()| frame))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(Error::Hyper(error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => self.silence.as_mut().poll(cx).map(|()| Some(Err(Error::ConnectionReadTimeout))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
