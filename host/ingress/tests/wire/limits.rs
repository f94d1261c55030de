//! Each limit with its status and message.

use std::io::Write;
use std::net::SocketAddr;

use flate2::Compression;
use flate2::write::GzEncoder;
use scorehost_ingress::{IngressConfig, IngressError};
use serde_json::json;

use crate::client::{Connection, exchange, get, post, request};
use crate::fakes::{Server, config};

const PATH: &str = "/v2/models/tensors/infer";

fn small() -> Server {
    Server::with(|config| config.limits.body_bytes = 1000)
}

#[test]
fn declared_sizes_are_refused_before_the_body() {
    let server = small();
    let mut connection = Connection::open(server.http());
    connection.send(format!("POST {PATH} HTTP/1.1\r\nhost: t\r\ncontent-length: 1001\r\n\r\n").as_bytes());
    let answer = connection.receive();
    let message = "the request body is larger than the limit of 1000 bytes";
    assert_eq!((answer.status, answer.json()), (413, json!({ "error": message })));
}

#[test]
fn large_uploads_hear_the_reason() {
    let server = small();
    let answer = exchange(server.http(), "POST", PATH, &[], &vec![b' '; 20_000_000]);
    assert_eq!(answer.status, 413);
    let answer = exchange(server.http(), "POST", "/api/v1/service/script/score", &[], &vec![b' '; 2000]);
    assert_eq!(answer.json(), json!({ "message": "the request body is larger than the limit of 1000 bytes" }));
}

#[test]
fn chunked_bodies_are_counted_while_they_come() {
    let server = small();
    let mut connection = Connection::open(server.http());
    connection.send(format!("POST {PATH} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n").as_bytes());
    for _ in 0..3 {
        connection.send_or_give_up(format!("190\r\n{}\r\n", " ".repeat(400)).as_bytes());
    }
    assert_eq!(connection.receive().status, 413);
}

#[test]
fn chunked_bodies_within_the_limit_are_joined() {
    let server = small();
    let body = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#;
    let mut text = format!("POST {PATH} HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in body.as_bytes().chunks(7) {
        text.push_str(&format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()));
    }
    let mut connection = Connection::open(server.http());
    connection.send(format!("{text}0\r\n\r\n").as_bytes());
    assert_eq!(connection.receive().status, 200);
}

#[test]
fn bombs_are_refused() {
    let server = Server::with(|config| config.limits.body_bytes = 100_000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&vec![b' '; 5_000_000]).unwrap();
    let answer = exchange(server.http(), "POST", PATH, &[("content-encoding", "gzip")], &gzip.finish().unwrap());
    assert_eq!(answer.status, 413, "{answer:?}");
}

#[test]
fn headers_are_bounded() {
    let server = Server::with(|config| config.limits.header_bytes = 8192);
    let answer = exchange(server.http(), "GET", "/v2", &[("x-long", &"x".repeat(10_000))], b"");
    assert_eq!(answer.status, 431);
    assert_eq!(exchange(server.http(), "GET", "/v2", &[("x-long", &"x".repeat(6_000))], b"").status, 200);
}

#[test]
fn tensors_of_one_request_are_bounded() {
    let server = Server::with(|config| config.limits.tensors = 2);
    let input = r#"{"name":"x","shape":[0],"datatype":"FP32","data":[]}"#;
    let answer = post(server.http(), PATH, &format!(r#"{{"inputs":[{input},{input},{input}]}}"#));
    assert_eq!((answer.status, answer.json()), (413, json!({ "error": "3 inputs are more than the limit of 2" })));
}

#[test]
fn json_depth_is_bounded() {
    let server = Server::start();
    let data = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[1],"datatype":"FP32","data":{data}}}]}}"#);
    let answer = post(server.http(), PATH, &body);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("recursion limit exceeded"), "{}", answer.text());
    assert_eq!(get(server.http(), "/v2").status, 200);
}

#[test]
fn connections_are_bounded_and_places_come_back() {
    let server = Server::with(|config| config.limits.connections = 2);
    let mut open: Vec<Connection> = (0..2).map(|_| Connection::open(server.http())).collect();
    for connection in &mut open {
        connection.send(&request("GET", "/v2", &[], b""));
        assert_eq!(connection.receive().status, 200);
    }
    let answer = Connection::open(server.http()).receive();
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"], "all 2 connections of this host are in use; try again later");
    open.pop();
    // The place comes back when the server sees the close, so that the first tries may still be refused.
    let served = (0..1000).any(|_| {
        let mut connection = Connection::open(server.http());
        connection.send_or_give_up(&request("GET", "/v2", &[], b""));
        connection.receive().status == 200
    });
    assert!(served);
}

#[test]
fn limits_that_refuse_everything_are_refused() {
    let check = |adjust: &dyn Fn(&mut IngressConfig), expected: &str| {
        let mut config = config();
        adjust(&mut config);
        assert_eq!(config.validate().unwrap_err().to_string(), expected);
    };
    check(&|config| config.limits.connections = 0, "limit 'connections' is 0, which would refuse every request");
    check(&|config| config.limits.header_bytes = 100, "limit 'header_bytes' is 100; the smallest is 8192");
    assert!(matches!(config().validate(), Ok::<(), IngressError>(())));
}

#[test]
fn plain_addresses_beyond_loopback_are_told() {
    let everywhere: SocketAddr = ([0, 0, 0, 0], 8080).into();
    let config = IngressConfig { grpc: Some(everywhere), ..config() };
    assert_eq!(config.exposed().collect::<Vec<_>>(), [everywhere]);
    assert!(config.validate().is_ok());
}
