//! Until when and how urgently: what the doors read, and what happens when a caller goes away.

use std::time::{Duration, Instant};

use scorehost_core::{CallContext, Priority};

use crate::client::{Connection, exchange, request};
use crate::fakes::{Fake, Server};
use crate::grpc::{self, Client};

const PATH: &str = "/v2/models/tensors/infer";
const SCORE: &str = "/api/v1/service/script/score";
const WAIT: &str = r#"{"inputs":[{"name":"wait","shape":[0],"datatype":"FP32","data":[]}]}"#;

fn last(fake: &Fake) -> CallContext {
    fake.last.lock().unwrap().take().unwrap()
}

/// Whether the deadline lies so many milliseconds after a moment in the past, and no more than a minute later.
fn is_about(call: &CallContext, before: Instant, millis: u64) -> bool {
    let left = call.deadline.unwrap().remaining(before);
    left >= Duration::from_millis(millis) && left < Duration::from_millis(millis + 60_000)
}

#[test]
fn every_door_reads_timeout_and_priority_from_headers() {
    let server = Server::start();
    let headers = [("x-scorehost-timeout-ms", "200000"), ("x-scorehost-priority", "high")];
    let before = Instant::now();
    exchange(server.http(), "POST", PATH, &headers, br#"{"inputs":[]}"#);
    let rest = last(&server.tensors);
    exchange(server.http(), "POST", SCORE, &headers, b"ok");
    let score = last(&server.script);
    Client::connect(server.bound.grpc.unwrap()).call("ModelInfer", &headers, &grpc::framed(&grpc::request("x")));
    for call in [rest, score, last(&server.tensors)] {
        assert!(is_about(&call, before, 200_000), "{call:?}");
        assert_eq!(call.priority, Priority::High);
    }
}

#[test]
fn parameters_say_the_same_and_the_earlier_deadline_holds() {
    let server = Server::start();
    let body = br#"{"parameters":{"timeout":90000000,"priority":3},"inputs":[]}"#;
    let headers = [("x-scorehost-timeout-ms", "500000"), ("x-scorehost-priority", "high")];
    let before = Instant::now();
    exchange(server.http(), "POST", PATH, &headers, body);
    let call = last(&server.tensors);
    assert!(is_about(&call, before, 90_000), "{call:?}");
    assert_eq!(call.priority, Priority::Low);
    exchange(server.http(), "POST", PATH, &[], br#"{"inputs":[]}"#);
    let call = last(&server.tensors);
    assert_eq!((call.deadline, call.priority), (None, Priority::Normal));
}

#[test]
fn terms_that_are_none_are_refused_before_the_body() {
    let server = Server::start();
    for (name, value) in [("x-scorehost-timeout-ms", "soon"), ("x-scorehost-priority", "urgent")] {
        for path in [PATH, SCORE] {
            let answer = exchange(server.http(), "POST", path, &[(name, value)], b"no JSON");
            assert_eq!(answer.status, 400, "{path} {name}");
            assert!(answer.text().contains(name), "{}", answer.text());
        }
    }
    assert!(server.tensors.last.lock().unwrap().is_none());
}

#[test]
fn too_many_requests_are_429_and_told_when_to_come_again() {
    let server = Server::start();
    let body = br#"{"inputs":[{"name":"fail-too-fast","shape":[0],"datatype":"FP32","data":[]}]}"#;
    for answer in [
        exchange(server.http(), "POST", PATH, &[], body),
        exchange(server.http(), "POST", SCORE, &[], b"fail-too-fast"),
    ] {
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("2")), "{}", answer.text());
    }
    let reply = Client::connect(server.http()).unary("ModelInfer", &grpc::request("fail-too-fast"));
    assert_eq!(reply.header("grpc-status"), Some("8"));
}

/// Waits for `what` of the fake service.
fn wait_for(what: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // Only so that a broken test fails instead of hanging.
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(20), what).await }).unwrap();
}

#[test]
fn a_closed_connection_drops_its_call() {
    let server = Server::start();
    let mut connection = Connection::open(server.http());
    connection.send(&request("POST", PATH, &[], WAIT.as_bytes()));
    wait_for(server.tensors.started.notified());
    drop(connection);
    wait_for(server.tensors.dropped.notified());
}

#[test]
fn a_reset_stream_drops_its_call_and_no_other() {
    let server = Server::start();
    let client = Client::connect(server.http());
    let start = || client.start("POST", PATH, &[("content-type", "application/json")], WAIT.as_bytes());
    let gone = start();
    wait_for(server.tensors.started.notified());
    let stays = start();
    wait_for(server.tensors.started.notified());
    gone.abort();
    wait_for(server.tensors.dropped.notified());
    server.tensors.go_on.notify_one();
    assert_eq!(client.finish(stays).status, 200);
}

#[test]
fn a_cancelled_grpc_call_is_dropped() {
    let server = Server::start();
    let client = Client::connect(server.bound.grpc.unwrap());
    let headers = [("content-type", "application/grpc"), ("te", "trailers")];
    for (method, message) in [("ModelInfer", grpc::request("wait")), ("ModelStreamInfer", grpc::request("wait"))] {
        let path = format!("/inference.GRPCInferenceService/{method}");
        let call = client.start("POST", &path, &headers, &grpc::framed(&message));
        wait_for(server.tensors.started.notified());
        call.abort();
        wait_for(server.tensors.dropped.notified());
    }
}
