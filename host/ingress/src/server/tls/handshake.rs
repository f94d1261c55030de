//! The beginning of a TLS connection, and what callers hear who do not begin one.

use std::io::{self, Write};
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Tls, certificate};

/// First byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Reading what a refused caller still sends, so that it hears why.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection after its handshake.
pub(crate) struct Secured {
    pub(crate) stream: TlsStream<TcpStream>,
    /// Subject of the caller's certificate, where it showed one.
    pub(crate) peer: Option<String>,
}

/// Shakes hands within `limit`; `None` where that fails, after the caller was told.
pub(crate) async fn accept(tls: &Tls, tcp: TcpStream, limit: Duration) -> Option<Secured> {
    let peer = tcp.peer_addr().ok();
    let reason = match timeout(limit, shake(tls, tcp)).await {
        Ok(Ok(secured)) => return Some(secured),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not done within {} s", limit.as_secs()),
    };
    tls.failed_handshakes.fetch_add(1, Ordering::Relaxed);
    tracing::debug!(peer = peer.map(tracing::field::display), reason, "TLS handshake failed");
    None
}

async fn shake(tls: &Tls, tcp: TcpStream) -> io::Result<Secured> {
    let mut first = [0; 3];
    let seen = tcp.peek(&mut first).await?;
    if seen > 0 && first[0] != HANDSHAKE {
        return Err(refuse_plain(tcp, &first[..seen]).await);
    }
    let acceptor = TlsAcceptor::from(tls.loaded().config.clone());
    match acceptor.accept(tcp).into_fallible().await {
        Ok(stream) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let peer = certificates.and_then(<[_]>::first).and_then(|der| certificate::subject(der));
            Ok(Secured { stream, peer })
        }
        Err((error, tcp)) => {
            farewell(tcp).await;
            Err(error)
        }
    }
}

/// Tells a caller without TLS to use it, in the protocol that it began to speak.
async fn refuse_plain(tcp: TcpStream, first: &[u8]) -> io::Error {
    let answer = if first == b"PRI" { http2_answer() } else { http1_answer() };
    // The answer fits any socket buffer.
    let _ = (&*SockRef::from(&tcp)).write(&answer);
    farewell(tcp).await;
    io::Error::new(io::ErrorKind::InvalidData, "the caller does not speak TLS")
}

const USE_TLS: &str = "this port speaks TLS only; use https:// (gRPC: a secure channel)";

fn http1_answer() -> Vec<u8> {
    let body = format!("{{\"error\":\"{USE_TLS}\"}}");
    let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n";
    format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// An empty SETTINGS frame, and GOAWAY with the code INADEQUATE_SECURITY and the reason (RFC 9113, 6.5 and 6.8).
fn http2_answer() -> Vec<u8> {
    let mut answer = vec![0, 0, 0, 4, 0, 0, 0, 0, 0];
    let length = u8::try_from(8 + USE_TLS.len()).unwrap_or(8);
    answer.extend([0, 0, length, 7, 0, 0, 0, 0, 0]);
    answer.extend([0, 0, 0, 0, 0, 0, 0, 0xc]);
    answer.extend(&USE_TLS.as_bytes()[..usize::from(length) - 8]);
    answer
}

/// Lets the last answer arrive: closing with bytes unread would turn into a reset that overtakes it.
async fn farewell(mut tcp: TcpStream) {
    let _ = SockRef::from(&tcp).shutdown(std::net::Shutdown::Write);
    let drained = async {
        let mut waste = [0; 4096];
        while tcp.read(&mut waste).await.is_ok_and(|read| read > 0) {}
    };
    let _ = timeout(FAREWELL, drained).await;
}
