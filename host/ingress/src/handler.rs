//! Takes a request to its answer. Errors become responses here, each door in its own form.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, Failure, Service};

use crate::body::Reply;
use crate::route::{ModelCall, ModelRoute, Route};
use crate::server::Activity;
use crate::{Body, Doors, IngressConfig, access, call, grpc, oip, score};

/// What the requests of one acceptor thread share.
pub(crate) struct Shared {
    pub(crate) config: Arc<IngressConfig>,
    pub(crate) doors: Doors,
    /// Connections open in all threads.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Shared {
    /// The live service of that name, and of that version where the caller names one.
    pub(crate) fn service(&self, name: &str, version: Option<&str>) -> Result<Arc<dyn Service>, Failure> {
        let service = self.doors.plane.service(name).ok_or_else(|| no_service(name))?;
        match version {
            Some(version) if *service.status().version != *version => Err(no_version(&service, version)),
            _ => Ok(service),
        }
    }
}

/// A name as a message shows it: names may come from anywhere and be of any length.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cold]
fn no_service(name: &str) -> Failure {
    Failure::not_found(format!("no service named '{}' is deployed", shown(name)))
        .with_hint("POST /v2/repository/index lists what there is")
}

#[cold]
fn no_version(service: &Arc<dyn Service>, version: &str) -> Failure {
    let status = service.status();
    Failure::not_found(format!(
        "service '{}' has no version '{}'; version '{}' is live",
        status.name,
        shown(version),
        status.version
    ))
}

