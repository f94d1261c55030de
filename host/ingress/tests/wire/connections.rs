//! Keep-alive, pipelining, HTTP/2, and the end.

use std::net::TcpStream;

use scorehost_ingress::{Ingress, IngressError};

use crate::client::{Connection, request};
use crate::fakes::Server;
use crate::grpc::Client;

const PATH: &str = "/v2/models/tensors/infer";
const WAIT: &str = r#"{"inputs":[{"name":"wait","shape":[0],"datatype":"FP32","data":[]}]}"#;

fn infer(id: usize) -> Vec<u8> {
    request("POST", PATH, &[], format!(r#"{{"id":"{id}","inputs":[]}}"#).as_bytes())
}

#[test]
fn one_connection_serves_many_requests_in_order() {
    let server = Server::start();
    let mut connection = Connection::open(server.http());
    for id in 1..4 {
        connection.send(&infer(id));
        assert_eq!(connection.receive().json()["id"], id.to_string());
    }
    let pipelined: Vec<u8> = (4..40).flat_map(infer).collect();
    connection.send(&pipelined);
    for id in 4..40 {
        assert_eq!(connection.receive().json()["id"], id.to_string());
    }
}

#[test]
fn a_bad_request_does_not_cost_the_connection() {
    let server = Server::start();
    let mut connection = Connection::open(server.http());
    connection.send(&request("POST", PATH, &[], b"{"));
    assert_eq!(connection.receive().status, 400);
    connection.send(&infer(1));
    assert_eq!(connection.receive().status, 200);
}

#[test]
fn garbage_is_answered_and_closed() {
    let server = Server::start();
    let mut connection = Connection::open(server.http());
    connection.send(b"PRI nonsense\r\n\r\n");
    assert_eq!(connection.receive().status, 400);
    assert!(connection.closed());
    assert_eq!(crate::client::get(server.http(), "/v2").status, 200);
}

#[test]
fn requests_in_flight_are_answered_after_the_shutdown_starts() {
    let mut server = Server::start();
    let mut busy = Connection::open(server.http());
    let mut idle = Connection::open(server.http());
    idle.send(&infer(1));
    idle.receive();
    busy.send(&request("POST", PATH, &[], WAIT.as_bytes()));
    wait_until_started(&server);
    server.stop();
    assert!(idle.closed());
    refuses_connections(&server);
    server.tensors.go_on.notify_one();
    let answer = busy.receive();
    assert_eq!(answer.status, 200);
    assert!(busy.closed());
    server.join();
}

#[test]
fn http2_requests_in_flight_are_answered_too() {
    let mut server = Server::start();
    let client = Client::connect(server.http());
    let pending = client.start("POST", PATH, &[("content-type", "application/json")], WAIT.as_bytes());
    wait_until_started(&server);
    server.stop();
    refuses_connections(&server);
    server.tensors.go_on.notify_one();
    assert_eq!(client.finish(pending).status, 200);
    server.join();
}

#[test]
fn requests_that_never_end_stop_the_drain_no_longer_than_allowed() {
    let mut server = Server::with(|config| config.timeouts.drain = std::time::Duration::ZERO);
    let mut busy = Connection::open(server.http());
    busy.send(&request("POST", PATH, &[], WAIT.as_bytes()));
    wait_until_started(&server);
    server.stop();
    server.join();
    assert!(busy.closed());
}

#[test]
fn both_doors_speak_both_protocols() {
    let server = Server::start();
    for address in [server.http(), server.bound.grpc.unwrap()] {
        let mut connection = Connection::open(address);
        connection.send(&infer(1));
        assert_eq!(connection.receive().status, 200);
        let client = Client::connect(address);
        let answer = client.finish(client.start("POST", PATH, &[], br#"{"inputs":[]}"#));
        assert_eq!(answer.status, 200);
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let server = Server::start();
    let mut config = crate::fakes::config();
    config.http = server.http();
    let doors = crate::fakes::doors();
    let error = Ingress::bind(config, doors).err().unwrap();
    assert!(matches!(error, IngressError::Listen { .. }), "{error}");
}

fn wait_until_started(server: &Server) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.tensors.started.notified());
}

/// Returns once the listener is gone.
fn refuses_connections(server: &Server) {
    while TcpStream::connect(server.http()).is_ok() {}
}
