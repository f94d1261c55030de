//! SIGTERM: what was accepted is answered, idle connections close, and the process ends with 0.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use crate::host::{Host, model};

const BODY: &str = r#"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[0,16],"data":[]}]}"#;

#[test]
fn a_request_in_flight_is_answered_and_the_process_ends_with_0() {
    let mut host = Host::start();
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let mut idle = connect(&host);
    write!(idle, "GET /v2/health/ready HTTP/1.1\r\nhost: t\r\n\r\n").unwrap();
    assert!(head(&mut idle).starts_with("HTTP/1.1 200 "));
    let mut slow = connect(&host);
    let length = BODY.len();
    write!(
        slow,
        "POST /v2/models/identity/infer HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
    )
    .unwrap();
    // The host says so once it waits for the body, so the request is in flight from here on.
    assert!(head(&mut slow).starts_with("HTTP/1.1 100 "));

    let sent = Command::new("kill").args(["-TERM", &host.pid().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    assert!(host.is_alive(), "the idle connection closed first; the other one still owes its body");
    slow.write_all(BODY.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains(r#""name":"OUTPUT0""#), "{answer}");
    assert_eq!(host.wait().code(), Some(0));
}

fn connect(host: &Host) -> TcpStream {
    let tcp = TcpStream::connect(host.address()).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    tcp
}

/// Reads one head, and the body that its length announces.
fn head(tcp: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tcp.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    tcp.read_exact(&mut vec![0; length.unwrap_or(0)]).unwrap();
    head
}
