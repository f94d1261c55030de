//! Metrics, traces, logs and access lines of the real binary.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Host, ask, model};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

/// A collector that takes everything and hands on the path and the body of each request.
pub(crate) fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (send, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let send = send.clone();
            std::thread::spawn(move || collect(stream, &send));
        }
    });
    (url, received)
}

fn collect(mut stream: TcpStream, send: &Sender<(String, Vec<u8>)>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let whole = end.map(|end| {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            (head.split(' ').nth(1).unwrap().to_owned(), end + 4, end + 4 + length.unwrap())
        });
        match whole.filter(|(_, _, whole)| bytes.len() >= *whole) {
            Some((path, body, whole)) => {
                // The test may be over.
                let _ = send.send((path, bytes[body..whole].to_vec()));
                bytes.drain(..whole);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
            }
            None => match stream.read(&mut piece) {
                Ok(read) if read > 0 => bytes.extend_from_slice(&piece[..read]),
                _ => return,
            },
        }
    }
}

/// Waits for a body at `path` in which every one of `parts` is.
pub(crate) fn delivered(received: &Receiver<(String, Vec<u8>)>, path: &str, parts: &[&[u8]]) -> bool {
    let holds = |body: &[u8], part: &[u8]| body.windows(part.len()).any(|window| window == part);
    while let Ok((to, body)) = received.recv_timeout(Duration::from_secs(30)) {
        if to == path && parts.iter().all(|part| holds(&body, part)) {
            return true;
        }
    }
    false
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn infer(host: &Host, service: &str, headers: &[(&str, &str)]) -> crate::host::Answer {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![0.5; 16]}]});
    host.post(&format!("/v2/models/{service}/infer"), headers, body.to_string().as_bytes())
}

#[test]
fn a_sampled_request_is_a_trace_from_the_door_to_the_model() {
    let Some(component) = build("plugins/examples/identity-rust") else { return };
    let (url, received) = collector();
    let host = Host::start_with(&["--otlp-endpoint", &url, "--trace-sample", "0"]);
    host.ok(&["model", "register", "--name", "identity", "--path", model("identity_fp32.onnx").to_str().unwrap()]);
    host.ok(&["deploy", "-n", "traced", "-m", "identity:1", "--scorer", text(&component)]);
    assert_eq!(infer(&host, "traced", &[]).header("traceparent"), None);
    let parent = format!("00-{TRACE:032x}-00f067aa0ba902b7-01");
    let answer = infer(&host, "traced", &[("traceparent", &parent)]);
    let returned = answer.header("traceparent").unwrap();
    assert!(returned.starts_with(&format!("00-{TRACE:032x}-")) && returned.ends_with("-01") && returned != parent);
    let names: [&[u8]; 4] = [b"POST /v2/models/{model}/infer", b"scorer.run", b"model.run", b"scorehost.service"];
    let trace = TRACE.to_be_bytes();
    let mut parts = vec![&trace[..]];
    parts.extend(names);
    assert!(delivered(&received, "/v1/traces", &parts), "no spans came");
}

#[test]
fn the_hosts_own_log_goes_to_the_collector() {
    let (url, received) = collector();
    let _host = Host::start_with(&["--otlp-endpoint", &url]);
    assert!(delivered(&received, "/v1/logs", &[b"listening", b"service.name", b"scorehost"]), "no records came");
}

