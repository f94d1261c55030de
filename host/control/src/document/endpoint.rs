//! The front of a service: who may call, which version answers.

use std::sync::Arc;

use scorehost_core::{Access, EndpointSpec, Failure, Secret, ServiceName};
use serde::{Deserialize, Serialize};

use super::{FORMAT, check_format, json, unreadable};
use crate::catalog::Service;
use crate::{ControlError, traffic, wire};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    name: String,
    created: u64,
    updated: u64,
    access: AccessDocument,
    traffic: wire::Traffic,
}

/// Keys are kept as they are: they must be shown to who may see them. The registry keeps its file to its owner.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
enum AccessDocument {
    Open,
    Keys { primary: String, secondary: String },
    Tokens,
}

/// A stored front.
pub(crate) struct Front {
    pub(crate) spec: Arc<EndpointSpec>,
    pub(crate) created: u64,
    pub(crate) updated: u64,
}

pub(super) fn encode(service: &Service) -> Vec<u8> {
    let EndpointSpec { name, access, traffic } = &*service.front;
    json(&Document {
        format: FORMAT,
        name: name.to_string(),
        created: service.created,
        updated: service.updated,
        access: match access {
            Access::Open => AccessDocument::Open,
            Access::Keys { primary, secondary } => {
                AccessDocument::Keys { primary: primary.reveal().to_owned(), secondary: secondary.reveal().to_owned() }
            }
            Access::Tokens => AccessDocument::Tokens,
        },
        traffic: traffic::shown(traffic),
    })
}

/// The front of a document, or why it cannot be read.
pub(crate) fn decode(key: &str, content: &[u8]) -> Result<Front, ControlError> {
    // A parser's message could quote a key, so it tells only where it stopped.
    let document: Document = serde_json::from_slice(content)
        .map_err(|error| unreadable(key, format!("line {}, column {}", error.line(), error.column())))?;
    check_format(document.format, FORMAT).map_err(|reason| unreadable(key, reason))?;
    let spec = specification(&document).map_err(|failure| unreadable(key, failure))?;
    Ok(Front { spec: Arc::new(spec), created: document.created, updated: document.updated })
}

fn specification(document: &Document) -> Result<EndpointSpec, Failure> {
    let name: ServiceName = document.name.parse()?;
    let default = document.traffic.default.as_deref().ok_or_else(|| Failure::invalid("it names no default version"))?;
    Ok(EndpointSpec {
        name,
        access: match &document.access {
            AccessDocument::Open => Access::Open,
            AccessDocument::Keys { primary, secondary } => {
                Access::Keys { primary: Secret::new(primary.as_str()), secondary: Secret::new(secondary.as_str()) }
            }
            AccessDocument::Tokens => Access::Tokens,
        },
        traffic: traffic::read(document.traffic.clone(), &default.parse()?)?,
    })
}
