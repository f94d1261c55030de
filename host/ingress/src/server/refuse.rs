//! What a connection above the limit hears.

use std::io::Write;

use socket2::SockRef;
use tokio::net::TcpStream;

/// Answers 503 without reading the request, and closes. The answer fits any socket buffer; a caller that gets a reset
/// instead learns the same.
pub(crate) fn refuse(stream: &TcpStream, limit: usize, tls: bool) {
    let answer = if tls { TLS_ALERT.to_vec() } else { http_answer(limit) };
    let mut socket = &*SockRef::from(stream);
    let _ = socket.write(&answer);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    // Bytes left unread would turn the close into a reset that can overtake the answer.
    let _ = stream.try_read(&mut [0; 4096]);
}

/// A fatal alert `internal_error`: before a handshake TLS has no other words (RFC 8446, section 6).
const TLS_ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];

fn http_answer(limit: usize) -> Vec<u8> {
    let body = format!("{{\"error\":\"all {limit} connections of this host are in use; try again later\"}}");
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
