//! One connection: finds out its protocol and runs it to its end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use super::activity::{Activity, Ending};
use super::stream::Stream;
use super::tls;
use super::transport::Transport;
use crate::handler::{Shared, answer};

const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Bytes read and thrown away after an answer that did not wait for the request's end, so that the answer arrives.
const LINGER_BYTES: usize = 256 << 20;

/// Serves `tcp` until either side ends it.
pub(crate) async fn serve(shared: Rc<Shared>, tcp: TcpStream, activity: Rc<Activity>) {
    // Small answers must not wait for an acknowledgement of the one before.
    let _ = tcp.set_nodelay(true);
    let secured = Box::pin(secured(&shared, tcp, &activity));
    let Some(mut transport) = secured.await else { return };
    let Some((http2, early)) = until_ended(&activity, sniff(&mut transport, &activity)).await.flatten() else { return };
    let stream = Stream::new(transport, early, activity.clone());
    if http2 {
        serve_http2(shared, stream, activity).await;
    } else if let Some(tcp) = serve_http1(shared, stream, activity.clone()).await {
        until_ended(&activity, linger(tcp, &activity)).await;
    }
}

/// Shakes hands where the doors speak TLS.
async fn secured(shared: &Shared, tcp: TcpStream, activity: &Activity) -> Option<Transport> {
    let Some(tls) = &shared.tls else { return Some(Transport::Plain(tcp)) };
    let handshake = tls::accept(tls, tcp, shared.config.timeouts.handshake);
    let secured = until_ended(activity, handshake).await.flatten()?;
    if let Some(peer) = secured.peer {
        activity.set_peer_name(peer);
    }
    Some(Transport::Tls(Box::new(secured.stream)))
}

/// Reads until it is clear whether the connection starts with HTTP/2's preface; `None` when it ends before.
async fn sniff(transport: &mut Transport, activity: &Activity) -> Option<(bool, Bytes)> {
    if transport.agreed_on_http2() {
        return Some((true, Bytes::new()));
    }
    let mut start = [0; HTTP2_PREFACE.len()];
    let mut length = 0;
    while length < start.len() && start[..length] == HTTP2_PREFACE[..length] {
        let read = transport.read(&mut start[length..]).await.ok().filter(|read| *read > 0)?;
        activity.received();
        length += read;
    }
    Some((start == HTTP2_PREFACE, Bytes::copy_from_slice(&start[..length])))
}

/// Runs `work` unless the connection is told to end.
async fn until_ended<T>(activity: &Activity, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|cx| match activity.poll_ending(cx) {
        Some(_) => Poll::Ready(None),
        None => work.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Returns the stream, half closed.
async fn serve_http1(shared: Rc<Shared>, stream: Stream, activity: Rc<Activity>) -> Option<TcpStream> {
    let header_bytes = shared.config.limits.header_bytes;
    let service = {
        let activity = activity.clone();
        service_fn(move |request| answer(shared.clone(), activity.clone(), request))
    };
    let mut builder = http1::Builder::new();
    // hyper's own header timeout would set a timer per request; the sweep does it per connection.
    builder.header_read_timeout(None).max_buf_size(header_bytes.max(64 << 10)).max_header_size(header_bytes);
    let mut connection = builder.serve_connection(stream, service);
    poll_fn(|cx| poll_connection(Pin::new(&mut connection), &activity, cx, http1::Connection::graceful_shutdown))
        .await?;
    Some(connection.into_parts().io.into_tcp())
}

async fn serve_http2(shared: Rc<Shared>, stream: Stream, activity: Rc<Activity>) {
    activity.is_http2();
    let limits = &shared.config.limits;
    let mut builder = http2::Builder::new(Local);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes.try_into().unwrap_or(u32::MAX))
        // Windows as large as a usual tensor, so that an upload does not wait for updates.
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_frame_size(64 << 10);
    let service = {
        let activity = activity.clone();
        service_fn(move |request| answer(shared.clone(), activity.clone(), request))
    };
    let mut connection = pin!(builder.serve_connection(stream, service));
    poll_fn(|cx| poll_connection(connection.as_mut(), &activity, cx, http2::Connection::graceful_shutdown)).await;
}

fn poll_connection<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    activity: &Activity,
    cx: &mut Context<'_>,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> Poll<Option<()>> {
    match activity.poll_ending(cx) {
        Some(Ending::Now) => return Poll::Ready(None),
        Some(Ending::Gracefully) => shut_down(connection.as_mut()),
        None => {}
    }
    connection.poll(cx).map(|end| end.inspect_err(|error| tracing::debug!(%error, "connection ended")).ok())
}

/// Reads what the caller still sends, within bounds, so that closing does not turn into a reset that overtakes the
/// answer.
async fn linger(mut tcp: TcpStream, activity: &Activity) {
    let mut waste = vec![0; 64 << 10];
    let mut read = 0;
    while read < LINGER_BYTES {
        match tcp.read(&mut waste).await {
            Ok(bytes) if bytes > 0 => read += bytes,
            _ => return,
        }
        activity.sent();
    }
}

/// Runs the streams of an HTTP/2 connection on its own thread.
#[derive(Clone, Copy)]
struct Local;

impl<F: Future<Output = ()> + 'static> Executor<F> for Local {
    fn execute(&self, stream: F) {
        spawn_local(stream);
    }
}