#[test]
fn metrics_count_what_was_asked_at_both_addresses() {
    let address = free_address();
    let host = Host::start_with(&["--metrics", &address.to_string()]);
    host.deploy_model("counted", &model("identity_fp32.onnx"));
    for _ in 0..3 {
        assert_eq!(infer(&host, "counted", &[]).status, 200);
    }
    // The command line, too, asked for things that were not there yet.
    let before = counter(&host, "scorehost_error_answers_total{kind=\"not_found\"}");
    assert_eq!(host.get("/v2/models/absent").status, 404);
    let not_found = format!("scorehost_error_answers_total{{kind=\"not_found\"}} {}", before + 1);
    for text in [ask(address, "GET", "/metrics", &[], &[]).text(), host.get("/metrics").text()] {
        for line in [
            "scorehost_requests_total{service=\"counted\",version=\"1\",outcome=\"ok\"} 3",
            "scorehost_request_duration_seconds_count{service=\"counted\",version=\"1\"} 3",
            "nv_inference_request_success{model=\"counted\",version=\"1\"} 3",
            &not_found,
            "scorehost_requests_in_flight{service=\"counted\",version=\"1\"} 0",
            "scorehost_models_loaded 1",
            "scorehost_ready 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
    assert_eq!(ask(address, "GET", "/v2", &[], &[]).status, 404);
}

/// The value of a counter now.
fn counter(host: &Host, name: &str) -> u64 {
    let text = host.get("/metrics").text();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
        .unwrap_or_else(|| panic!("{name}:\n{text}"))
}

#[test]
fn access_lines_name_service_version_caller_and_trace() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let host = Host::keyed(&["--access-log", "json", "--access-log-file", file.to_str().unwrap()]);
    host.deploy_model("written", &model("identity_fp32.onnx"));
    assert_eq!(infer(&host, "written", &[("x-request-id", "refused")]).status, 401);
    let parent = format!("00-{TRACE:032x}-00f067aa0ba902b7-00");
    let credential = format!("Bearer {}", host.credential());
    let headers = [("x-request-id", "answered"), ("traceparent", &*parent), ("authorization", &*credential)];
    assert_eq!(infer(&host, "written", &headers).status, 200);
    let lines = lines_of(&file, &["refused", "answered"]);
    let of = |id: &str| lines.iter().find(|line| line["request_id"] == id).unwrap();
    let (refused, answered) = (of("refused"), of("answered"));
    assert_eq!((&refused["status"], &refused["kind"]), (&json!(401), &json!("unauthenticated")));
    assert!(refused["service"].is_null());
    assert_eq!((&answered["service"], &answered["version"]), (&json!("written"), &json!("1")));
    assert_eq!(
        (&answered["status"], &answered["kind"], &answered["peer"]),
        (&json!(200), &Value::Null, &json!("127.0.0.1"))
    );
    assert_eq!(answered["trace_id"], format!("{TRACE:032x}"));
    assert!(answered["caller"].is_string() && answered["compute_us"].is_u64(), "{answered}");
    assert!(answered["bytes_in"].as_u64().unwrap() > 0 && answered["bytes_out"].as_u64().unwrap() > 0);
}

/// The lines of a log in JSON, once those of all `ids` are there.
fn lines_of(file: &std::path::Path, ids: &[&str]) -> Vec<Value> {
    for _ in 0..2000 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if ids.iter().all(|id| text.contains(&format!("\"{id}\""))) {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} never held {ids:?}", file.display());
}

#[test]
fn settings_that_cannot_hold_are_refused_before_a_port_opens() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let serve = |arguments: &[&str]| {
        let mut command = std::process::Command::new(crate::host::binary());
        command.args(["serve", "--data-dir", data.to_str().unwrap(), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]);
        let output = command.args(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        crate::host::show(&output.stderr)
    };
    let error = serve(&["--otlp-endpoint", "collector:4318"]);
    assert!(error.contains("'collector:4318' does not begin with http://") && error.contains("hint:"), "{error}");
    let error = serve(&["--otlp-endpoint", "http://127.0.0.1:9", "--trace-sample", "2"]);
    assert!(error.contains("--trace-sample is '2'; expected a part from 0 to 1"), "{error}");
    let error = serve(&["--access-log", "json", "--access-log-file", "/nowhere/access.log"]);
    assert!(error.contains("/nowhere/access.log"), "{error}");
    assert!(!data.exists(), "a refused start leaves no folder behind");
}
