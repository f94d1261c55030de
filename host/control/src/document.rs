//! Services as the registry keeps them: one document for the front of each, one for each version.
//!
//! A change of both is one transaction, so a restart finds a service as it was before an operation or as it was after.

mod endpoint;
mod first_format;
mod version;

use scorehost_registry::DocumentChange;
use serde::Serialize;

use crate::ControlError;
use crate::catalog::Service;

pub(crate) use endpoint::{Front, decode as decode_endpoint};
pub(crate) use first_format::decode as decode_first_format;
pub(crate) use version::decode as decode_version;

/// Kind of the documents that hold a service with its only version, as releases before versions wrote them.
pub(crate) const FIRST_FORMAT: &str = "service";
/// Kind of the documents that hold fronts; the key is the service's name.
pub(crate) const ENDPOINT: &str = "endpoint";
/// Kind of the documents that hold versions; the key is `service/version`.
pub(crate) const VERSION: &str = "version";
/// Kind of the documents that hold operations; the key is the id.
pub(crate) const OPERATION: &str = "operation";

/// Layout of endpoints and versions; a reader refuses what it does not know.
const FORMAT: u32 = 2;

/// What must be written to get from one state of a service to another.
pub(crate) fn changes(before: Option<&Service>, after: Option<&Service>) -> Vec<DocumentChange> {
    let Some(name) = before.or(after).map(|service| service.name().clone()) else { return Vec::new() };
    let put_front = after.map(endpoint::encode);
    let mut changes = vec![DocumentChange { kind: ENDPOINT, key: name.to_string(), bytes: put_front }];
    let former = |version| before.and_then(|service| service.versions.get(version));
    for (version, made) in after.iter().flat_map(|service| &service.versions) {
        if former(version) != Some(made) {
            let key = format!("{name}/{version}");
            changes.push(DocumentChange { kind: VERSION, key, bytes: Some(version::encode(made)) });
        }
    }
    let goes = |version: &&_| after.is_none_or(|service| !service.versions.contains_key(*version));
    for version in before.iter().flat_map(|service| service.versions.keys()).filter(goes) {
        changes.push(DocumentChange { kind: VERSION, key: format!("{name}/{version}"), bytes: None });
    }
    changes
}

/// A document as JSON. Strings, numbers, lists and maps with string keys always encode.
pub(crate) fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).unwrap_or_default()
}

fn check_format(found: u32, known: u32) -> Result<(), String> {
    if found == known {
        return Ok(());
    }
    Err(format!("it has format {found}, this version reads {known}"))
}

fn unreadable(key: &str, reason: impl ToString) -> ControlError {
    ControlError::Document { document: key.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
