//! The description of a service's scoring URI, in OpenAPI 2.0, 3.0 and 3.1.

use http::request::Parts;
use http::{Method, Response, StatusCode};
use scorehost_core::{DType, EntryScriptDescription, Failure, Interface, ServiceStatus, TensorSpec};
use serde_json::{Value, json};

use super::{error, method};
use crate::handler::Shared;
use crate::{Body, oip};

/// Answers `GET …/swagger.json?version=2|3|3.1`; 2 where none is named.
pub(crate) fn answer(shared: &Shared, parts: &Parts, name: &str) -> Result<Response<Body>, Failure> {
    let service = shared.described(name, None, &parts.headers)?;
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Ok(method(&parts.method));
    }
    let query = parts.uri.query().unwrap_or_default();
    let version = query.split('&').find_map(|pair| pair.strip_prefix("version=")).unwrap_or("2");
    let status = service.status();
    Ok(match version {
        "2" => oip::ok(&version_2(status)),
        "3" => oip::ok(&version_3(status, "3.0.3")),
        "3.1" => oip::ok(&version_3(status, "3.1.0")),
        other => {
            let other: String = other.chars().take(16).collect();
            error(StatusCode::NOT_FOUND, &format!("Swagger version [{other}] is not supported; use 2, 3 or 3.1"))
        }
    })
}

fn info(status: &ServiceStatus) -> Value {
    json!({
        "title": status.name.as_str(),
        "description": format!("Scores with service {}", status.name),
        "version": &*status.version,
    })
}

fn path(status: &ServiceStatus) -> String {
    format!("/api/v1/service/{}/score", status.name)
}

const SUCCESS: &str = "The scorer's answer";
const FAILURE: &str = "What went wrong";

fn version_2(status: &ServiceStatus) -> Value {
    json!({
        "swagger": "2.0",
        "info": info(status),
        "schemes": ["http"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "paths": { path(status): { "post": {
            "operationId": "RunMLService",
            "parameters": [{
                "in": "body", "name": "serviceInputPayload", "schema": { "$ref": "#/definitions/ServiceInput" },
            }],
            "responses": {
                "200": { "description": SUCCESS, "schema": { "$ref": "#/definitions/ServiceOutput" } },
                "default": { "description": FAILURE, "schema": { "$ref": "#/definitions/ErrorResponse" } },
            },
        }}},
        "definitions": schemas(status),
    })
}

fn version_3(status: &ServiceStatus, openapi: &str) -> Value {
    let content = |schema: &str| json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } });
    json!({
        "openapi": openapi,
        "info": info(status),
        "paths": { path(status): { "post": {
            "operationId": "RunMLService",
            "requestBody": { "content": content("ServiceInput") },
            "responses": {
                "200": { "description": SUCCESS, "content": content("ServiceOutput") },
                "default": { "description": FAILURE, "content": content("ErrorResponse") },
            },
        }}},
        "components": { "schemas": schemas(status) },
    })
}

fn schemas(status: &ServiceStatus) -> Value {
    let (input, output) = match &status.interface {
        Interface::EntryScript(script) => script_schemas(script),
        Interface::Tensors(signature) => {
            (document("inputs", &signature.inputs), document("outputs", &signature.outputs))
        }
    };
    json!({
        "ServiceInput": input,
        "ServiceOutput": output,
        "ErrorResponse": { "type": "object", "properties": { "message": { "type": "string" } } },
    })
}

/// A script's own schemas; anything where it declares none.
fn script_schemas(script: &EntryScriptDescription) -> (Value, Value) {
    let schema = |text: &Option<String>| {
        text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| json!({}))
    };
    (schema(&script.input_schema), schema(&script.output_schema))
}

/// The inference document of the Open Inference Protocol, restricted to the signature's tensors.
fn document(list: &str, specs: &[TensorSpec]) -> Value {
    let tensors: Vec<Value> = specs.iter().map(example).collect();
    json!({
        "type": "object",
        "required": [list],
        "properties": { list: { "type": "array", "items": {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": { "type": "string", "enum": specs.iter().map(|spec| &*spec.name).collect::<Vec<_>>() },
                "shape": { "type": "array", "items": { "type": "integer", "minimum": 0 } },
                "datatype": { "type": "string", "enum": DType::ALL.map(DType::name) },
                "data": { "type": "array", "items": {} },
            },
        }}},
        "example": { list: tensors },
    })
}

/// One tensor with 1 for every free dimension and no data where that would be long.
fn example(spec: &TensorSpec) -> Value {
    const LONG: u64 = 64;
    let shape: Vec<u64> = spec.shape.iter().map(|dim| u64::try_from(*dim).unwrap_or(1)).collect();
    let elements = shape.iter().try_fold(1u64, |product, dim| product.checked_mul(*dim)).filter(|count| *count <= LONG);
    let element = match spec.dtype {
        DType::Bool => json!(false),
        DType::Bytes => json!("text"),
        DType::F16 | DType::BF16 | DType::F32 | DType::F64 => json!(0.0),
        _ => json!(0),
    };
    let data = vec![element; elements.unwrap_or(0) as usize];
    json!({ "name": &*spec.name, "shape": shape, "datatype": spec.dtype.name(), "data": data })
}
