//! What the server and its models say of themselves.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use scorehost_core::{DType, DynamicTerms, Failure, Priority, Service, ServiceStatus, TensorSpec};
use serde_json::{Value, json};

use super::infer::takes_tensors;
use super::ok;
use crate::Body;

/// Name of this server in the protocol's metadata.
pub(crate) const SERVER: &str = "scorehost";
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Extensions offered, by their names in the protocol.
pub(crate) const EXTENSIONS: [&str; 4] =
    ["binary_tensor_data", "model_configuration", "model_repository", "statistics"];

/// `GET /v2`
pub(crate) fn server() -> Response<Body> {
    ok(&json!({ "name": SERVER, "version": VERSION, "extensions": EXTENSIONS }))
}

/// `GET /.well-known/jwks.json`. Whoever verifies tokens itself may keep the answer for five minutes.
pub(crate) fn jwks(document: &str) -> Response<Body> {
    let mut response = super::json(Body::full(document.to_owned()));
    let five_minutes = http::HeaderValue::from_static("public, max-age=300");
    response.headers_mut().insert(http::header::CACHE_CONTROL, five_minutes);
    response
}

/// `GET /v2/health/live`: the status says it all, but some clients read the document.
pub(crate) fn live() -> Response<Body> {
    ok(&json!({ "live": true }))
}

/// `GET /v2/health/ready`
pub(crate) fn ready() -> Response<Body> {
    ok(&json!({ "ready": true }))
}

/// `GET /v2/models/<m>/ready`
pub(crate) fn model_ready(status: &ServiceStatus) -> Response<Body> {
    ok(&json!({ "name": status.name.as_str(), "ready": true }))
}

/// `GET /v2/models/<m>`
pub(crate) fn model(status: &ServiceStatus, versions: &[Arc<dyn Service>]) -> Result<Response<Body>, Failure> {
    let signature = takes_tensors(status)?;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let tensor =
            |spec: &TensorSpec| json!({ "name": &*spec.name, "datatype": spec.dtype.name(), "shape": spec.shape });
        specs.iter().map(tensor).collect()
    };
    Ok(ok(&json!({
        "name": status.name.as_str(),
        "versions": versions.iter().map(|service| &*service.status().version).collect::<Vec<_>>(),
        "platform": status.platform,
        "inputs": tensors(&signature.inputs),
        "outputs": tensors(&signature.outputs),
    })))
}

/// The dimensions of a tensor in a model configuration: without the first one where it is a batch.
pub(crate) fn dims<'a>(status: &ServiceStatus, spec: &'a TensorSpec) -> &'a [i64] {
    if status.batching.max_rows > 0 { spec.shape.get(1..).unwrap_or_default() } else { &spec.shape }
}

/// The level of a priority, as the parameter `priority` of a request has it.
pub(crate) const fn level(priority: Priority) -> u64 {
    match priority {
        Priority::High => 1,
        Priority::Normal => 2,
        Priority::Low => 3,
    }
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn dynamic(terms: &DynamicTerms) -> Value {
    json!({
        "preferred_batch_size": terms.preferred,
        "max_queue_delay_microseconds": micros(terms.max_delay),
        "preserve_ordering": false,
        "priority_levels": 3,
        "default_priority_level": level(terms.default_priority),
        "default_queue_policy": {
            "timeout_action": "REJECT",
            "default_timeout_microseconds": micros(terms.max_wait),
            "allow_timeout_override": true,
            "max_queue_size": terms.max_queue,
        },
    })
}

/// `GET /v2/models/<m>/config`: what holds, wherever it was said. A maximum batch size of 0 says that dimensions are complete as they stand.
pub(crate) fn config(status: &ServiceStatus) -> Result<Response<Body>, Failure> {
    let signature = takes_tensors(status)?;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let tensor = |spec: &TensorSpec| json!({ "name": &*spec.name, "data_type": config_type(spec.dtype).0, "dims": dims(status, spec) });
        specs.iter().map(tensor).collect()
    };
    let mut config = json!({
        "name": status.name.as_str(),
        "platform": status.platform,
        "backend": backend(status.platform),
        "version_policy": { "latest": { "num_versions": 1 } },
        "max_batch_size": status.batching.max_rows,
        "input": tensors(&signature.inputs),
        "output": tensors(&signature.outputs),
        "instance_group": [{ "name": status.name.as_str(), "kind": "KIND_CPU", "count": 1 }],
    });
    if let Some(terms) = &status.batching.dynamic {
        config["dynamic_batching"] = dynamic(terms);
    }
    Ok(ok(&config))
}

/// The part of a platform name that says what runs the model.
pub(crate) fn backend(platform: &str) -> &str {
    platform.split_once('_').map_or(platform, |(backend, _)| backend)
}

/// Name and number of a dtype in `model_config.proto`.
pub(crate) const fn config_type(dtype: DType) -> (&'static str, i32) {
    match dtype {
        DType::Bool => ("TYPE_BOOL", 1),
        DType::U8 => ("TYPE_UINT8", 2),
        DType::U16 => ("TYPE_UINT16", 3),
        DType::U32 => ("TYPE_UINT32", 4),
        DType::U64 => ("TYPE_UINT64", 5),
        DType::I8 => ("TYPE_INT8", 6),
        DType::I16 => ("TYPE_INT16", 7),
        DType::I32 => ("TYPE_INT32", 8),
        DType::I64 => ("TYPE_INT64", 9),
        DType::F16 => ("TYPE_FP16", 10),
        DType::F32 => ("TYPE_FP32", 11),
        DType::F64 => ("TYPE_FP64", 12),
        DType::Bytes => ("TYPE_STRING", 13),
        DType::BF16 => ("TYPE_BF16", 14),
    }
}
