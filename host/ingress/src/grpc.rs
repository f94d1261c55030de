//! The Open Inference Protocol v2 over gRPC: `inference.GRPCInferenceService`, spoken directly over hyper's HTTP/2.
//!
//! A unary call is one framed message in and one out, so that it needs no channel and no task. Shared memory, trace and log
//! settings are refused as UNIMPLEMENTED.

mod calls;
pub(crate) mod encode;
pub(crate) mod frame;
pub(crate) mod infer;
pub(crate) mod message;
mod stream;
mod typed;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Version, header};
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, Failure};

use encode::Pieces;
pub(crate) use stream::Answers;

use crate::body::Reply;
use crate::handler::{self, Shared};
use crate::route::GRPC_SERVICE;
use crate::server::Activity;
use crate::{Body, call, oip, status_of};

pub(crate) const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const OK: HeaderValue = HeaderValue::from_static("0");

/// Answers one gRPC call.
pub(crate) async fn answer(shared: Rc<Shared>, activity: Rc<Activity>, request: Request<Incoming>) -> Response<Reply> {
    if let Some(refused) = refuse(&request) {
        return refused.map(Reply::Plain);
    }
    let caller_id = request.headers().get(call::X_REQUEST_ID).cloned();
    let (parts, body) = request.into_parts();
    let method = parts.uri.path().strip_prefix(GRPC_SERVICE).unwrap_or_default();
    let result = match method {
        "ModelInfer" => infer::unary(&shared, &activity, parts.headers, body).await,
        "ModelStreamInfer" => return stream::answer(shared, activity, parts.headers, body),
        method => Box::pin(calls::answer(&shared, &activity, method, &parts.headers, body)).await,
    };
    result.unwrap_or_else(|failure| handler::failed(&failure, caller_id, failed)).map(Reply::Plain)
}

/// What is no gRPC call at all is answered in HTTP's terms.
fn refuse(request: &Request<Incoming>) -> Option<Response<Body>> {
    let is_grpc = request.headers().get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value == b"application/grpc" || value == b"application/grpc+proto" || value.starts_with(b"application/grpc;")
    });
    if request.version() == Version::HTTP_2 && request.method() == Method::POST && is_grpc {
        return None;
    }
    let message = "gRPC calls are HTTP/2 POST requests of content-type application/grpc";
    let mut response = oip::error(&Failure::invalid(message));
    *response.status_mut() = http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
    Some(response)
}

/// A successful unary response around a framed message.
pub(crate) fn succeeded(framed: Bytes) -> Response<Body> {
    succeeded_in_pieces(Pieces { first: framed, rest: VecDeque::new() })
}

pub(crate) fn succeeded_in_pieces(framed: Pieces) -> Response<Body> {
    let mut response = Response::new(Body::grpc(framed.first, framed.rest, status_ok()));
    response.headers_mut().insert(header::CONTENT_TYPE, GRPC);
    response
}

pub(crate) fn status_ok() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert(GRPC_STATUS, OK);
    trailers
}

/// A response of trailers only.
fn failed(failure: &Failure) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.extend(status_failed(failure));
    if failure.kind == ErrorKind::Unsupported {
        headers.insert(GRPC_ACCEPT_ENCODING, HeaderValue::from_static("identity,gzip,deflate"));
    }
    response
}

pub(crate) fn status_failed(failure: &Failure) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(4);
    trailers.insert(GRPC_STATUS, HeaderValue::from(u16::from(status_of(failure.kind).grpc)));
    if let Ok(message) = HeaderValue::try_from(frame::percent_encode(&oip::public_text(failure))) {
        trailers.insert(GRPC_MESSAGE, message);
    }
    trailers
}

/// What a unary call comes to.
pub(crate) type Outcome = Result<Response<Body>, Failure>;

/// A service by the name and version of a message that asks what it is; an empty version means the default.
pub(crate) fn described(
    shared: &Shared,
    name: &str,
    version: &str,
    headers: &HeaderMap,
) -> Result<Arc<dyn scorehost_core::Service>, Failure> {
    shared.described(name, named(version), headers)
}

/// The version that a message names; none where it is empty.
pub(crate) fn named(version: &str) -> Option<&str> {
    (!version.is_empty()).then_some(version)
}
