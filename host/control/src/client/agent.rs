//! HTTP, and what its failures mean.

use std::io::Read;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{Request, Response};
use scorehost_core::{Digest, ErrorKind, Failure, Secret, ServiceName};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::{Agent, AsSendBody, Body, SendBody};

use super::tls::{self, ClientTls};
use crate::routes::BASE;
use crate::wire;

/// Longest wait for the head of an answer: more than the server takes for any call but scoring.
const ANSWER: Duration = Duration::from_secs(120);

/// Longest wait for a scored answer.
const SCORED: Duration = Duration::from_secs(3600);

/// Bytes of a JSON answer at most.
const MAX_JSON: u64 = 256 << 20;

/// Bytes of a scored answer at most.
const MAX_ANSWER: u64 = 1 << 30;

/// A server to talk to.
pub struct Client {
    agent: Agent,
    base: String,
    credential: Option<Secret>,
}

/// What a service answered.
#[derive(Clone, Debug)]
pub struct ScoreAnswer {
    /// HTTP status.
    pub status: u16,
    /// Value of `content-type`.
    pub content_type: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `base`, such as `http://127.0.0.1:8080`. Connects with the first call.
    ///
    /// # Errors
    /// Where `base` is not such a URL.
    pub fn new(base: &str) -> Result<Self, Failure> {
        Self::with_tls(base, &ClientTls::default())
    }

    /// [`Client::new`], and over `https` with these files.
    ///
    /// # Errors
    /// Where `base` is not such a URL, or a file is not what it should be.
    pub fn with_tls(base: &str, tls: &ClientTls) -> Result<Self, Failure> {
        let base = base.trim_end_matches('/');
        let (scheme, authority) = base.split_once("://").unwrap_or_default();
        let authority = Some(authority).filter(|authority| !authority.is_empty() && matches!(scheme, "http" | "https"));
        let parsed = authority.and_then(|authority| authority.parse::<http::uri::Authority>().ok());
        if parsed.is_none() {
            let message = format!("server URL '{base}' is not of the form http://HOST:PORT or https://HOST:PORT");
            return Err(Failure::invalid(message).with_hint("give it with --server or SCOREHOST_URL"));
        }
        let mut config = Agent::config_builder();
        if scheme == "https" {
            config = config.tls_config(tls.config()?);
        }
        let config = config
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_resolve(Some(Duration::from_secs(10)))
            .timeout_connect(Some(Duration::from_secs(10)))
            .build();
        Ok(Self { agent: config.into(), base: base.to_owned(), credential: None })
    }

    /// The client with what it sends to say who it is.
    #[must_use]
    pub fn with_credential(mut self, credential: Option<Secret>) -> Self {
        self.credential = credential;
        self
    }

