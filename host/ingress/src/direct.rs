//! One scoring request without a connection: the scoring door's work for callers in this process.

use std::sync::Arc;

use http_body_util::BodyExt;
use scorehost_core::{CallContext, Failure, Interface, RawRequest, RawResponse, Service};

use crate::config::Limits;
use crate::oip;

/// Scores one body as `POST /api/v1/service/<name>/score` would: an entry script gets it as it is, a service of tensors as the
/// JSON of the Open Inference Protocol.
///
/// # Errors
/// Those of the service, with their internal detail; `InvalidInput` where the body is not what the service takes.
pub async fn score_once(
    service: &Arc<dyn Service>,
    request: RawRequest,
    call: CallContext,
) -> Result<RawResponse, Failure> {
    if matches!(service.status().interface, Interface::EntryScript(_)) {
        return service.score(request, call).await;
    }
    let decoded = oip::infer::decode(service.status(), &Limits::default(), &request.body, request.body.len())?;
    let answer = service.infer(decoded.request, call).await?;
    let response = oip::response::write(service.status(), &decoded.form, &answer.outputs)?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(Failure::internal)?.to_bytes();
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if let Some(cached) = answer.cached {
        headers.push(("x-scorehost-cache".to_owned(), if cached { "hit" } else { "miss" }.to_owned()));
    }
    Ok(RawResponse { status, headers, body })
}
