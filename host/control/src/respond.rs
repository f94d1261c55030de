//! Answers in the API's own JSON.

use http::{Response, StatusCode, header};
use serde::Serialize;

use crate::body::{Body, full};

/// `value` as a JSON answer.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    let mut response = Response::new(full(encode(value)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(bytes::Bytes::new()));
    *response.status_mut() = status;
    response
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    // Wire types hold only strings, numbers, lists and maps with string keys, which always encode.
    serde_json::to_vec(value).unwrap_or_default()
}
