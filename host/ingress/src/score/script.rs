//! Calls an entry script and carries its answer out.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use scorehost_core::{EntryScriptDescription, Failure, RawRequest, RawResponse, Service};
use serde::de::IgnoredAny;

use super::{RUN_FUNCTION_FAILED, Scored, error};
use crate::handler::Shared;
use crate::route::Route;
use crate::{Body, call, encoding, oip};

const RUN_FN_EXEC_MS: HeaderName = HeaderName::from_static("x-ms-run-fn-exec-ms");

/// Headers that belong to the connection or to this door, which a script cannot set.
const OURS: [HeaderName; 4] = [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE];

/// Measures the time of a scoring call.
pub(crate) struct Watch(Instant);

impl Watch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Writes the milliseconds since the start, three decimals.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let milliseconds = self.0.elapsed().as_secs_f64() * 1e3;
        if let Ok(value) = HeaderValue::try_from(format!("{milliseconds:.3}")) {
            headers.insert(RUN_FN_EXEC_MS, value);
        }
    }
}

/// Runs the script on a complete body.
pub(crate) async fn run(
    shared: &Shared,
    service: Arc<dyn Service>,
    script: &EntryScriptDescription,
    Scored { parts, terms, ids }: Scored<'_>,
    body: Bytes,
) -> Result<Response<Body>, Failure> {
    if let Some(refused) = refuse(script, &parts.method, &body) {
        return Ok(refused);
    }
    let accepted = encoding::accepted(&parts.headers);
    let request = RawRequest {
        method: parts.method.as_str().to_owned(),
        path: Route::below_score(parts.uri.path()).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        content_type: parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned),
    };
    let context = call::context(ids.name_in(parts.headers), terms);
    let watch = Watch::start();
    let answer = service.score(request, context).await?;
    let mut response = response(answer)?;
    if !script.http_handler {
        // What the interface package promises a script that names no type.
        response.headers_mut().entry(header::CONTENT_TYPE).or_insert(oip::JSON);
    }
    watch.write(response.headers_mut());
    if response.headers().contains_key(header::CONTENT_ENCODING) {
        return Ok(response);
    }
    encoding::apply(accepted, shared.config.compress_from, response).await
}

/// What the script would have to refuse, refused before it runs.
pub(crate) fn refuse(script: &EntryScriptDescription, method: &Method, body: &[u8]) -> Option<Response<Body>> {
    if script.raw_http || method != Method::POST {
        return None;
    }
    if let Err(flaw) = std::str::from_utf8(body) {
        let message =
            format!("the body is not UTF-8 from byte {} on; this entry script takes text", flaw.valid_up_to());
        return Some(error(StatusCode::BAD_REQUEST, &message));
    }
    if script.input_schema.is_some()
        && let Err(flaw) = serde_json::from_slice::<IgnoredAny>(body)
    {
        let message = format!("the body is not JSON, which the schema of this entry script asks for: {flaw}");
        return Some(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message));
    }
    None
}

/// The script's answer with its own status and headers. A status of 500 or more is the script's own fault and marked as
/// such.
fn response(answer: RawResponse) -> Result<Response<Body>, Failure> {
    let invalid = |what: String| Failure::new(scorehost_core::ErrorKind::ScorerFault, what);
    let status = StatusCode::from_u16(answer.status)
        .ok()
        .filter(|status| !status.is_informational() && *status <= StatusCode::from_u16(599).unwrap_or(*status))
        .ok_or_else(|| invalid(format!("the scorer answered with status {}, which is none", answer.status)))?;
    let failed = if status.is_server_error() { "True" } else { "False" };
    let mut response = Response::new(Body::full(answer.body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value)) else {
            let name: String = name.chars().take(64).collect();
            return Err(invalid(format!("the scorer set a header '{name}' that is not valid HTTP")));
        };
        if !OURS.contains(&name) {
            headers.append(name, value);
        }
    }
    headers.insert(RUN_FUNCTION_FAILED, HeaderValue::from_static(failed));
    Ok(response)
}
