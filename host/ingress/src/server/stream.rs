//! The stream under a connection: hands out bytes that were read too early, and notes activity.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Activity;
use super::transport::Transport;

/// A connection's bytes as hyper uses them.
pub(crate) struct Stream {
    /// Bytes read while the protocol was still unknown.
    early: Bytes,
    transport: TokioIo<Transport>,
    activity: Rc<Activity>,
}

impl Stream {
    pub(crate) fn new(transport: Transport, early: Bytes, activity: Rc<Activity>) -> Self {
        Self { early, transport: TokioIo::new(transport), activity }
    }

    pub(crate) fn into_tcp(self) -> TcpStream {
        self.transport.into_inner().into_tcp()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let bytes = self.early.len().min(out.remaining());
            out.put_slice(&self.early.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.transport).poll_read(cx, out);
        if read.is_ready() {
            self.activity.received();
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.sent();
        Pin::new(&mut self.transport).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.sent();
        Pin::new(&mut self.transport).poll_write_vectored(cx, data)
    }
}
