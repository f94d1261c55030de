//! The targets: one function per parser that reads what a stranger or a damaged disk wrote.
//!
//! In: any bytes. Out: nothing; a panic, an endless run or memory without bound is the finding. `fuzz_targets/` hands these to
//! libFuzzer, and `tests/it/fuzz.rs` runs them with the seeds and a few thousand mutations in the ordinary test suite.

use scorehost_auth::fuzzing as auth;
use scorehost_build::fuzzing as build;
use scorehost_control::files::{DeploymentConfig, ModelConfiguration, outbound_place, parse_text_format};
use scorehost_control::fuzzing as control;
use scorehost_core::{Digest, ModelId, ServiceName, TraceContext, VersionName};
use scorehost_graph::{MemoryPlan, NoFold, Options};
use scorehost_ingress::fuzzing as ingress;
use scorehost_registry::{check_path, check_paths, fuzzing as registry};
use scorehost_telemetry::{Recorded, whole_records};

/// A target: any bytes, no panic.
pub type Target = fn(&[u8]);

/// Every target by the name of its folder of seeds.
pub const TARGETS: &[(&str, Target)] = &[
    ("oip_infer", oip_infer),
    ("grpc_infer", ingress::grpc_infer),
    ("grpc_messages", ingress::grpc_messages),
    ("headers", ingress::headers),
    ("traceparent", traceparent),
    ("target", ingress::target),
    ("scoring_body", ingress::scoring_body),
    ("packed", ingress::packed),
    ("certificates", ingress::certificates),
    ("token", token),
    ("jwks", auth::jwks),
    ("auth_files", auth::files),
    ("issuer", issuer),
    ("deployment_config", deployment_config),
    ("model_configuration", model_configuration),
    ("documents", control::documents),
    ("management", management),
    ("record", registry::record),
    ("recording", recording),
    ("csv_tail", csv_tail),
    ("paths", paths),
    ("names", names),
    ("inference_config", inference_config),
    ("packages", packages),
    ("onnx", onnx),
];

/// A body of `POST …/infer`: JSON up to a NUL byte, which JSON never holds, and behind it the binary tensors.
fn oip_infer(data: &[u8]) {
    let json_bytes = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let tensors = data.get(json_bytes + 1..).unwrap_or_default();
    ingress::oip_infer(&[&data[..json_bytes], tensors].concat(), json_bytes);
}

fn traceparent(data: &[u8]) {
    let Some(trace) = text(data).and_then(|text| text.parse::<TraceContext>().ok()) else { return };
    assert_eq!(trace.to_string().parse(), Ok(trace), "what was written is read again");
}

fn token(data: &[u8]) {
    text(data).map(auth::token).unwrap_or_default();
}

/// A file of a recorded request: what is read is written again, and read as the same.
fn recording(data: &[u8]) {
    let Ok(recorded) = Recorded::decode(&data.to_vec().into()) else { return };
    let written = recorded.encode();
    let again = Recorded::decode(&written.clone().into()).map(|again| again.encode());
    assert_eq!(again, Ok(written), "what was written is read again");
}

/// A CSV file that a crash cut off: what is kept is whole, and cutting it again changes nothing.
fn csv_tail(data: &[u8]) {
    let whole = whole_records(data) as usize;
    assert_eq!(whole_records(&data[..whole]) as usize, whole);
    assert!(whole == 0 || data[whole - 1] == b'\n');
}

/// A model's configuration in both formats. What is read as text is read again from its JSON.
fn model_configuration(data: &[u8]) {
    let _ = ModelConfiguration::parse("config.json", data);
    let read = ModelConfiguration::parse("config.pbtxt", data);
    let Some(value) = text(data).and_then(|text| parse_text_format(text).ok()) else { return };
    let json = ModelConfiguration::parse("config.json", value.to_string().as_bytes());
    assert_eq!(read.ok(), json.ok(), "both formats say the same");
}

fn issuer(data: &[u8]) {
    text(data).map(auth::issuer).unwrap_or_default();
}

fn deployment_config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let read = DeploymentConfig::parse(text);
    assert!(read.is_ok() || read.is_err_and(|violations| !violations.to_string().is_empty()));
    let _ = (outbound_place(text, false), outbound_place(text, true));
}

fn management(data: &[u8]) {
    control::bodies(data);
    text(data).map(control::query).unwrap_or_default();
}

/// A list of paths of a model's files, one a line.
fn paths(data: &[u8]) {
    let Some(text) = text(data) else { return };
    for path in text.lines().filter(|path| check_path(path).is_ok()) {
        let escapes = path.starts_with('/') || path.split('/').any(|part| part == ".." || part.is_empty());
        assert!(!escapes, "{path:?} stays in its folder");
    }
    let _ = check_paths(text.lines());
}

fn names(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let again = |written: Option<String>| assert!(written.is_none_or(|written| written == text), "{text:?}");
    again(text.parse::<ServiceName>().ok().map(|name| name.to_string()));
    again(text.parse::<VersionName>().ok().map(|name| name.to_string()));
    let _ = (text.parse::<ModelId>(), text.parse::<Digest>());
}

fn inference_config(data: &[u8]) {
    text(data).map(build::inference_config).unwrap_or_default();
}

fn packages(data: &[u8]) {
    text(data).map(build::packages).unwrap_or_default();
}

fn onnx(data: &[u8]) {
    let Ok(model) = scorehost_graph::Model::read(data.to_vec().into(), None) else { return };
    let Ok(graph) = model.graph() else { return };
    let Ok(graph) = graph.optimised(&Options { fold: &NoFold, supports: &|_| true }) else { return };
    let _ = (graph.batch(&NoFold), graph.unsupported(&|_| false));
    let size = |dim: &i64| u64::try_from(*dim).unwrap_or(2);
    let inputs: Vec<_> = graph.signature.inputs.iter().map(|input| input.shape.iter().map(size).collect()).collect();
    let Ok(shapes) = graph.shapes(&inputs, &NoFold) else { return };
    let plan = MemoryPlan::of(&graph, &shapes, 64);
    assert!(plan.slots.iter().flatten().all(|slot| slot.offset.saturating_add(slot.bytes) <= plan.bytes));
}

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}
