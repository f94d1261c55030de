//! The floor to measure against: a bare hyper echo that reads the body, parses the inference header as JSON, and sends the
//! body back, on single-threaded runtimes with `SO_REUSEPORT`.
//!
//! `floor ADDRESS THREADS` runs until it is killed.

use std::convert::Infallible;
use std::error::Error;
use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use socket2::{Domain, Socket, Type};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
}

#[derive(Deserialize)]
struct Input<'a> {
    name: &'a str,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().ok_or("ADDRESS is missing")?.parse()?;
    let threads: usize = arguments.next().ok_or("THREADS is missing")?.parse()?;
    let mut running = Vec::new();
    for _ in 0..threads {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        running.push(std::thread::spawn(move || accept(socket.into())));
    }
    for thread in running {
        thread.join().map_err(|_| "an acceptor thread panicked")??;
    }
    Ok(())
}

fn accept(listener: TcpListener) -> std::io::Result<()> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            spawn_local(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(echo)),
            );
        }
    })
}

async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let length =
        request.headers().get("inference-header-content-length").and_then(|value| value.to_str().ok()?.parse().ok());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let named = length
        .and_then(|length: usize| serde_json::from_slice::<Header<'_>>(body.get(..length)?).ok())
        .is_some_and(|header| header.inputs.iter().all(|input| !input.name.is_empty()));
    let mut response = Response::new(Full::new(if named { body } else { Bytes::new() }));
    if let Some(length) = length {
        response.headers_mut().insert("inference-header-content-length", length.into());
    }
    Ok(response)
}
