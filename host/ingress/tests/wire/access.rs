//! The access log: written where there is one, by every door.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use scorehost_ingress::Observe;
use scorehost_telemetry::access::{AccessFormat, AccessLog, Sink};
use serde_json::{Value, json};

use crate::client::{exchange, get};
use crate::fakes::Server;

/// A log that the test can read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A server with an access log, and what reads the log's lines.
fn server() -> (Server, impl Fn() -> Vec<Value>) {
    let lines = Lines::default();
    let log = Arc::new(AccessLog::start(AccessFormat::Json, Sink::Stream(Box::new(lines.clone()))).unwrap());
    let server = Server::observed(Observe { access: Some(Arc::clone(&log)), ..Observe::default() });
    let read = move || {
        log.flush();
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    (server, read)
}

#[test]
fn each_request_is_one_line() {
    let (server, lines) = server();
    get(server.http(), "/v2/models/line-absent");
    exchange(server.http(), "POST", "/api/v1/service/script/score?line=2", &[("x-request-id", "r-1")], b"status-418");
    let long = format!("/line-{}", "x".repeat(1000));
    get(server.http(), &long);
    let [absent, scored, long] = lines().try_into().unwrap();
    assert_eq!(
        (&absent["protocol"], &absent["method"], &absent["status"]),
        (&json!("http"), &json!("GET"), &json!(404))
    );
    assert_eq!((&absent["kind"], &absent["peer"]), (&json!("not_found"), &json!("127.0.0.1")));
    assert_eq!(absent["request_id"].as_str().unwrap().len(), 32);
    assert_eq!((&scored["path"], &scored["status"]), (&json!("/api/v1/service/script/score"), &json!(418)));
    assert_eq!(
        (&scored["request_id"], &scored["bytes_in"], &scored["bytes_out"]),
        (&json!("r-1"), &json!(10), &json!(10))
    );
    assert!(scored["duration_us"].is_u64() && scored["kind"].is_null());
    assert_eq!(long["path"].as_str().unwrap().len(), 256);
}

#[test]
fn a_callers_trace_is_in_the_line() {
    let (server, lines) = server();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    exchange(server.http(), "POST", "/api/v1/service/script/score", &[("traceparent", &parent)], b"x");
    exchange(server.http(), "POST", "/api/v1/service/script/score", &[("traceparent", "nonsense")], b"x");
    let [traced, other] = lines().try_into().unwrap();
    assert_eq!((&traced["trace_id"], &other["trace_id"]), (&json!(trace), &Value::Null));
}
