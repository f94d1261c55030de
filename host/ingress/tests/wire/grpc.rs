//! gRPC over HTTP/2 without TLS, by a bare HTTP/2 client.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use bytes::{BufMut, Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use prost::Message;
use scorehost_core::ErrorKind;
use scorehost_ingress::status_of;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::fakes::Server;

pub(crate) struct Client {
    runtime: Runtime,
    send: SendRequest<Bytes>,
}

/// A response with its trailers joined to its headers.
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn message(&self) -> Bytes {
        assert_eq!(self.header("grpc-status"), Some("0"), "{:?}", self.header("grpc-message"));
        assert_eq!(self.body[..5], [&[0][..], &(self.body.len() as u32 - 5).to_be_bytes()].concat());
        self.body.slice(5..)
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address))
    }

    /// A client on the stream that `open` makes.
    pub(crate) fn over<T: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
        open: impl Future<Output = std::io::Result<T>>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let send = runtime.block_on(async {
            let stream = open.await.unwrap();
            let (send, connection) = h2::client::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            send
        });
        Self { runtime, send }
    }

    pub(crate) fn start(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> JoinHandle<Reply> {
        let mut request = Request::builder().method(method).uri(format!("http://test{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (request, body, send) = (request.body(()).unwrap(), Bytes::copy_from_slice(body), self.send.clone());
        self.runtime.spawn(exchange(send, request, body))
    }

    pub(crate) fn finish(&self, pending: JoinHandle<Reply>) -> Reply {
        self.runtime.block_on(pending).unwrap()
    }

    pub(crate) fn call(&self, method: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let all = [&[("content-type", "application/grpc"), ("te", "trailers")], headers].concat();
        self.finish(self.start("POST", &format!("/inference.GRPCInferenceService/{method}"), &all, body))
    }

    pub(crate) fn unary(&self, method: &str, message: &impl Message) -> Reply {
        self.call(method, &[], &framed(message))
    }
}

async fn exchange(send: SendRequest<Bytes>, request: Request<()>, body: Bytes) -> Reply {
    let (response, mut stream) = send.ready().await.unwrap().send_request(request, false).unwrap();
    // The server may answer and reset before it took the whole body.
    let _ = stream.send_data(body, true);
    let (head, mut body) = response.await.unwrap().into_parts();
    let mut whole = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece.unwrap();
        body.flow_control().release_capacity(piece.len()).unwrap();
        whole.extend_from_slice(&piece);
    }
    let mut headers = head.headers;
    headers.extend(body.trailers().await.unwrap().unwrap_or_default());
    Reply { status: head.status.as_u16(), headers, body: whole.freeze() }
}

pub(crate) fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    [&[0][..], &(message.len() as u32).to_be_bytes(), &message].concat()
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InferRequest {
    #[prost(string, tag = "1")]
    model_name: String,
    #[prost(string, tag = "2")]
    model_version: String,
    #[prost(string, tag = "3")]
    id: String,
    #[prost(message, repeated, tag = "5")]
    inputs: Vec<Tensor>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    raw_input_contents: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    datatype: String,
    #[prost(int64, repeated, tag = "3")]
    shape: Vec<i64>,
    #[prost(message, optional, tag = "5")]
    contents: Option<Contents>,
}

#[derive(Clone, PartialEq, Message)]
struct Contents {
    #[prost(float, repeated, tag = "6")]
    fp32_contents: Vec<f32>,
}

#[derive(Clone, PartialEq, Message)]
struct InferResponse {
    #[prost(string, tag = "1")]
    model_name: String,
    #[prost(string, tag = "2")]
    model_version: String,
    #[prost(string, tag = "3")]
    id: String,
    #[prost(message, repeated, tag = "5")]
    outputs: Vec<Tensor>,
    #[prost(bytes = "vec", repeated, tag = "6")]
    raw_output_contents: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamResponse {
    #[prost(string, tag = "1")]
    error_message: String,
    #[prost(message, optional, tag = "2")]
    infer_response: Option<InferResponse>,
}

fn tensor(name: &str, shape: &[i64], contents: Option<Vec<f32>>) -> Tensor {
    let contents = contents.map(|fp32_contents| Contents { fp32_contents });
    Tensor { name: name.into(), datatype: "FP32".into(), shape: shape.into(), contents }
}

pub(crate) fn request(name: &str) -> InferRequest {
    InferRequest {
        model_name: "tensors".into(),
        id: "7".into(),
        inputs: vec![tensor(name, &[1], None)],
        raw_input_contents: vec![1.5f32.to_le_bytes().to_vec()],
        ..InferRequest::default()
    }
}

fn client(server: &Server) -> Client {
    Client::connect(server.bound.grpc.unwrap())
}

#[test]
fn raw_and_typed_contents_are_the_same_tensor() {
    let server = Server::start();
    let client = client(&server);
    let typed = InferRequest {
        inputs: vec![tensor("x", &[1], Some(vec![1.5]))],
        raw_input_contents: Vec::new(),
        model_version: "3".into(),
        ..request("x")
    };
    for request in [request("x"), typed] {
        let reply = client.unary("ModelInfer", &request);
        let expected = InferResponse {
            model_name: "tensors".into(),
            model_version: "3".into(),
            id: "7".into(),
            outputs: vec![tensor("OUT-x", &[1], None)],
            raw_output_contents: vec![1.5f32.to_le_bytes().to_vec()],
        };
        assert_eq!(InferResponse::decode(reply.message()).unwrap(), expected);
        assert_eq!(reply.header("content-type"), Some("application/grpc"));
    }
}

#[test]
fn large_tensors_come_back_whole() {
    let server = Server::start();
    let data: Vec<u8> = (0..800_000u32).map(|byte| byte as u8).collect();
    let request = InferRequest {
        inputs: vec![tensor("x", &[200_000], None), tensor("y", &[200_000], None)],
        raw_input_contents: vec![data.clone(), data.clone()],
        ..request("x")
    };
    let reply = client(&server).unary("ModelInfer", &request);
    assert!(InferResponse::decode(reply.message()).unwrap().raw_output_contents == [data.clone(), data]);
}

#[test]
fn every_kind_of_failure_has_its_code() {
    let server = Server::start();
    let client = client(&server);
    for kind in ErrorKind::ALL {
        let reply = client.unary("ModelInfer", &request(&format!("fail-{}", kind.name())));
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("grpc-status"), Some(&*status_of(kind).grpc.to_string()), "{kind:?}");
        assert_eq!(reply.header("grpc-message"), Some("planned; try another"));
        assert!(reply.header("x-request-id").is_some());
    }
}

#[test]
fn broken_calls_are_refused_by_code() {
    let server = Server::with(|config| config.limits.body_bytes = 1000);
    let client = client(&server);
    let check = |method: &str, headers: &[(&str, &str)], body: &[u8], code: &str, message: &str| {
        let reply = client.call(method, headers, body);
        assert_eq!(reply.header("grpc-status"), Some(code), "{method} {message}: {:?}", reply.header("grpc-message"));
        let actual = reply.header("grpc-message").unwrap();
        assert!(actual.starts_with(message), "{message}: {actual}");
    };
    check("ModelInfer", &[], b"", "3", "a unary call needs one framed message of at least 5 bytes, got 0");
    check("ModelInfer", &[], &[0, 0, 0, 0, 9, 1], "3", "the frame announces 9 bytes, but 1 follow");
    check("ModelInfer", &[], &[0, 0, 0, 0, 1, 0xff], "3", "the message is no ModelInferRequest");
    check("ModelInfer", &[], &[1, 0, 0, 0, 1, 0], "13", "a compressed frame came without grpc-encoding");
    check("ModelInfer", &[("grpc-encoding", "snappy")], &[1, 0, 0, 0, 1, 0], "12", "grpc-encoding 'snappy'");
    check("ModelInfer", &[], &vec![0; 2000], "8", "the request body is larger than the limit");
    check("ModelInfer", &[("grpc-timeout", "x")], &framed(&request("x")), "3", "grpc-timeout must be");
    check("SystemSharedMemoryStatus", &[], &[0; 5], "12", "method 'SystemSharedMemoryStatus' is not offered");
    let with = |adjust: &dyn Fn(&mut InferRequest)| {
        let mut request = request("x");
        adjust(&mut request);
        framed(&request)
    };
    let body = with(&|request| request.model_name = "absent".into());
    check("ModelInfer", &[], &body, "5", "no service named 'absent' is deployed");
    let body = with(&|request| request.model_name = "script".into());
    check("ModelInfer", &[], &body, "12", "service 'script' is an entry script");
    let body = with(&|request| request.raw_input_contents.push(Vec::new()));
    check("ModelInfer", &[], &body, "3", "1 inputs came with 2 raw_input_contents");
    let body = with(&|request| request.inputs[0].shape = vec![-1]);
    check("ModelInfer", &[], &body, "3", "input 'x' has dimension -1");
    let body = with(&|request| request.inputs[0].shape = vec![2]);
    check("ModelInfer", &[], &body, "3", "input 'x': FP32 of shape [2] needs 8 bytes, got 4");
    let body = with(&|request| request.inputs[0].contents = Some(Contents::default()));
    check("ModelInfer", &[], &body, "3", "input 'x' has both contents and raw_input_contents");
}

#[test]
fn what_is_no_grpc_call_is_answered_as_http() {
    let server = Server::start();
    let client = client(&server);
    let path = "/inference.GRPCInferenceService/ServerLive";
    let reply = client.finish(client.start("POST", path, &[("content-type", "application/json")], b"{}"));
    assert_eq!(reply.status, 415);
    assert_eq!(crate::client::post(server.http(), path, "").status, 415);
}

#[test]
fn deadlines_travel_down() {
    let server = Server::start();
    let before = std::time::Instant::now();
    client(&server).call("ModelInfer", &[("grpc-timeout", "5S"), ("x-request-id", "mine")], &framed(&request("x")));
    let call = server.tensors.last.lock().unwrap().take().unwrap();
    assert!(call.deadline.unwrap().remaining(before).as_secs() >= 5);
    assert_eq!(&*call.request_id, "mine");
}

/// `name` and `version`, as most requests have them.
#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[test]
fn health_metadata_and_repository_answer() {
    let server = Server::start();
    let client = client(&server);
    let named = |name: &str| Named { name: name.into(), version: String::new() };
    let text = |method: &str, request: &Named| client.unary(method, request).message();
    let contains = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
    assert_eq!(&text("ServerLive", &named(""))[..], [8, 1]);
    assert_eq!(&text("ServerReady", &named(""))[..], [8, 1]);
    assert_eq!(&text("ModelReady", &named("tensors"))[..], [8, 1]);
    assert!(text("ModelReady", &named("absent")).is_empty());
    assert!(contains(&text("ServerMetadata", &named("")), "binary_tensor_data"));
    assert!(contains(&text("ModelMetadata", &named("tensors")), "onnxruntime_onnx"));
    assert!(contains(&text("ModelConfig", &named("tensors")), "OUT-x"));
    assert!(contains(&text("ModelStatistics", &named("tensors")), "tensors"));
    assert!(contains(&text("RepositoryIndex", &named("")), "UNAVAILABLE"));
    let load = |name: &str| Named { name: String::new(), version: name.into() };
    assert!(text("RepositoryModelLoad", &load("old")).is_empty());
    assert!(text("RepositoryModelUnload", &load("old")).is_empty());
    assert_eq!(client.unary("RepositoryModelLoad", &load("absent")).header("grpc-status"), Some("5"));
}

#[test]
fn a_restoring_host_is_live_and_not_ready() {
    let server = Server::start();
    let client = client(&server);
    let text = |method: &str| client.unary(method, &Named { name: String::new(), version: String::new() }).message();
    server.ready.store(false, Ordering::Release);
    assert_eq!(&text("ServerLive")[..], [8, 1]);
    assert!(text("ServerReady").is_empty(), "false is the default, which is not written");
    server.ready.store(true, Ordering::Release);
    assert_eq!(&text("ServerReady")[..], [8, 1]);
}

#[test]
fn streams_answer_in_order_and_survive_failures() {
    let server = Server::start();
    let client = client(&server);
    let requests = [request("x"), request("fail-overloaded"), InferRequest { id: "8".into(), ..request("x") }];
    let mut body = BytesMut::new();
    requests.iter().for_each(|request| body.put_slice(&framed(request)));
    let reply = client.call("ModelStreamInfer", &[], &body);
    assert_eq!(reply.header("grpc-status"), Some("0"));
    let mut rest = reply.body.clone();
    let mut answers = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_be_bytes(rest[1..5].try_into().unwrap()) as usize;
        answers.push(StreamResponse::decode(rest.slice(5..5 + length)).unwrap());
        rest = rest.slice(5 + length..);
    }
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[0].infer_response.as_ref().unwrap().id, "7");
    assert_eq!(answers[1].error_message, "planned; try another");
    assert_eq!(answers[2].infer_response.as_ref().unwrap().id, "8");
    let reply = client.call("ModelStreamInfer", &[], &[0, 0, 0]);
    assert_eq!(reply.header("grpc-status"), Some("3"));
}
