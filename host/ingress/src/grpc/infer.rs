//! `ModelInfer`.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use hyper::body::Incoming;
use prost::Message;
use scorehost_core::{
    CallContext, DType, Failure, InferRequest, InferResponse, NamedTensor, Service, Shape, Signature,
};

use super::encode::infer_response;
use super::message::{Choice, Contents, InputTensor, ModelInferRequest, Parameter, RequestedOutput};
use super::{Outcome, frame, named, succeeded_in_pieces, typed};
use crate::config::Limits;
use crate::handler::{Shared, label, write_label};
use crate::oip::infer::{
    check_count, datatype, mark_cached, no_classification, no_sequences, no_shared_memory, shared_name, takes_tensors,
    tensor,
};
use crate::server::Activity;
use crate::terms::Terms;
use crate::{auth, call};

/// Answers one unary call.
pub(crate) async fn unary(shared: &Shared, activity: &Activity, headers: HeaderMap, body: Incoming) -> Outcome {
    let limits = &shared.config.limits;
    let terms = Terms::of(&headers)?;
    // Which service is called stands in the message; without a credential it is read only where some service is open.
    auth::refuse_anonymous(shared, &headers)?;
    let message = frame::read_unary(activity, &headers, body, limits.body_bytes).await?;
    let request = decode(message)?;
    let caller = auth::scoring(shared, activity, &request.model_name, &headers).await?;
    let version = named(&request.model_version);
    let routed = shared.route(&request.model_name, version, &headers, caller.as_deref())?;
    let service = &*routed.service;
    let terms = terms.called_by(caller);
    let asked = Asked { request, call: call::bare(headers), terms };
    let (answer, id) = run(service, limits, asked).await?;
    let mut response = succeeded_in_pieces(infer_response(service.status(), &id, &answer.outputs)?);
    write_label(label(&routed), response.headers_mut());
    mark_cached(answer.cached, response.headers_mut());
    Ok(response)
}

/// Decodes the message; raw contents stay slices of it.
pub(crate) fn decode(message: Bytes) -> Result<ModelInferRequest, Failure> {
    ModelInferRequest::decode(message)
        .map_err(|error| Failure::invalid(format!("the message is no ModelInferRequest: {error}")))
}

/// A decoded request, with what came before it.
pub(crate) struct Asked {
    pub(crate) request: ModelInferRequest,
    /// Without its terms.
    pub(crate) call: CallContext,
    pub(crate) terms: Terms,
}

/// Calls the service; returns its answer and the request's id.
pub(crate) async fn run(
    service: &dyn Service,
    limits: &Limits,
    Asked { request, mut call, mut terms }: Asked,
) -> Result<(InferResponse, String), Failure> {
    let signature = takes_tensors(service.status())?;
    check(&request, limits)?;
    terms.parameters(whole(&request, "timeout"), whole(&request, "priority"));
    terms.set(&mut call);
    let outputs = request.outputs.iter().map(|output| shared_name(&output.name, &signature.outputs)).collect();
    let inputs = read_inputs(signature, request.inputs, request.raw_input_contents)?;
    let response = service.infer(InferRequest { inputs, outputs }, call).await?;
    Ok((response, request.id))
}

/// Refuses what this host does not offer, and too many tensors.
pub(crate) fn check(request: &ModelInferRequest, limits: &Limits) -> Result<(), Failure> {
    check_count("inputs", request.inputs.len(), limits.tensors)?;
    check_count("outputs", request.outputs.len(), limits.tensors)?;
    if ["sequence_id", "sequence_start", "sequence_end"].iter().any(|key| is_set(request.parameters.get(*key))) {
        return Err(no_sequences());
    }
    request.outputs.iter().try_for_each(check_output)
}

fn check_output(output: &RequestedOutput) -> Result<(), Failure> {
    if output.parameters.contains_key("shared_memory_region") {
        return Err(no_shared_memory());
    }
    if is_set(output.parameters.get("classification")) { Err(no_classification()) } else { Ok(()) }
}

/// Whether a parameter says something: 0, false and "" do not.
fn is_set(parameter: Option<&Parameter>) -> bool {
    match parameter.and_then(|parameter| parameter.choice.as_ref()) {
        Some(Choice::Bool(value)) => *value,
        Some(Choice::Int64(value)) => *value != 0,
        Some(Choice::Uint64(value)) => *value != 0,
        Some(Choice::String(value)) => !value.is_empty(),
        Some(Choice::Double(value)) => *value != 0.0,
        None => false,
    }
}

/// A parameter that is a whole number; 0 where it is absent or something else.
fn whole(request: &ModelInferRequest, key: &str) -> u64 {
    match request.parameters.get(key).and_then(|parameter| parameter.choice.as_ref()) {
        Some(Choice::Int64(value)) => u64::try_from(*value).unwrap_or_default(),
        Some(Choice::Uint64(value)) => *value,
        _ => 0,
    }
}

/// The tensors of a message.
pub(crate) fn read_inputs(
    signature: &Signature,
    inputs: Vec<InputTensor>,
    raw: Vec<Bytes>,
) -> Result<Vec<NamedTensor>, Failure> {
    if !raw.is_empty() && raw.len() != inputs.len() {
        let (raw, inputs) = (raw.len(), inputs.len());
        return Err(Failure::invalid(format!(
            "{inputs} inputs came with {raw} raw_input_contents; each needs its own"
        )));
    }
    let mut raw = raw.into_iter();
    inputs.into_iter().map(|input| read_input(signature, input, raw.next())).collect()
}

fn read_input(signature: &Signature, input: InputTensor, raw: Option<Bytes>) -> Result<NamedTensor, Failure> {
    let name: Arc<str> = shared_name(&input.name, &signature.inputs);
    if input.parameters.contains_key("shared_memory_region") {
        return Err(no_shared_memory());
    }
    let dtype: DType = datatype(&name, &input.datatype)?;
    let shape = shape(&name, &input.shape)?;
    let tensor = match (raw, input.contents) {
        (Some(data), None) => tensor(&name, dtype, shape, data)?,
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(format!("input '{name}' has both contents and raw_input_contents")));
        }
        (None, contents) => typed::read(&name, dtype, shape, &contents.unwrap_or_else(Contents::default))?,
    };
    Ok(NamedTensor::new(name, tensor))
}

fn shape(name: &str, dims: &[i64]) -> Result<Shape, Failure> {
    let dim = |dim: &i64| {
        u64::try_from(*dim)
            .map_err(|_| Failure::invalid(format!("input '{name}' has dimension {dim}; it must be 0 or more")))
    };
    dims.iter().map(dim).collect()
}
