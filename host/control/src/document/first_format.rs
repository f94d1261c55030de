//! Services as releases before versions wrote them: one document each, one version, everyone may call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    Access, Admission, Collection, EndpointSpec, Grants, IdError, ModelRef, Scaling, ScorerRef, ServiceSpec,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{check_format, unreadable};
use crate::ControlError;
use crate::catalog::{Service, Version};

const FORMAT: u32 = 1;

#[derive(Deserialize)]
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AdmissionDocument {
    min_replicas: u32,
    max_replicas: u32,
    requests_per_replica: u32,
    max_queue_wait_ms: u64,
    max_queue: u32,
    scoring_timeout_ms: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsDocument {
    memory_bytes: u64,
    clock: bool,
    random: bool,
}

/// The service of a document, or why it cannot be read. Its access stays what it was when it was deployed.
pub(crate) fn decode(key: &str, content: &[u8]) -> Result<Service, ControlError> {
    let document: Document = serde_json::from_slice(content).map_err(|error| unreadable(key, error))?;
    check_format(document.format, FORMAT).map_err(|reason| unreadable(key, reason))?;
    let (running, created, updated) = (document.running, document.created, document.updated);
    let config = Arc::new(configuration(&document));
    let spec = specification(document).map_err(|error| unreadable(key, error))?;
    let front = EndpointSpec::new(spec.name.clone(), Access::Open, spec.version.clone());
    let version = spec.version.clone();
    let made = Version { spec: Arc::new(spec), config, running, created, updated };
    Ok(Service { front: Arc::new(front), versions: BTreeMap::from([(version, made)]), created, updated })
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

/// A `deploymentconfig.json` that says what the document does, so that an update can change a part of it.
fn configuration(document: &Document) -> Value {
    let (admission, grants) = (&document.admission, &document.grants);
    let mut config = json!({
        "computeType": "local",
        "maxConcurrentRequestsPerContainer": admission.requests_per_replica,
        "maxQueueWaitMs": admission.max_queue_wait_ms,
        "scoringTimeoutMs": admission.scoring_timeout_ms,
        "containerResourceRequirements": {"memoryInGB": grants.memory_bytes as f64 / f64::from(1u32 << 30)},
        "dataCollection": {"storageEnabled": document.collect},
        "scorehost": {
            "admission": {"maxQueue": admission.max_queue},
            "grants": {"clock": grants.clock, "random": grants.random},
        },
    });
    if admission.min_replicas == admission.max_replicas {
        config["numReplicas"] = admission.min_replicas.into();
    } else {
        config["autoScaler"] = json!({"minReplicas": admission.min_replicas, "maxReplicas": admission.max_replicas});
    }
    config
}
