//! Services as the registry keeps them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{Admission, Collection, Grants, IdError, ModelRef, Scaling, ScorerRef, ServiceSpec};
use serde::{Deserialize, Serialize};

use crate::ControlError;
use crate::catalog::Stored;

/// Kind of the registry's documents that hold services.
pub(crate) const KIND: &str = "service";

/// Layout of the document; a reader refuses what it does not know.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    name: String,
    running: bool,
    created: u64,
    updated: u64,
    scorer: Option<String>,
    models: Vec<String>,
    variables: BTreeMap<String, String>,
    collect: bool,
    admission: AdmissionDocument,
    grants: GrantsDocument,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmissionDocument {
    min_replicas: u32,
    max_replicas: u32,
    requests_per_replica: u32,
    max_queue_wait_ms: u64,
    max_queue: u32,
    scoring_timeout_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsDocument {
    memory_bytes: u64,
    clock: bool,
    random: bool,
}

/// A service as JSON.
pub(crate) fn encode(stored: &Stored) -> Vec<u8> {
    let spec = &stored.spec;
    let document = Document {
        format: FORMAT,
        name: spec.name.to_string(),
        running: stored.running,
        created: stored.created,
        updated: stored.updated,
        scorer: spec.scorer.map(|scorer| scorer.component.to_string()),
        models: spec.models.iter().map(|model| model.id.to_string()).collect(),
        variables: spec.variables.clone(),
        collect: spec.collection.is_some(),
        admission: AdmissionDocument {
            min_replicas: spec.scaling.min,
            max_replicas: spec.scaling.max,
            requests_per_replica: spec.admission.requests_per_replica,
            max_queue_wait_ms: spec.admission.max_queue_wait.as_millis() as u64,
            max_queue: spec.admission.max_queue,
            scoring_timeout_ms: spec.admission.scoring_timeout.as_millis() as u64,
        },
        grants: GrantsDocument {
            memory_bytes: spec.grants.memory_bytes,
            clock: spec.grants.clock,
            random: spec.grants.random,
        },
    };
    // Strings, numbers and maps with string keys always encode.
    serde_json::to_vec(&document).unwrap_or_default()
}

/// The service of a document, or why it cannot be read.
pub(crate) fn decode(key: &str, content: &[u8]) -> Result<Stored, ControlError> {
    let unreadable = |reason: String| ControlError::Document { service: key.to_owned(), reason };
    let document: Document = serde_json::from_slice(content).map_err(|error| unreadable(error.to_string()))?;
    if document.format != FORMAT {
        return Err(unreadable(format!("it has format {}, this version reads {FORMAT}", document.format)));
    }
    let (running, created, updated) = (document.running, document.created, document.updated);
    let spec = specification(document).map_err(|error| unreadable(error.to_string()))?;
    Ok(Stored { spec: Arc::new(spec), running, created, updated })
}

fn specification(document: Document) -> Result<ServiceSpec, IdError> {
    let Document { admission, grants, .. } = document;
    let scorer = document.scorer.map(|component| component.parse()).transpose()?;
    Ok(ServiceSpec {
        scorer: scorer.map(|component| ScorerRef { component }),
        models: document.models.iter().map(|id| Ok(ModelRef { id: id.parse()? })).collect::<Result<_, IdError>>()?,
        variables: document.variables,
        admission: Admission {
            requests_per_replica: admission.requests_per_replica,
            max_queue_wait: Duration::from_millis(admission.max_queue_wait_ms),
            max_queue: admission.max_queue,
            scoring_timeout: Duration::from_millis(admission.scoring_timeout_ms),
            ..Admission::default()
        },
        scaling: Scaling { min: admission.min_replicas, max: admission.max_replicas, ..Scaling::default() },
        grants: Grants {
            memory_bytes: grants.memory_bytes,
            clock: grants.clock,
            random: grants.random,
            ..Grants::default()
        },
        collection: document.collect.then(Collection::default),
        ..ServiceSpec::new(document.name.parse()?)
    })
}
