//! Every call but inference: health, metadata, configuration, statistics, repository.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Incoming;
use prost::Message;
use scorehost_auth::Role;
use scorehost_core::{DynamicTerms, ErrorKind, Failure, Service, ServiceStatus, TensorSpec};

use super::message::{
    BatchStatistics, ConfigInput, ConfigOutput, DynamicBatching, Empty, Flag, IndexRequest, IndexResponse,
    InferStatistics, InstanceGroup, LoadRequest, ModelConfig, ModelConfigResponse, ModelIndex, ModelMetadata,
    ModelRequest, ModelStatistics, QueuePolicy, ServerMetadata, StatisticDuration, StatisticsResponse, TensorMetadata,
};
use super::{Outcome, described, frame, succeeded};
use crate::call::X_SCOREHOST_VERSION;
use crate::handler::Shared;
use crate::oip::infer::takes_tensors;
use crate::oip::metadata::{EXTENSIONS, SERVER, VERSION, backend, config_type, dims, level, micros};
use crate::oip::repository::{check_parameters, state};
use crate::oip::statistics::nanoseconds;
use crate::server::Activity;
use crate::{Span, StatisticsSource, auth};

/// `ModelInstanceGroup.Kind`
const KIND_CPU: i32 = 2;

/// Answers the unary call `method`.
pub(crate) async fn answer(
    shared: &Shared,
    activity: &Activity,
    method: &str,
    headers: &HeaderMap,
    body: Incoming,
) -> Outcome {
    let message = frame::read_unary(activity, headers, body, shared.config.limits.body_bytes).await?;
    match method {
        "ServerLive" => reply(&Flag { value: true }),
        "ServerReady" => reply(&Flag { value: shared.doors.ready() }),
        "ModelReady" => {
            let request: ModelRequest = read(message)?;
            reply(&Flag { value: described(shared, &request.name, &request.version, headers).is_ok() })
        }
        "ServerMetadata" => reply(&server_metadata()),
        "ModelMetadata" => {
            let service = find(shared, activity, message, headers).await?;
            let versions = shared.doors.plane.versions(service.status().name.as_str());
            reply(&model_metadata(service.status(), &versions)?)
        }
        "ModelConfig" => {
            let service = find(shared, activity, message, headers).await?;
            reply(&ModelConfigResponse { config: Some(model_config(service.status())?) })
        }
        "ModelStatistics" => reply(&statistics(shared, activity, read(message)?, headers).await?),
        "RepositoryIndex" => {
            auth::management(shared, activity, headers, Role::Reader)?;
            reply(&index(shared, read(message)?).await?)
        }
        "RepositoryModelLoad" => {
            auth::management(shared, activity, headers, Role::Deployer)?;
            let request: LoadRequest = read(message)?;
            check_parameters(request.parameters.keys().map(String::as_str))?;
            shared.doors.repository.load(&request.model_name).await?;
            reply(&Empty {})
        }
        "RepositoryModelUnload" => {
            auth::management(shared, activity, headers, Role::Deployer)?;
            let request: LoadRequest = read(message)?;
            shared.doors.repository.unload(&request.model_name).await?;
            reply(&Empty {})
        }
        other => Err(Failure::new(
            ErrorKind::Unsupported,
            format!("method '{}' is not offered by this host", other.chars().take(64).collect::<String>()),
        )),
    }
}

fn reply(message: &impl Message) -> Outcome {
    frame::framed(message).map(succeeded)
}

fn read<M: Message + Default>(message: Bytes) -> Result<M, Failure> {
    M::decode(message).map_err(|error| Failure::invalid(format!("the message is not what this method takes: {error}")))
}

async fn find(
    shared: &Shared,
    activity: &Activity,
    message: Bytes,
    headers: &HeaderMap,
) -> Result<Arc<dyn Service>, Failure> {
    let request: ModelRequest = read(message)?;
    auth::reading(shared, activity, &request.name, headers).await?;
    described(shared, &request.name, &request.version, headers)
}

fn server_metadata() -> ServerMetadata {
    ServerMetadata { name: SERVER.into(), version: VERSION.into(), extensions: EXTENSIONS.map(String::from).to_vec() }
}

fn model_metadata(status: &ServiceStatus, versions: &[Arc<dyn Service>]) -> Result<ModelMetadata, Failure> {
    let signature = takes_tensors(status)?;
    let tensor = |spec: &TensorSpec| TensorMetadata {
        name: spec.name.to_string(),
        datatype: spec.dtype.name().into(),
        shape: spec.shape.clone(),
    };
    Ok(ModelMetadata {
        name: status.name.to_string(),
        versions: versions.iter().map(|service| service.status().version.to_string()).collect(),
        platform: status.platform.into(),
        inputs: signature.inputs.iter().map(tensor).collect(),
        outputs: signature.outputs.iter().map(tensor).collect(),
    })
}

