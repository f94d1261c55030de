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

/// A TCP stream as hyper uses it.
pub(crate) struct Stream {
    /// Bytes read while the protocol was still unknown.
    early: Bytes,
    tcp: TokioIo<TcpStream>,
    activity: Rc<Activity>,
}

impl Stream {
    pub(crate) fn new(tcp: TcpStream, early: Bytes, activity: Rc<Activity>) -> Self {
        Self { early, tcp: TokioIo::new(tcp), activity }
    }

    pub(crate) fn into_tcp(self) -> TcpStream {
        self.tcp.into_inner()
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut out: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            let bytes = self.early.len().min(out.remaining());
            out.put_slice(&self.early.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.tcp).poll_read(cx, out);
        if read.is_ready() {
            self.activity.received();
        }
        read
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.sent();
        Pin::new(&mut self.tcp).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.activity.sent();
        Pin::new(&mut self.tcp).poll_write_vectored(cx, data)
    }
}
