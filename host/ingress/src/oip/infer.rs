//! `POST …/infer`: a body to an inference request, and its answer to a body.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use hyper::body::Incoming;
use scorehost_core::{
    DType, ErrorKind, Failure, InferRequest, Interface, NamedTensor, Service, ServiceStatus, Tensor, TensorSpec,
};

use super::request::{InputJson, OutputJson, RequestJson, parse};
use super::response::{self, Form};
use super::tensor::read_data;
use crate::config::Limits;
use crate::handler::Shared;
use crate::server::Activity;
use crate::terms::Terms;
use crate::{Body, call, encoding, offload, read};

const X_SCOREHOST_CACHE: HeaderName = HeaderName::from_static("x-scorehost-cache");

pub(crate) const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// A decoded inference request and how its answer is to be written.
pub(crate) struct Decoded {
    pub(crate) request: InferRequest,
    pub(crate) form: Form,
    /// Microseconds; 0 says nothing.
    pub(crate) timeout: u64,
    /// 1 is the highest; 0 says nothing.
    pub(crate) priority: u64,
}

/// What is known of a request before its body is read.
pub(crate) struct Head {
    pub(crate) headers: HeaderMap,
    pub(crate) terms: Terms,
}

/// Answers `POST …/infer` for `service`.
pub(crate) async fn infer(
    shared: &Shared,
    activity: &Activity,
    service: Arc<dyn Service>,
    Head { headers, terms }: Head,
    body: Incoming,
) -> Result<Response<Body>, Failure> {
    takes_tensors(service.status())?;
    let limits = &shared.config.limits;
    let tensors = tensor_offset(&headers);
    let body = activity.reading(read::read_aligned(body, limits.body_bytes, |_| tensors)).await?;
    let body = encoding::undo(&headers, body, limits.body_bytes).await?;
    run(shared, service, Head { headers, terms }, body).await
}

/// Decodes a body that is complete and plain, calls the service and writes its answer.
pub(crate) async fn run(
    shared: &Shared,
    service: Arc<dyn Service>,
    Head { headers, mut terms }: Head,
    body: Bytes,
) -> Result<Response<Body>, Failure> {
    let json_bytes = json_length(&headers, body.len())?;
    let decoded = if json_bytes < offload::INLINE_BYTES {
        decode(service.status(), &shared.config.limits, &body, json_bytes)?
    } else {
        let (service, limits) = (service.clone(), shared.config.limits.clone());
        offload::run(move || decode(service.status(), &limits, &body, json_bytes)).await?
    };
    let accepted = encoding::accepted(&headers);
    terms.parameters(decoded.timeout, decoded.priority);
    let answer = service.infer(decoded.request, call::context(headers, terms)).await?;
    let bytes: usize = answer.outputs.iter().map(|output| output.tensor.data().len()).sum();
    let (form, cached) = (decoded.form, answer.cached);
    let response = if bytes < offload::INLINE_BYTES || form.all_binary(&answer.outputs) {
        response::write(service.status(), &form, &answer.outputs)?
    } else {
        offload::run(move || response::write(service.status(), &form, &answer.outputs)).await?
    };
    let mut response = encoding::apply(accepted, shared.config.compress_from, response).await?;
    mark_cached(cached, response.headers_mut());
    Ok(response)
}

/// Says whether an answer was kept of an equal request, where the service keeps answers.
pub(crate) fn mark_cached(cached: Option<bool>, headers: &mut HeaderMap) {
    let Some(cached) = cached else { return };
    headers.insert(X_SCOREHOST_CACHE, HeaderValue::from_static(if cached { "hit" } else { "miss" }));
}

/// Refuses services that take no tensors.
pub(crate) fn takes_tensors(status: &ServiceStatus) -> Result<&scorehost_core::Signature, Failure> {
    match &status.interface {
        Interface::Tensors(signature) => Ok(signature),
        Interface::EntryScript(_) => Err(entry_script(status)),
    }
}

#[cold]
fn entry_script(status: &ServiceStatus) -> Failure {
    let name = &status.name;
    Failure::new(ErrorKind::Unsupported, format!("service '{name}' is an entry script and takes no tensors"))
        .with_hint(format!("send its own format to POST /api/v1/service/{name}/score"))
}

/// Where the tensors of a body begin that is not read yet; 0 where there are none, or where the header is no number.
pub(crate) fn tensor_offset(headers: &HeaderMap) -> usize {
    headers.get(HEADER_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

/// Bytes of JSON at the start of the body; the tensors of the binary extension lie behind it.
fn json_length(headers: &HeaderMap, body: usize) -> Result<usize, Failure> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(body) };
    let length = value.to_str().ok().and_then(|text| text.parse::<usize>().ok());
    match length {
        Some(length) if length <= body => Ok(length),
        Some(length) => Err(Failure::invalid(format!(
            "Inference-Header-Content-Length is {length}, but the whole body has {body} bytes"
        ))),
        None => Err(Failure::invalid("Inference-Header-Content-Length must be a number of bytes")),
    }
}

