//! Requests to other servers: only those whose hosts the deployment lists (`scorehost.grants.outbound`).
//!
//! ```no_run
//! # fn look_up() -> scorehost::Result<String> {
//! let response = scorehost::http::get("https://features.example.com/customers/7").send()?;
//! let record = response.successful()?.text()?.to_owned();
//! # Ok(record) }
//! ```
//!
//! A request takes at most what is left of the call's time. Redirects are not followed: a response with status 3xx comes back as it
//! is, and following it is a request of its own. A host that the deployment does not list is an error; which rule refused it is in
//! the service's log.

use std::time::Duration;

use crate::bindings::http::wasi::http::outgoing_handler;
use crate::bindings::http::wasi::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::http::wasi::io::streams::StreamError;
use crate::{Error, ErrorKind, Result};

/// Bytes that one write to a stream may have.
const CHUNK: usize = 4096;

/// A request to be sent.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
}

/// A `GET` request.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A `POST` request with a body.
pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", url).body(body)
}

impl Request {
    /// A request of any method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new(), timeout: None }
    }

    /// Adds a header. The host sets `host`, and refuses those of the connection.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The longest wait for a connection, for the response, and between two parts of its body.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends it and waits for the whole response.
    ///
    /// # Errors
    /// `InvalidInput` where the URL, the method or a header is none; `Unavailable` where there is no response.
    pub fn send(self) -> Result<Response> {
        let url = self.url.clone();
        let refused = |code: &ErrorCode| {
            Error::new(ErrorKind::Unavailable, format!("no response from {url}: {code:?}; see the service's log"))
        };
        let request = self.outgoing()?;
        let body = request.body().map_err(|()| Error::internal("the request's content-length is none"))?;
        let options = self.timeout.map(options);
        let response = outgoing_handler::handle(request, options).map_err(|code| refused(&code))?;
        write(body, &self.body).map_err(|what| Error::new(ErrorKind::Unavailable, format!("{url}: {what}")))?;
        response.subscribe().block();
        let received = response.get().and_then(Result::ok);
        let received = received.ok_or_else(|| Error::internal("the response was taken before"))?;
        read(&received.map_err(|code| refused(&code))?)
            .map_err(|what| Error::new(ErrorKind::Unavailable, format!("{url}: {what}")))
    }

    fn outgoing(&self) -> Result<OutgoingRequest> {
        let invalid = |what: &str| Error::invalid(format!("{what} of a request to '{}' is invalid", self.url));
        let (scheme, rest) = self.url.split_once("://").ok_or_else(|| invalid("the URL"))?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(invalid("the scheme")),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let mut headers: Vec<(String, Vec<u8>)> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone().into_bytes())).collect();
        if !self.body.is_empty() && !headers.iter().any(|(name, _)| name == "content-length") {
            headers.push(("content-length".into(), self.body.len().to_string().into_bytes()));
        }
        let fields = Fields::from_list(&headers).map_err(|_| invalid("a header"))?;
        let request = OutgoingRequest::new(fields);
        request.set_method(&method(&self.method)).map_err(|()| invalid("the method"))?;
        request.set_scheme(Some(&scheme)).map_err(|()| invalid("the scheme"))?;
        request.set_authority(Some(authority)).map_err(|()| invalid("the host"))?;
        request.set_path_with_query(Some(&path)).map_err(|()| invalid("the path"))?;
        Ok(request)
    }
}

/// A response, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers whose values are text.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; `name` is compared without case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers.iter().find(named).map(|(_, value)| value.as_str())
    }

    /// The response where its status is 200 to 299.
    ///
    /// # Errors
    /// `Unavailable` with the status.
    pub fn successful(self) -> Result<Self> {
        match self.status {
            200..=299 => Ok(self),
            status => Err(Error::new(ErrorKind::Unavailable, format!("the other server answered {status}"))),
        }
    }

    /// The body as text.
    ///
    /// # Errors
    /// `Internal` where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|error| Error::internal(format!("the response is not UTF-8: {error}")))
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// `Internal` where it is not, or not of this shape.
    #[cfg(feature = "json")]
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::internal(format!("the response: {error}")))
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn options(timeout: Duration) -> RequestOptions {
    let options = RequestOptions::new();
    let nanoseconds = Some(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX));
    // A host that does not know one of them waits as long as the call lasts.
    let _ = options.set_connect_timeout(nanoseconds);
    let _ = options.set_first_byte_timeout(nanoseconds);
    let _ = options.set_between_bytes_timeout(nanoseconds);
    options
}

fn write(body: OutgoingBody, content: &[u8]) -> Result<(), String> {
    let stream = body.write().map_err(|()| "the request's body was taken before".to_owned())?;
    for part in content.chunks(CHUNK) {
        match stream.blocking_write_and_flush(part) {
            Ok(()) => {}
            // The other side has read enough; what it says is in the response.
            Err(StreamError::Closed) => break,
            Err(error) => return Err(format!("the request broke off: {error:?}")),
        }
    }
    drop(stream);
    let finished = OutgoingBody::finish(body, None);
    finished.map_err(|code| format!("the request broke off: {code:?}"))
}

fn read(response: &IncomingResponse) -> Result<Response, String> {
    let headers = response.headers().entries().into_iter();
    let headers = headers.filter_map(|(name, value)| Some((name, String::from_utf8(value).ok()?))).collect();
    let body = response.consume().map_err(|()| "the response was taken before".to_owned())?;
    let stream = body.stream().map_err(|()| "the response was taken before".to_owned())?;
    let mut content = Vec::new();
    loop {
        match stream.blocking_read(1 << 20) {
            Ok(part) => content.extend(part),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(error)) => {
                return Err(format!("the response broke off: {}", error.to_debug_string()));
            }
        }
    }
    Ok(Response { status: response.status(), headers, body: content })
}
