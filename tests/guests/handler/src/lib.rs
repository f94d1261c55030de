//! A standard HTTP handler (world `wasi:http/proxy`) that knows nothing of this project: it tells method, path, query, a header and the number of credentials,
//! sends bodies back, answers 418, and traps, each by its path.

use bindings::exports::wasi::http::incoming_handler::Guest;
use bindings::wasi::http::types::{Fields, IncomingRequest, Method, OutgoingBody, OutgoingResponse, ResponseOutparam};
use bindings::wasi::io::streams::StreamError;

mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/deps/wasi-http@0.2.12", world: "proxy", generate_all });
}

struct Handler;

impl Guest for Handler {
    fn handle(request: IncomingRequest, out: ResponseOutparam) {
        let path = request.path_with_query().unwrap_or_default();
        match path.split('?').next() {
            Some("/echo") => {
                let body = body_of(&request);
                answer(out, 200, &body);
            }
            Some("/teapot") => answer(out, 418, b"short and stout"),
            Some("/trap") => trap(),
            _ => {
                let colour = request.headers().get("x-colour").into_iter().next().unwrap_or_default();
                let secrets = request.headers().get("authorization").len();
                let text = format!("{} {path} {} {secrets}", name(&request.method()), String::from_utf8_lossy(&colour));
                answer(out, 200, text.as_bytes());
            }
        }
    }
}

bindings::export!(Handler with_types_in bindings);

fn name(method: &Method) -> String {
    match method {
        Method::Get => "GET".to_owned(),
        Method::Post => "POST".to_owned(),
        Method::Delete => "DELETE".to_owned(),
        other => format!("{other:?}"),
    }
}

fn body_of(request: &IncomingRequest) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(body) = request.consume() else { return bytes };
    let Ok(stream) = body.stream() else { return bytes };
    loop {
        match stream.blocking_read(1 << 16) {
            Ok(part) => bytes.extend(part),
            Err(StreamError::Closed | StreamError::LastOperationFailed(_)) => return bytes,
        }
    }
}

fn answer(out: ResponseOutparam, status: u16, bytes: &[u8]) {
    let headers = Fields::new();
    let _ = headers.append("content-type", b"text/plain");
    let response = OutgoingResponse::new(headers);
    let _ = response.set_status_code(status);
    let Ok(body) = response.body() else { return };
    ResponseOutparam::set(out, Ok(response));
    if let Ok(stream) = body.write() {
        for part in bytes.chunks(4096) {
            let _ = stream.blocking_write_and_flush(part);
        }
    }
    let _ = OutgoingBody::finish(body, None);
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    std::arch::wasm32::unreachable();
}