pub(crate) fn decode(
    status: &ServiceStatus,
    limits: &Limits,
    body: &Bytes,
    json_bytes: usize,
) -> Result<Decoded, Failure> {
    let json = parse(&body[..json_bytes])?;
    check_request(&json, limits)?;
    let signature = takes_tensors(status)?;
    let mut rest = body.slice(json_bytes..);
    let mut inputs = Vec::with_capacity(json.inputs.len());
    for input in &json.inputs {
        inputs.push(read_input(input, &signature.inputs, &mut rest)?);
    }
    if !rest.is_empty() {
        return Err(Failure::invalid(format!(
            "{} bytes of the body belong to no input's binary_data_size",
            rest.len()
        )));
    }
    let outputs = json.outputs.iter().map(|output| shared_name(&output.name.0, &signature.outputs)).collect();
    let form = Form::new(
        json.id.map(|id| id.0.into_owned()).filter(|id| !id.is_empty()),
        json.parameters.binary_data_output,
        json.outputs.iter().map(|output| output.parameters.binary_data).collect(),
    );
    let timeout = json.parameters.timeout.unwrap_or_default();
    let priority = json.parameters.priority.unwrap_or_default();
    Ok(Decoded { request: InferRequest { inputs, outputs }, form, timeout, priority })
}

fn check_request(json: &RequestJson<'_>, limits: &Limits) -> Result<(), Failure> {
    check_count("inputs", json.inputs.len(), limits.tensors)?;
    check_count("outputs", json.outputs.len(), limits.tensors)?;
    if json.parameters.in_sequence() {
        return Err(no_sequences());
    }
    json.outputs.iter().try_for_each(check_output)
}

pub(crate) fn check_count(what: &str, count: usize, limit: usize) -> Result<(), Failure> {
    if count <= limit {
        return Ok(());
    }
    Err(Failure::new(ErrorKind::TooLarge, format!("{count} {what} are more than the limit of {limit}")))
}

pub(crate) fn no_sequences() -> Failure {
    Failure::new(
        ErrorKind::Unsupported,
        "sequences of requests (sequence_id, sequence_start, sequence_end) are not offered",
    )
}

pub(crate) fn no_shared_memory() -> Failure {
    Failure::new(ErrorKind::Unsupported, "shared memory regions are not offered")
        .with_hint("send tensors in the body: the binary form reaches the model without a copy")
}

pub(crate) fn no_classification() -> Failure {
    Failure::new(ErrorKind::Unsupported, "the classification extension is not offered; ask for the plain output")
}

fn check_output(output: &OutputJson<'_>) -> Result<(), Failure> {
    if output.parameters.shared_memory_region.is_some() {
        return Err(no_shared_memory());
    }
    if output.parameters.classification > 0 { Err(no_classification()) } else { Ok(()) }
}

/// The name as the signature already holds it, so that a known name costs no allocation.
pub(crate) fn shared_name(name: &str, specs: &[TensorSpec]) -> Arc<str> {
    specs.iter().find(|spec| &*spec.name == name).map_or_else(|| name.into(), |spec| spec.name.clone())
}

/// The dtype of a protocol name.
pub(crate) fn datatype(input: &str, name: &str) -> Result<DType, Failure> {
    DType::from_name(name).ok_or_else(|| {
        let names = DType::ALL.map(DType::name).join(", ");
        let name: String = name.chars().take(32).collect();
        Failure::invalid(format!("datatype '{name}' of input '{input}' is none of {names}"))
    })
}

fn read_input(input: &InputJson<'_>, specs: &[TensorSpec], rest: &mut Bytes) -> Result<NamedTensor, Failure> {
    let name = shared_name(&input.name.0, specs);
    if input.parameters.shared_memory_region.is_some() {
        return Err(no_shared_memory());
    }
    let dtype = datatype(&name, &input.datatype.0)?;
    let tensor = match (input.parameters.binary_data_size, input.data) {
        (Some(size), None) => {
            let data = take_binary(&name, size, rest)?;
            tensor(&name, dtype, input.shape.clone(), data)?
        }
        (None, Some(data)) => read_data(&name, dtype, input.shape.clone(), data)?,
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(format!("input '{name}' has both 'data' and 'binary_data_size'")));
        }
        (None, None) => {
            return Err(Failure::invalid(format!("input '{name}' has neither 'data' nor 'binary_data_size'")));
        }
    };
    Ok(NamedTensor::new(name, tensor))
}

fn take_binary(name: &str, size: u64, rest: &mut Bytes) -> Result<Bytes, Failure> {
    if size > rest.len() as u64 {
        let left = rest.len();
        return Err(Failure::invalid(format!(
            "input '{name}' has binary_data_size {size}, but {left} bytes of the body are left for it"
        )));
    }
    Ok(rest.split_to(size as usize))
}

/// A tensor whose mistakes name the input.
pub(crate) fn tensor(name: &str, dtype: DType, shape: scorehost_core::Shape, data: Bytes) -> Result<Tensor, Failure> {
    Tensor::new(dtype, shape, data).map_err(|error| Failure::invalid(format!("input '{name}': {error}")))
}
