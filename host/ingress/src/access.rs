//! The access log: one line per answered request, where the log filter asks for it.

use std::rc::Rc;
use std::time::Instant;

use http::{Request, Response};
use hyper::body::Incoming;
pub(crate) use scorehost_telemetry::access::enabled;
use scorehost_telemetry::access::{Access, record};

use crate::body::Reply;
use crate::call::X_REQUEST_ID;
use crate::grpc::GRPC_STATUS;
use crate::handler::{self, Shared};
use crate::route::GRPC_SERVICE;
use crate::server::Activity;

/// Longest part of a path that a line shows, in bytes.
const PATH: usize = 256;

/// Answers one request and writes its line.
pub(crate) async fn recorded(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    request: Request<Incoming>,
) -> Response<Reply> {
    let began = Instant::now();
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let caller_id = request.headers().get(X_REQUEST_ID).cloned();
    let response = handler::dispatch(shared, activity, request).await;
    let path = uri.path();
    let grpc = path.starts_with(GRPC_SERVICE);
    let id = response.headers().get(X_REQUEST_ID).or(caller_id.as_ref());
    record(&Access {
        protocol: if grpc { "grpc" } else { "http" },
        method: method.as_str(),
        path: &path[..path.floor_char_boundary(PATH)],
        status: if grpc { grpc_code(&response) } else { response.status().as_u16() },
        duration: began.elapsed(),
        request_id: id.and_then(|id| id.to_str().ok()).unwrap_or_default(),
    });
    response
}

/// The code of a call that failed before its answer began; 0 for every other.
fn grpc_code(response: &Response<Reply>) -> u16 {
    let code = response.headers().get(GRPC_STATUS).and_then(|code| code.to_str().ok());
    code.and_then(|code| code.parse().ok()).unwrap_or(0)
}
