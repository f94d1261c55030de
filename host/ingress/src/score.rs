//! The Azure scoring door: `/api/v1/service/<name>/score` and its `swagger.json`.
//!
//! Behaves like the server inside Azure's containers (PyPI `azureml-inference-server-http`), with the status codes of the
//! router around it.

mod cors;
pub(crate) mod ids;
pub(crate) mod script;
mod swagger;

use std::rc::Rc;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, Failure, Interface, Service};

use crate::handler::{Shared, label, log, write_label};
use crate::json::document;
use crate::route::Route;
use crate::server::Activity;
use crate::terms::Terms;
use crate::{Body, auth, encoding, oip, read, status_of};

pub(crate) const RUN_FUNCTION_FAILED: HeaderName = HeaderName::from_static("x-ms-run-function-failed");

/// Answers one request of the scoring door.
pub(crate) async fn answer(shared: Rc<Shared>, activity: Rc<Activity>, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let origin = cors::allowed(&shared.config.cors_origins, &parts.headers);
    let ids = ids::Ids::of(&parts.headers);
    let mut response = match &ids {
        Ok(ids) => route(&shared, &activity, parts, body, ids).await,
        Err(message) => error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, message),
    };
    if let Ok(ids) = ids {
        ids.write(response.headers_mut());
    }
    if let Some(origin) = origin {
        cors::write(origin, response.headers_mut());
    }
    response
}

async fn route(shared: &Shared, activity: &Activity, parts: Parts, body: Incoming, ids: &ids::Ids) -> Response<Body> {
    let uri = parts.uri.clone();
    let result = match Route::of(uri.path()) {
        Route::Swagger(name) => match auth::reading(shared, activity, &name, &parts.headers).await {
            Ok(_) => swagger::answer(shared, &parts, &name),
            Err(failure) => Err(failure),
        },
        Route::Score(name) => score(shared, activity, parts, body, ids, &name).await,
        _ => Err(Failure::internal("a path of another door")),
    };
    result.unwrap_or_else(|failure| {
        log(&failure, &ids.request);
        failed(&failure)
    })
}

async fn score(
    shared: &Shared,
    activity: &Activity,
    parts: Parts,
    body: Incoming,
    ids: &ids::Ids,
    name: &str,
) -> Result<Response<Body>, Failure> {
    let caller = match auth::scoring(shared, activity, name, &parts.headers).await {
        // A browser asks before it posts, and never with a credential: the door answers, the script does not run.
        Err(failure) if parts.method == Method::OPTIONS && failure.kind == ErrorKind::Unauthenticated => {
            return Ok(method(&parts.method));
        }
        decided => decided?,
    };
    let routed = shared.route(name, None, &parts.headers, caller.as_deref())?;
    let label = label(&routed);
    let terms = Terms::of(&parts.headers)?.called_by(caller);
    let mut response = routed_to(shared, activity, Scored { parts, terms, ids }, body, routed.service).await?;
    write_label(label, response.headers_mut());
    Ok(response)
}

/// What is known of a scoring request before its body is read.
pub(crate) struct Scored<'a> {
    pub(crate) parts: Parts,
    pub(crate) terms: Terms,
    pub(crate) ids: &'a ids::Ids,
}

async fn routed_to(
    shared: &Shared,
    activity: &Activity,
    scored: Scored<'_>,
    body: Incoming,
    service: Arc<dyn Service>,
) -> Result<Response<Body>, Failure> {
    let parts = &scored.parts;
    let interface = service.status().interface.clone();
    let handler = matches!(&interface, Interface::EntryScript(script) if script.http_handler);
    if !handler && Route::below_score(parts.uri.path()) != "/" {
        return Err(no_path(&service));
    }
    let allowed = match &interface {
        Interface::EntryScript(script) if script.http_handler => true,
        Interface::EntryScript(script) if script.raw_http => {
            matches!(parts.method, Method::GET | Method::POST | Method::OPTIONS)
        }
        Interface::EntryScript(_) => matches!(parts.method, Method::GET | Method::POST),
        Interface::Tensors(_) => parts.method == Method::POST,
    };
    if !allowed {
        return Ok(method(&parts.method));
    }
    let limit = shared.config.limits.body_bytes;
    let offset = oip::infer::tensor_offset(&parts.headers);
    let body = activity.reading(read::read_aligned(body, limit, |_| offset)).await?;
    let body = encoding::undo(&parts.headers, body, limit).await?;
    match interface {
        Interface::EntryScript(description) => script::run(shared, service, &description, scored, body).await,
        Interface::Tensors(_) => tensors(shared, service, scored, body).await,
    }
}

#[cold]
fn no_path(service: &Arc<dyn Service>) -> Failure {
    let name = &service.status().name;
    Failure::not_found(format!("service '{name}' has no paths below its scoring path"))
        .with_hint(format!("its scoring URI is /api/v1/service/{name}/score; only HTTP handlers have paths below it"))
}

/// A service of tensors takes the Open Inference Protocol's body here too.
async fn tensors(
    shared: &Shared,
    service: Arc<dyn Service>,
    Scored { parts, terms, ids }: Scored<'_>,
    body: bytes::Bytes,
) -> Result<Response<Body>, Failure> {
    let watch = script::Watch::start();
    let head = oip::infer::Head { headers: ids.name_in(parts.headers), terms };
    let mut response = oip::infer::run(shared, service, head, body).await?;
    response.headers_mut().insert(RUN_FUNCTION_FAILED, HeaderValue::from_static("False"));
    watch.write(response.headers_mut());
    Ok(response)
}

/// OPTIONS is always answered: browsers ask before they post.
fn method(method: &Method) -> Response<Body> {
    if method == Method::OPTIONS {
        return Response::new(Body::empty());
    }
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
    response.headers_mut().insert(http::header::ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
    response
}

/// `{"message": …}`
fn error(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = oip::json(document(&serde_json::json!({ "message": message })));
    *response.status_mut() = status;
    response
}

fn failed(failure: &Failure) -> Response<Body> {
    let mut response = error(status_of(failure.kind).http, &oip::public_text(failure));
    auth::dress(failure, &mut response);
    if failure.kind == ErrorKind::ScorerFault || failure.kind == ErrorKind::Deadline {
        response.headers_mut().insert(RUN_FUNCTION_FAILED, HeaderValue::from_static("True"));
    }
    if failure.kind.retryable() && response.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
