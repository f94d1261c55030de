//! The model repository extension.

use http::{HeaderMap, Response};
use hyper::body::Incoming;
use scorehost_core::{ErrorKind, Failure, RepositoryEntry};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::collections::BTreeMap;

use super::ok;
use crate::handler::Shared;
use crate::server::Activity;
use crate::{Body, encoding, read};

#[derive(Default, Deserialize)]
struct IndexRequest {
    #[serde(default)]
    ready: bool,
}

#[derive(Default, Deserialize)]
struct LoadRequest {
    #[serde(default)]
    parameters: BTreeMap<String, IgnoredAny>,
}

/// `POST /v2/repository/index`
pub(crate) async fn index(
    shared: &Shared,
    activity: &Activity,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Failure> {
    let request: IndexRequest = document(shared, activity, headers, body).await?;
    let entries = shared.doors.repository.index().await?;
    let rows: Vec<Value> = entries.iter().filter(|entry| entry.ready || !request.ready).map(row).collect();
    Ok(ok(&rows))
}

fn row(entry: &RepositoryEntry) -> Value {
    json!({ "name": entry.name, "version": entry.version, "state": state(entry), "reason": entry.reason })
}

/// The protocol's name of an entry's state.
pub(crate) const fn state(entry: &RepositoryEntry) -> &'static str {
    if entry.ready { "READY" } else { "UNAVAILABLE" }
}

/// `POST /v2/repository/models/<m>/load`
pub(crate) async fn load(
    shared: &Shared,
    activity: &Activity,
    name: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Failure> {
    let request: LoadRequest = document(shared, activity, headers, body).await?;
    check_parameters(request.parameters.keys().map(String::as_str))?;
    shared.doors.repository.load(name).await?;
    Ok(Response::new(Body::empty()))
}

/// `POST /v2/repository/models/<m>/unload`
pub(crate) async fn unload(
    shared: &Shared,
    activity: &Activity,
    name: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Failure> {
    let _: LoadRequest = document(shared, activity, headers, body).await?;
    shared.doors.repository.unload(name).await?;
    Ok(Response::new(Body::empty()))
}

/// Refuses to load other files or another configuration than the registered ones.
pub(crate) fn check_parameters<'a>(mut names: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
    let Some(name) = names.find(|name| *name == "config" || name.starts_with("file:")) else { return Ok(()) };
    Err(Failure::new(
        ErrorKind::Unsupported,
        format!("load parameter '{}' is not offered", name.chars().take(64).collect::<String>()),
    )
    .with_hint("register the model with its files instead"))
}

/// The body as a JSON document; an empty body is the empty document.
async fn document<T: Default + for<'de> Deserialize<'de>>(
    shared: &Shared,
    activity: &Activity,
    headers: &HeaderMap,
    body: Incoming,
) -> Result<T, Failure> {
    let limit = shared.config.limits.body_bytes;
    let body = activity.reading(read::read_body(body, limit)).await?;
    let body = encoding::undo(headers, body, limit).await?;
    if body.is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(&body)
        .map_err(|error| Failure::invalid(format!("the body is not the JSON expected: {error}")))
}