/// Answers one request of any protocol.
pub(crate) async fn answer(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<Reply>, Infallible> {
    let _in_flight = activity.request();
    if access::enabled() {
        return Ok(Box::pin(access::recorded(shared, activity, request)).await);
    }
    Ok(dispatch(shared, activity, request).await)
}

/// [`answer`] without what surrounds every request.
pub(crate) async fn dispatch(
    shared: Rc<Shared>,
    activity: Rc<Activity>,
    request: Request<Incoming>,
) -> Response<Reply> {
    let path = request.uri().path();
    if request.method() == Method::POST && path.ends_with("/infer") {
        return infer(&shared, &activity, request).await.map(Reply::Plain);
    }
    // Everything else is off the hot path of HTTP/1.1 and must not make its future larger.
    let other: Pin<Box<dyn Future<Output = Response<Reply>>>> = if path.starts_with(crate::route::GRPC_SERVICE) {
        Box::pin(grpc::answer(shared, activity, request))
    } else {
        Box::pin(async { other(shared, activity, request).await.map(Reply::Plain) })
    };
    other.await
}

async fn infer(shared: &Shared, activity: &Activity, request: Request<Incoming>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Route::Model(ModelRoute { name, version, what: ModelCall::Infer }) = Route::of(parts.uri.path()) else {
        return oip::error(&no_path(parts.uri.path()));
    };
    let caller_id = parts.headers.get(call::X_REQUEST_ID).cloned();
    let result = match shared.service(&name, version.as_deref()) {
        Ok(service) => oip::infer::infer(shared, activity, service, parts.headers, body).await,
        Err(failure) => Err(failure),
    };
    result.unwrap_or_else(|failure| failed(&failure, caller_id, oip::error))
}

async fn other(shared: Rc<Shared>, activity: Rc<Activity>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let caller_id = request.headers().get(call::X_REQUEST_ID).cloned();
    match Route::of(path) {
        Route::Score(_) | Route::Swagger(_) => score::answer(shared, activity, request).await,
        Route::Management => {
            let result = shared.doors.management.call(request).await;
            result.unwrap_or_else(|failure| failed(&failure, caller_id, management_error))
        }
        Route::Root if request.method() == Method::GET => healthy(),
        _ => {
            let result = protocol(&shared, &activity, request).await;
            result.unwrap_or_else(|failure| failed(&failure, caller_id, oip::error))
        }
    }
}

/// The Open Inference Protocol but for `infer`.
async fn protocol(shared: &Shared, activity: &Activity, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let headers: &HeaderMap = &parts.headers;
    let route = Route::of(path);
    let posts = matches!(route, Route::Index | Route::Load(_) | Route::Unload(_));
    let wanted = if posts { Method::POST } else { Method::GET };
    let found = !matches!(route, Route::Unknown | Route::NotOffered);
    if found && parts.method != wanted && !(wanted == Method::GET && parts.method == Method::HEAD) {
        return Ok(method_not_allowed(&parts.method, path, &wanted));
    }
    let plane = &shared.doors.plane;
    match route {
        Route::Server => Ok(oip::metadata::server()),
        Route::Ready if !shared.doors.ready() => Err(restoring()),
        Route::Live => Ok(oip::metadata::live()),
        Route::Ready => Ok(oip::metadata::ready()),
        Route::AllStatistics => Ok(oip::statistics::all(plane.as_ref(), shared.doors.statistics.as_ref())),
        Route::Model(ModelRoute { name, version, what }) => {
            let service = shared.service(&name, version.as_deref())?;
            match what {
                ModelCall::Metadata => oip::metadata::model(service.status()),
                ModelCall::Config => oip::metadata::config(service.status()),
                ModelCall::Ready => Ok(oip::metadata::model_ready(service.status())),
                ModelCall::Statistics => Ok(oip::statistics::one(service.status(), shared.doors.statistics.as_ref())),
                ModelCall::Infer => Ok(method_not_allowed(&parts.method, path, &Method::POST)),
            }
        }
        Route::Index => oip::repository::index(shared, activity, headers, body).await,
        Route::Load(name) => oip::repository::load(shared, activity, &name, headers, body).await,
        Route::Unload(name) => oip::repository::unload(shared, activity, &name, headers, body).await,
        Route::NotOffered => Err(Failure::new(
            ErrorKind::Unsupported,
            format!("'{}' belongs to an extension that this host does not offer", shown(path)),
        )),
        _ => Err(no_path(path)),
    }
}

#[cold]
fn restoring() -> Failure {
    Failure::new(ErrorKind::Unavailable, "the services of this host are being restored")
        .with_hint("ask again; those that are ready answer already")
}

fn no_path(path: &str) -> Failure {
    Failure::not_found(format!("nothing is served at '{}'", shown(path)))
        .with_hint("see GET /v2, /v2/models/<m>/infer, /api/v1/service/<s>/score")
}

fn healthy() -> Response<Body> {
    let mut response = Response::new(Body::full("Healthy"));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn method_not_allowed(method: &Method, path: &str, wanted: &Method) -> Response<Body> {
    let text = format!("method {} is not allowed at '{}'; use {wanted}", shown(method.as_str()), shown(path));
    let mut response = oip::error(&Failure::invalid(text));
    *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
    if let Ok(wanted) = HeaderValue::from_str(wanted.as_str()) {
        response.headers_mut().insert(header::ALLOW, wanted);
    }
    response
}

/// Logs what the caller may not see, under an id that the caller does see, and writes the rest in the door's form.
pub(crate) fn failed(
    failure: &Failure,
    caller_id: Option<HeaderValue>,
    form: impl FnOnce(&Failure) -> Response<Body>,
) -> Response<Body> {
    let id = caller_id.filter(|id| id.len() <= call::MAX_ID).or_else(|| HeaderValue::from_str(&call::new_id()).ok());
    log(failure, id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default());
    let mut response = form(failure);
    if let Some(id) = id {
        response.headers_mut().insert(call::X_REQUEST_ID, id);
    }
    if failure.kind.retryable() && response.status() == http::StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

pub(crate) fn log(failure: &Failure, request_id: &str) {
    let (kind, message, detail) = (failure.kind.name(), &*failure.message, failure.detail.as_deref());
    if failure.kind == ErrorKind::Internal {
        tracing::error!(request_id, kind, message, detail, "request failed");
    } else {
        tracing::debug!(request_id, kind, message, detail, "request refused");
    }
}

/// `{"error": {"kind", "message", "hint"}}` with the status of the failure's kind.
fn management_error(failure: &Failure) -> Response<Body> {
    let error = serde_json::json!({
        "kind": failure.kind.name(),
        "message": failure.message,
        "hint": failure.hint,
    });
    let mut response = oip::ok(&serde_json::json!({ "error": error }));
    *response.status_mut() = crate::status_of(failure.kind).http;
    response
}
