//! Doors for the fuzz targets of `fuzz/`: each takes bytes as a stranger could send them down the way that requests take, and
//! panics where what comes out breaks a promise of this room.

use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_body_util::BodyExt;
use prost::Message;
use scorehost_core::{
    DType, EntryScriptDescription, Interface, NamedTensor, ServiceName, ServiceStatus, Signature, TensorSpec,
};

use crate::config::Limits;
use crate::encoding::Encoding;
use crate::grpc::{encode, frame, infer, message};
use crate::route::Route;
use crate::score::ids::Ids;
use crate::score::script;
use crate::server::tls::{Certificate, files};
use crate::terms::Terms;
use crate::{auth, call, encoding, oip};

/// Bodies are unpacked to this many bytes at most, so that memory of one run is bounded.
const UNPACKED: u64 = 1 << 20;

/// A body of `POST /v2/models/<m>/infer` whose first `json_bytes` bytes are JSON. What is read is written again, and the
/// written answer must be JSON with its tensors behind it.
pub fn oip_infer(body: &[u8], json_bytes: usize) {
    let Some(status) = status() else { return };
    let json_bytes = json_bytes.min(body.len());
    let Ok(decoded) = oip::infer::decode(&status, &Limits::default(), &Bytes::copy_from_slice(body), json_bytes) else {
        return;
    };
    whole(&decoded.request.inputs);
    // A float that JSON has no word for is the one thing that cannot be written.
    let Ok(answer) = oip::response::write(&status, &decoded.form, &decoded.request.inputs) else { return };
    let length = answer.headers().get(oip::infer::HEADER_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let written = collected(answer.into_body());
    let json = &written[..length.unwrap_or(written.len())];
    assert!(serde_json::from_slice::<serde::de::IgnoredAny>(json).is_ok(), "an answer is JSON");
}

/// A `ModelInferRequest` behind its gRPC frame. What is read is written again, as an answer and as a part of a stream.
pub fn grpc_infer(frame: &[u8]) {
    let Some(status) = status() else { return };
    let Interface::Tensors(signature) = &status.interface else { return };
    if frame::split_prefix(frame).is_none_or(|(_, length)| length != (frame.len() - frame::PREFIX) as u64) {
        return;
    }
    let Ok(request) = infer::decode(Bytes::copy_from_slice(&frame[frame::PREFIX..])) else { return };
    if infer::check(&request, &Limits::default()).is_err() {
        return;
    }
    let Ok(inputs) = infer::read_inputs(signature, request.inputs, request.raw_input_contents) else { return };
    whole(&inputs);
    let written =
        [encode::infer_response(&status, &request.id, &inputs), encode::stream_response(&status, "", &inputs)];
    for pieces in written.into_iter().flatten() {
        let bytes = pieces.first.len() + pieces.rest.iter().map(Bytes::len).sum::<usize>();
        let announced = frame::split_prefix(&pieces.first).map(|(_, length)| length);
        assert_eq!(announced, Some((bytes - frame::PREFIX) as u64), "a frame is as long as it announces");
    }
}

/// The other messages of the service.
pub fn grpc_messages(message: &[u8]) {
    let _ = (message::ModelRequest::decode(message), message::IndexRequest::decode(message));
    let _ = (message::LoadRequest::decode(message), message::Empty::decode(message));
}

/// Lines `name: value` as the headers of a request.
pub fn headers(lines: &[u8]) {
    let headers = header_map(lines);
    if let Ok(mut terms) = Terms::of(&headers) {
        terms.parameters(u64::MAX, 3);
        let _ = call::context(headers.clone(), terms);
    }
    if let Ok(ids) = Ids::of(&headers) {
        ids.write(&mut HeaderMap::new());
    }
    let _ = (auth::presented(&headers), encoding::accepted(&headers));
}

/// The target of a request line.
pub fn target(line: &[u8]) {
    let Ok(uri) = Uri::try_from(line) else { return };
    let _ = (Route::of(uri.path()), Route::below_score(uri.path()));
}

/// The body that an entry script with a schema gets.
pub fn scoring_body(body: &[u8]) {
    let script = EntryScriptDescription { input_schema: Some("{}".to_owned()), ..EntryScriptDescription::default() };
    let refused = script::refuse(&script, &Method::POST, body);
    assert!(refused.is_some() || std::str::from_utf8(body).is_ok(), "a script that takes text gets text");
}

/// A packed body; never more than the limit comes out.
pub fn packed(body: &[u8]) {
    for encoding in [Encoding::Gzip, Encoding::Deflate] {
        if let Ok(plain) = encoding::inflate(encoding, body, UNPACKED) {
            assert!(plain.len() as u64 <= UNPACKED, "the limit holds");
        }
    }
}

/// The files of TLS: a chain, authorities and a private key.
pub fn certificates(content: &[u8]) {
    let path = Path::new("fuzzed.pem");
    for der in files::certificates("certificate", path, content).into_iter().flatten() {
        if let Ok(certificate) = Certificate::read(&der) {
            let _ = (certificate.ends_soon(SystemTime::UNIX_EPOCH), certificate.name());
        }
    }
    let _ = files::private_key(path, content);
}

/// A service that takes any tensors.
fn status() -> Option<ServiceStatus> {
    let name: ServiceName = "fuzzed".parse().ok()?;
    let spec = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1] };
    let signature = Signature { inputs: vec![spec("INPUT0")], outputs: vec![spec("OUTPUT0")] };
    let interface = Interface::Tensors(signature);
    Some(ServiceStatus {
        name,
        version: "1".into(),
        interface,
        platform: "none",
        models: Vec::new(),
        batching: Default::default(),
    })
}

/// Every tensor is as long as its shape says.
fn whole(tensors: &[NamedTensor]) {
    for NamedTensor { name, tensor } in tensors {
        let elements = tensor.shape().iter().product::<u64>();
        if let Some(size) = tensor.dtype().size() {
            assert_eq!(tensor.data().len() as u64, elements * size as u64, "tensor {name}");
        }
    }
}

fn collected(body: crate::Body) -> Bytes {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let collected = runtime.ok().and_then(|runtime| runtime.block_on(body.collect()).ok());
    collected.map(http_body_util::Collected::to_bytes).unwrap_or_default()
}

fn header_map(lines: &[u8]) -> HeaderMap {
    let pair = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(&line[..colon]).ok()?;
        Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines.split(|byte| *byte == b'\n').filter_map(pair).take(64) {
        headers.append(name, value);
    }
    headers
}
