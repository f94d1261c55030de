//! `GET /metrics`: at the HTTP door, and at an address of its own that answers nothing else.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use scorehost_core::Failure;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::{Body, IngressError, MetricsSource, oip};

/// Connections at once; Prometheus needs one.
const CONNECTIONS: usize = 16;
/// From the first byte of a request to the end of its headers, and the longest life of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const LIFE: Duration = Duration::from_secs(600);
/// Pause after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Answers `GET /metrics` of either address.
pub(crate) async fn answer(source: &dyn MetricsSource, headers: &HeaderMap) -> Result<Response<Body>, Failure> {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).map(str::to_owned);
    let metrics = source.scrape(accept).await?;
    let mut response = Response::new(Body::full(metrics.text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(metrics.content_type));
    Ok(response)
}

/// The metrics' own address, bound and not yet answering.
pub struct MetricsDoor {
    listener: StdListener,
    source: Arc<dyn MetricsSource>,
}

impl MetricsDoor {
    /// Binds the address; port 0 takes any free port.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn bind(address: SocketAddr, source: Arc<dyn MetricsSource>) -> Result<Self, IngressError> {
        let listen = || {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = listen().map_err(|cause| IngressError::Listen { address, cause })?;
        Ok(Self { listener, source })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stopped` completes. Needs a multi-threaded runtime with timers.
    ///
    /// # Errors
    /// When the listener cannot be used.
    pub async fn serve(self, stopped: impl Future<Output = ()>) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        tokio::select! {
            () = stopped => {}
            () = accept(listener, self.source) => {}
        }
        Ok(())
    }
}

async fn accept(listener: TcpListener, source: Arc<dyn MetricsSource>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Beyond the limit a connection is closed at once.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LIFE, connection(stream, source)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, source: Arc<dyn MetricsSource>) {
    let service = service_fn(move |request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(own(&*source, &request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    // How a connection ends is of no interest here.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

/// Answers one request at the metrics' own address.
async fn own(source: &dyn MetricsSource, request: &Request<Incoming>) -> Response<Body> {
    if request.uri().path() != "/metrics" {
        return oip::error(&Failure::not_found("only /metrics is served at this address"));
    }
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut response = oip::error(&Failure::invalid("use GET"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    answer(source, request.headers()).await.unwrap_or_else(|failure| oip::error(&failure))
}
