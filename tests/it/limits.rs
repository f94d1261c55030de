//! Every bound, reached from outside: its status, its message, and that the host lives on.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::host::{Host, model};

/// Registers and deploys over the management API, which is faster than one process per step.
fn register_different(host: &Host, name: &str, index: usize) -> Value {
    let mut content = std::fs::read(model("identity_fp32.onnx")).unwrap();
    let text = format!("model {index}");
    content.extend([6 << 3 | 2, text.len() as u8]);
    content.extend(text.bytes());
    let digest = format!("sha256:{}", hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&content)));
    let put = host.manage("PUT", &format!("/blobs/{digest}"), &content);
    assert!(put.status < 300, "{}", put.text());
    let file = json!({"path": "model.onnx", "digest": digest, "size": content.len()});
    let new = json!({"name": name, "files": [file]});
    let answer = host.manage("POST", "/models", new.to_string().as_bytes());
    assert!(answer.status < 300, "{}", answer.text());
    answer.json()["id"].clone()
}

fn deploy(host: &Host, service: &str, model: &Value) -> Value {
    let answer = host.manage("PUT", &format!("/services/{service}"), json!({"models": [model]}).to_string().as_bytes());
    if answer.status != 202 {
        return json!({"state": "Refused", "error": answer.json()["error"]});
    }
    let operation = format!("/operations/{}", answer.json()["id"].as_str().unwrap());
    loop {
        let state = host.manage("GET", &operation, &[]).json();
        if state["state"] != "Running" {
            return state;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[test]
fn the_1001st_model_is_refused_by_name_and_count() {
    let host = Host::start();
    for index in 0..1000 {
        let model = register_different(&host, &format!("m{index}"), index);
        let state = deploy(&host, &format!("svc-{index}"), &model);
        assert_eq!(state["state"], "Succeeded", "{index}: {state}");
    }
    let model = register_different(&host, "onemore", 1000);
    let state = deploy(&host, "svc-onemore", &model);
    assert_ne!(state["state"], "Succeeded");
    let text = state.to_string();
    assert!(text.contains("onemore") && text.contains("1000"), "{text}");
    assert_eq!(host.get("/v2/models/svc-999/ready").status, 200);
    // Giving one up makes room for another.
    host.ok(&["service", "delete", "svc-0"]);
    assert_eq!(deploy(&host, "svc-onemore", &model)["state"], "Succeeded");
}

#[test]
fn a_body_beyond_the_limit_is_413_declared_or_streamed() {
    let host = Host::start();
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let head = "POST /v2/models/identity/infer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n";
    let declared = host.raw(format!("{head}content-length: 10000000000\r\n\r\n").as_bytes());
    assert_eq!(declared.status, 413, "{}", declared.text());

    let mut stream = TcpStream::connect(host.address()).unwrap();
    stream.write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes()).unwrap();
    let chunk = [b"100000\r\n".as_slice(), &[b'x'; 1 << 20], b"\r\n"].concat();
    for _ in 0..200 {
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    // Where the reset overtakes the answer there is nothing to read; the host must be alive either way.
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(host.get("/v2/models/identity/ready").status, 200);
}

#[test]
fn headers_beyond_the_limit_are_431() {
    let host = Host::start();
    let long = "x".repeat(300_000);
    assert_eq!(host.request("GET", "/v2", &[("x-long", &long)], &[]).status, 431);
    let id = "i".repeat(101);
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let answer = host.post("/api/v1/service/identity/score", &[("x-ms-client-request-id", &id)], b"{}");
    assert_eq!(answer.status, 431, "{}", answer.text());
}

#[test]
fn idle_connections_do_not_keep_others_out() {
    let host = Host::start();
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(host.address()).unwrap()).collect();
    assert_eq!(host.get("/v2/health/live").status, 200);
    drop(idle);
}