fn model_config(status: &ServiceStatus) -> Result<ModelConfig, Failure> {
    let signature = takes_tensors(status)?;
    let input = |spec: &TensorSpec| ConfigInput {
        name: spec.name.to_string(),
        data_type: config_type(spec.dtype).1,
        dims: dims(status, spec).to_vec(),
    };
    let output = |spec: &TensorSpec| ConfigOutput {
        name: spec.name.to_string(),
        data_type: config_type(spec.dtype).1,
        dims: dims(status, spec).to_vec(),
    };
    Ok(ModelConfig {
        name: status.name.to_string(),
        platform: status.platform.into(),
        max_batch_size: i32::try_from(status.batching.max_rows).unwrap_or(i32::MAX),
        input: signature.inputs.iter().map(input).collect(),
        output: signature.outputs.iter().map(output).collect(),
        instance_group: vec![InstanceGroup { name: status.name.to_string(), count: 1, kind: KIND_CPU }],
        dynamic_batching: status.batching.dynamic.as_ref().map(dynamic),
        backend: backend(status.platform).into(),
    })
}

fn dynamic(terms: &DynamicTerms) -> DynamicBatching {
    DynamicBatching {
        preferred_batch_size: terms.preferred.iter().map(|size| i32::try_from(*size).unwrap_or(i32::MAX)).collect(),
        max_queue_delay_microseconds: micros(terms.max_delay),
        priority_levels: 3,
        default_priority_level: level(terms.default_priority),
        default_queue_policy: Some(QueuePolicy {
            default_timeout_microseconds: micros(terms.max_wait),
            allow_timeout_override: true,
            max_queue_size: terms.max_queue,
        }),
    }
}

async fn statistics(
    shared: &Shared,
    activity: &Activity,
    request: ModelRequest,
    headers: &HeaderMap,
) -> Result<StatisticsResponse, Failure> {
    let (source, plane) = (shared.doors.statistics.as_ref(), &shared.doors.plane);
    let services = if request.name.is_empty() {
        auth::readable(shared, activity, plane.services(), headers).await?
    } else {
        auth::reading(shared, activity, &request.name, headers).await?;
        let service = described(shared, &request.name, &request.version, headers)?;
        let all = request.version.is_empty() && !headers.contains_key(X_SCOREHOST_VERSION);
        if all { plane.versions(&request.name) } else { vec![service] }
    };
    Ok(StatisticsResponse { model_stats: services.iter().map(|service| row(service.status(), source)).collect() })
}

fn row(status: &ServiceStatus, source: &dyn StatisticsSource) -> ModelStatistics {
    let counters = source.counters(&status.name, &status.version).unwrap_or_default();
    let span = |span: Span| Some(StatisticDuration { count: span.count, ns: nanoseconds(span) });
    let moved = Span { count: counters.compute.count, ..Span::default() };
    ModelStatistics {
        name: status.name.to_string(),
        version: status.version.to_string(),
        last_inference: counters.last_inference_ms,
        inference_count: counters.inferences,
        execution_count: counters.executions,
        inference_stats: Some(InferStatistics {
            success: span(counters.success),
            fail: span(counters.fail),
            queue: span(counters.queue),
            compute_input: span(moved),
            compute_infer: span(counters.compute),
            compute_output: span(moved),
            cache_hit: span(counters.cache_hit),
            cache_miss: span(counters.cache_miss),
        }),
        batch_stats: counters.batches.iter().map(|(size, ran)| batch(*size, *ran)).collect(),
    }
}

fn batch(batch_size: u64, ran: Span) -> BatchStatistics {
    let moved = Some(StatisticDuration { count: ran.count, ns: 0 });
    let compute_infer = Some(StatisticDuration { count: ran.count, ns: nanoseconds(ran) });
    BatchStatistics { batch_size, compute_input: moved, compute_infer, compute_output: moved }
}

async fn index(shared: &Shared, request: IndexRequest) -> Result<IndexResponse, Failure> {
    let entries = shared.doors.repository.index().await?;
    let row = |entry: scorehost_core::RepositoryEntry| ModelIndex {
        state: state(&entry).into(),
        name: entry.name,
        version: entry.version,
        reason: entry.reason,
    };
    Ok(IndexResponse { models: entries.into_iter().filter(|entry| entry.ready || !request.ready).map(row).collect() })
}
