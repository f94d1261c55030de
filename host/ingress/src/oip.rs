//! The Open Inference Protocol v2 over REST, with the binary tensor, statistics, model configuration and model
//! repository extensions.

pub(crate) mod element;
pub(crate) mod infer;
pub(crate) mod metadata;
pub(crate) mod repository;
pub(crate) mod request;
pub(crate) mod response;
pub(crate) mod statistics;
pub(crate) mod tensor;

use bytes::BytesMut;
use http::{HeaderValue, Response, header};
use scorehost_core::Failure;

use crate::Body;
use crate::json::{document, push_string};
use crate::status::status_of;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `{"error": …}` with the status of the failure's kind.
pub(crate) fn error(failure: &Failure) -> Response<Body> {
    let mut text = BytesMut::with_capacity(64 + failure.message.len());
    text.extend_from_slice(b"{\"error\":");
    push_string(&mut text, &public_text(failure));
    text.extend_from_slice(b"}");
    let mut response = json(Body::full(text.freeze()));
    *response.status_mut() = status_of(failure.kind).http;
    crate::auth::dress(failure, &mut response);
    response
}

/// Message and hint in one line, for protocols whose errors are one text.
pub(crate) fn public_text(failure: &Failure) -> std::borrow::Cow<'_, str> {
    match &failure.hint {
        Some(hint) => format!("{}; {hint}", failure.message).into(),
        None => failure.message.as_ref().into(),
    }
}

/// A 200 with a JSON document.
pub(crate) fn ok(value: &impl serde::Serialize) -> Response<Body> {
    json(document(value))
}

pub(crate) fn json(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}