    /// URL of the server, without a slash at its end.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parse(self.call("GET", path, ())?)
    }

    pub(super) fn stream(&self, path: &str) -> Result<Box<dyn Read + Send>, Failure> {
        let answer = self.call("GET", path, ())?;
        Ok(Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    pub(super) fn send_json<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        document: &impl Serialize,
    ) -> Result<T, Failure> {
        let document = serde_json::to_vec(document).map_err(Failure::internal)?;
        parse(self.call(method, path, document.as_slice())?)
    }

    pub(super) fn delete(&self, path: &str) -> Result<(), Failure> {
        self.call("DELETE", path, ()).map(drop)
    }

    pub(super) fn delete_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        parse(self.call("DELETE", path, ())?)
    }

    pub(super) fn has_blob(&self, digest: &Digest) -> Result<bool, Failure> {
        let answer = self.send(self.request("HEAD", &format!("{BASE}/blobs/{digest}")), (), ANSWER)?;
        match answer.status().as_u16() {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(refusal(answer)),
        }
    }

    pub(super) fn put_blob(&self, digest: &Digest, size: u64, content: &mut dyn Read) -> Result<(), Failure> {
        let mut content = content;
        let request = self.request("PUT", &format!("{BASE}/blobs/{digest}")).header(CONTENT_LENGTH, size);
        let answer = self.send(request, SendBody::from_reader(&mut content), ANSWER)?;
        if answer.status().is_success() { Ok(()) } else { Err(refusal(answer)) }
    }

    /// Sends a body to a service's scoring URI; every status is an answer. The service sees `key`, or this client's own
    /// credential where none is given.
    ///
    /// # Errors
    /// Where the server cannot be reached or breaks off.
    pub fn score(
        &self,
        name: &ServiceName,
        key: Option<&Secret>,
        content_type: &str,
        body: &[u8],
    ) -> Result<ScoreAnswer, Failure> {
        let path = format!("/api/v1/service/{name}/score");
        let request = self.request_as(key.or(self.credential.as_ref()), "POST", &path);
        let answer = self.send(request.header("content-type", content_type), body, SCORED)?;
        let status = answer.status().as_u16();
        let content_type =
            answer.headers().get("content-type").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = answer.into_body().into_with_config().limit(MAX_ANSWER).read_to_vec();
        let body = body.map_err(|error| self.broken(&error))?;
        Ok(ScoreAnswer { status, content_type, body })
    }

    /// A call of the management API whose answer is a success.
    fn call(&self, method: &str, path: &str, body: impl AsSendBody) -> Result<Response<Body>, Failure> {
        let request = self.request(method, &format!("{BASE}{path}")).header("content-type", "application/json");
        let answer = self.send(request, body, ANSWER)?;
        if answer.status().is_success() { Ok(answer) } else { Err(refusal(answer)) }
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        self.request_as(self.credential.as_ref(), method, path)
    }

    fn request_as(&self, credential: Option<&Secret>, method: &str, path: &str) -> http::request::Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        match credential {
            Some(credential) => request.header(AUTHORIZATION, format!("Bearer {}", credential.reveal())),
            None => request,
        }
    }

    fn send(
        &self,
        request: http::request::Builder,
        body: impl AsSendBody,
        answer: Duration,
    ) -> Result<Response<Body>, Failure> {
        let request = request.body(body).map_err(|error| Failure::invalid(format!("not a request: {error}")))?;
        let request = self.agent.configure_request(request).timeout_recv_response(Some(answer)).build();
        self.agent.run(request).map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &ureq::Error) -> Failure {
        if let Some(failure) = tls::broken(&self.base, error) {
            return failure;
        }
        let refused = matches!(error, ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused)
            || matches!(error, ureq::Error::ConnectionFailed | ureq::Error::HostNotFound);
        let failure = if refused {
            Failure::new(ErrorKind::Unavailable, format!("no server answers at {}", self.base)).with_hint(
                "start one with 'scorehost serve --data-dir DIR', or name another with --server or SCOREHOST_URL",
            )
        } else if matches!(error, ureq::Error::Timeout(_)) {
            Failure::new(ErrorKind::Deadline, format!("the server at {} did not answer in time: {error}", self.base))
        } else {
            Failure::new(ErrorKind::Unavailable, format!("the connection to {} broke: {error}", self.base))
        };
        failure.with_detail(format!("{error:?}"))
    }
}

fn parse<T: DeserializeOwned>(answer: Response<Body>) -> Result<T, Failure> {
    let content = answer.into_body().into_with_config().limit(MAX_JSON).read_to_vec();
    let content =
        content.map_err(|error| Failure::new(ErrorKind::Unavailable, format!("the answer broke off: {error}")))?;
    serde_json::from_slice(&content).map_err(|error| {
        Failure::new(ErrorKind::Internal, format!("the server's answer is not what this version understands: {error}"))
            .with_hint("compare 'scorehost version' with the server's version")
    })
}

/// The failure in an answer that is not a success.
fn refusal(answer: Response<Body>) -> Failure {
    let status = answer.status();
    let content = answer.into_body().into_with_config().limit(MAX_JSON).read_to_vec().unwrap_or_default();
    if let Ok(refusal) = serde_json::from_slice::<wire::Refusal>(&content) {
        return refusal.error.into();
    }
    let kind = match status.as_u16() {
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        503 => ErrorKind::Unavailable,
        400..=499 => ErrorKind::InvalidInput,
        _ => ErrorKind::Internal,
    };
    let text: String = String::from_utf8_lossy(&content).chars().take(500).collect();
    Failure::new(kind, format!("the server answered {status}: {text}"))
        .with_hint("is this the address of a scorehost server?")
}
