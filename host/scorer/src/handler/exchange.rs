//! Requests into `wasi:http` and responses out of it.

use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full};
use scorehost_core::{CallContext, RawRequest, RawResponse};
use tokio::sync::oneshot::Receiver;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

/// Bytes that a handler may answer with.
const MAX_ANSWER: usize = 100 << 20;

/// The authority of a request that names none.
const NO_HOST: HeaderValue = HeaderValue::from_static("localhost");

/// How a handler ended a request.
pub(super) enum Answered {
    Response(RawResponse),
    /// With a code of `wasi:http` instead of a response.
    Error(String),
    /// Not at all.
    Never,
}

/// The request as the guest sees it: the path below the scoring path, the caller's headers, the body with its content
/// encodings undone.
pub(super) fn request_of(request: RawRequest, call: &CallContext) -> wasmtime::Result<Request<Full<Bytes>>> {
    let target = if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
    let length = request.body.len();
    let mut made = Request::new(Full::new(request.body));
    *made.method_mut() = Method::from_bytes(request.method.as_bytes())?;
    *made.uri_mut() = target.parse::<Uri>()?;
    let headers = made.headers_mut();
    for (name, value) in call.headers.iter().flat_map(|headers| headers.all()) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.append(name, value);
        }
    }
    headers.remove(header::CONTENT_ENCODING);
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.entry(header::HOST).or_insert(NO_HOST);
    if let Some(content_type) = request.content_type.and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.entry(header::CONTENT_TYPE).or_insert(content_type);
    }
    Ok(made)
}

/// Waits for the response's head, then takes its body.
pub(super) async fn answer(
    head: Receiver<Result<hyper::Response<HyperOutgoingBody>, ErrorCode>>,
) -> wasmtime::Result<Answered> {
    let (parts, mut body) = match head.await {
        Ok(Ok(response)) => response.into_parts(),
        Ok(Err(code)) => return Ok(Answered::Error(format!("{code:?}"))),
        Err(_) => return Ok(Answered::Never),
    };
    let mut content = Parts::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| wasmtime::format_err!("its response's body broke off: {error}"))?;
        // Trailers have no place in a buffered answer.
        if let Ok(data) = frame.into_data() {
            content.push(data)?;
        }
    }
    let headers = parts.headers.iter();
    let headers =
        headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    Ok(Answered::Response(RawResponse {
        status: parts.status.as_u16(),
        headers: headers.collect(),
        body: content.finish(),
    }))
}

/// A body as it comes: one part stays as it is, more are put together.
#[derive(Default)]
struct Parts {
    first: Bytes,
    all: BytesMut,
}

impl Parts {
    fn push(&mut self, part: Bytes) -> wasmtime::Result<()> {
        if self.first.is_empty() && self.all.is_empty() && part.len() <= MAX_ANSWER {
            self.first = part;
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        if self.all.len() + first.len() + part.len() > MAX_ANSWER {
            return Err(wasmtime::format_err!("its response is longer than {MAX_ANSWER} bytes"));
        }
        self.all.extend_from_slice(&first);
        self.all.extend_from_slice(&part);
        Ok(())
    }

    fn finish(self) -> Bytes {
        if self.all.is_empty() { self.first } else { self.all.freeze() }
    }
}
