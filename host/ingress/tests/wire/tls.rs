//! The doors behind TLS.

mod authority;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use authority::{Authority, BOTH, Secured, connect};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use scorehost_ingress::{Ingress, IngressError, TlsVersion};

use crate::client::{Answer, Connection, request};
use crate::fakes::Server;
use crate::grpc::Client;

const PATH: &str = "/v2/models/tensors/infer";
const WAIT: &str = r#"{"inputs":[{"name":"wait","shape":[0],"datatype":"FP32","data":[]}]}"#;

fn infer(id: usize) -> Vec<u8> {
    request("POST", PATH, &[], format!(r#"{{"id":"{id}","inputs":[]}}"#).as_bytes())
}

fn open(server: &Server, config: &Arc<ClientConfig>) -> Connection {
    Connection::over(connect(server.http(), config).unwrap())
}

/// One request on `connection`.
fn ask(connection: &mut Connection) -> Answer {
    connection.send(&infer(1));
    connection.receive()
}

fn presented(stream: &Secured) -> CertificateDer<'static> {
    stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
}

/// An HTTP/2 client over TLS.
fn http2(address: std::net::SocketAddr, config: Arc<ClientConfig>) -> Client {
    Client::over(async move {
        let tcp = tokio::net::TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        tokio_rustls::TlsConnector::from(config).connect(name, tcp).await
    })
}

#[test]
fn both_versions_are_spoken_on_both_doors() {
    let authority = Authority::new();
    let server = authority.server();
    let versions = [(&BOTH[..1], ProtocolVersion::TLSv1_3), (&BOTH[1..], ProtocolVersion::TLSv1_2)];
    for (versions, expected) in versions {
        for address in [server.http(), server.bound.grpc.unwrap()] {
            let stream = connect(address, &authority.client(versions, &["http/1.1"], None)).unwrap();
            assert_eq!(stream.conn.protocol_version(), Some(expected));
            assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(ask(&mut Connection::over(stream)).status, 200);
        }
    }
}

#[test]
fn http2_is_agreed_on_or_begun_without_agreement() {
    let authority = Authority::new();
    let server = authority.server();
    for protocols in [&["h2", "http/1.1"][..], &["h2"], &[]] {
        for address in [server.http(), server.bound.grpc.unwrap()] {
            let client = http2(address, authority.client(BOTH, protocols, None));
            let answer = client.finish(client.start("POST", PATH, &[], br#"{"inputs":[]}"#));
            assert_eq!(answer.status, 200, "{protocols:?}");
        }
    }
}

#[test]
fn protocols_that_are_not_spoken_are_refused_in_the_handshake() {
    let authority = Authority::new();
    let server = authority.server();
    let error = connect(server.http(), &authority.client(BOTH, &["smtp"], None)).err().unwrap();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
}

#[test]
fn versions_below_the_oldest_allowed_are_refused() {
    let authority = Authority::new();
    let server = authority.server_with(|config| config.tls.as_mut().unwrap().minimum = TlsVersion::V13);
    let error = connect(server.http(), &authority.client(&BOTH[1..], &[], None)).err().unwrap();
    assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    assert_eq!(ask(&mut open(&server, &authority.any_client())).status, 200);
}

#[test]
fn callers_come_back_with_a_short_handshake() {
    let authority = Authority::new();
    let server = authority.server();
    for versions in [&BOTH[..1], &BOTH[1..]] {
        let config = authority.client(versions, &[], None);
        let kinds = [(); 2].map(|()| {
            let stream = connect(server.http(), &config).unwrap();
            let kind = stream.conn.handshake_kind();
            // The ticket comes with the first answer.
            assert_eq!(ask(&mut Connection::over(stream)).status, 200);
            kind
        });
        assert_eq!(kinds, [Some(HandshakeKind::Full), Some(HandshakeKind::Resumed)]);
    }
}

#[test]
fn callers_without_a_known_certificate_are_refused_where_one_is_required() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.server_for_known_callers(true);
    let known = authority.client(BOTH, &[], Some(authority.issue("client.test")));
    assert_eq!(ask(&mut open(&server, &known)).status, 200);
    let refused = |config: &Arc<ClientConfig>| {
        // In TLS 1.3 a caller learns of it by its first read.
        let mut stream = connect(server.http(), config).unwrap();
        let _ = stream.write_all(&infer(1));
        stream.read(&mut [0; 1]).err().unwrap().to_string()
    };
    let error = refused(&authority.any_client());
    assert!(error.contains("CertificateRequired"), "{error}");
    let error = refused(&authority.client(BOTH, &[], Some(stranger.issue("client.test"))));
    assert!(error.contains("received fatal alert"), "{error}");
}

#[test]
fn callers_may_come_without_a_certificate_where_it_is_optional() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = authority.server_for_known_callers(false);
    assert_eq!(ask(&mut open(&server, &authority.any_client())).status, 200);
    let wrong = authority.client(BOTH, &[], Some(stranger.issue("client.test")));
    let mut stream = connect(server.http(), &wrong).unwrap();
    let _ = stream.write_all(&infer(1));
    assert!(stream.read(&mut [0; 1]).is_err());
}

#[test]
fn plain_requests_hear_to_use_tls() {
    let authority = Authority::new();
    let server = authority.server();
    let answer = crate::client::get(server.http(), "/v2");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["error"].as_str().unwrap().contains("https://"), "{answer:?}");
}

#[test]
fn plain_http2_hears_to_use_tls_by_its_own_frames() {
    let authority = Authority::new();
    let server = authority.server();
    let mut stream = TcpStream::connect(server.http()).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer[..9], [0, 0, 0, 4, 0, 0, 0, 0, 0]);
    let (head, rest) = answer[9..].split_at(9);
    assert_eq!((usize::from(head[2]), head[3]), (rest.len(), 7));
    // Inadequate security.
    assert_eq!(rest[4..8], [0, 0, 0, 12]);
    assert!(String::from_utf8_lossy(&rest[8..]).contains("TLS"));
}

#[test]
fn handshakes_have_a_deadline_and_need_not_begin() {
    let authority = Authority::new();
    let server = authority.server_with(|config| config.timeouts.handshake = std::time::Duration::ZERO);
    assert!(Connection::open(server.http()).closed());
}

#[test]
fn handshakes_count_as_connections() {
    let authority = Authority::new();
    let server = authority.server_with(|config| config.limits.connections = 1);
    let mut first = connect(server.http(), &authority.any_client()).unwrap();
    let error = connect(server.http(), &authority.any_client()).err().unwrap();
    assert!(error.to_string().contains("InternalError"), "{error}");
    first.write_all(&infer(1)).unwrap();
    assert_eq!(Connection::over(first).receive().status, 200);
}

#[test]
fn large_uploads_hear_the_reason_behind_tls_too() {
    let authority = Authority::new();
    let server = authority.server_with(|config| config.limits.body_bytes = 1000);
    let mut connection = open(&server, &authority.any_client());
    connection.send_or_give_up(&request("POST", PATH, &[], &vec![b' '; 200_000]));
    assert_eq!(connection.receive().status, 413);
}

#[test]
fn large_bodies_arrive_whole() {
    let authority = Authority::new();
    let server = authority.server();
    let body: Vec<u8> = (0..3_000_000u32).map(|byte| b'a' + (byte % 26) as u8).collect();
    let mut connection = open(&server, &authority.any_client());
    for _ in 0..2 {
        connection.send(&request("POST", "/api/v1/service/script/score", &[], &body));
        assert!(connection.receive().body == body);
    }
}

#[test]
fn requests_in_flight_are_answered_after_the_shutdown_starts_behind_tls_too() {
    let authority = Authority::new();
    let mut server = authority.server();
    let config = authority.any_client();
    let (mut busy, mut idle) = (open(&server, &config), open(&server, &config));
    assert_eq!(ask(&mut idle).status, 200);
    busy.send(&request("POST", PATH, &[], WAIT.as_bytes()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(server.tensors.started.notified());
    server.stop();
    assert!(idle.closed());
    server.tensors.go_on.notify_one();
    assert_eq!(busy.receive().status, 200);
    assert!(busy.closed());
    server.join();
}

#[test]
fn certificates_change_under_load_without_a_failed_request() {
    let authority = Authority::new();
    let server = authority.server();
    let mut long_lived = connect(server.http(), &authority.any_client()).unwrap();
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let renewed = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut kept = open(&server, &authority.any_client());
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(ask(&mut open(&server, &authority.any_client())).status, 200);
                    assert_eq!(ask(&mut kept).status, 200);
                    asked.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        let renewed: Vec<_> = (0..5).map(|_| renew_and_wait(&authority, &server)).collect();
        done.store(true, Ordering::Relaxed);
        renewed
    });
    assert!(asked.load(Ordering::Relaxed) > 0);
    assert!(!renewed.contains(&presented(&long_lived)));
    long_lived.write_all(&infer(1)).unwrap();
    assert_eq!(Connection::over(long_lived).receive().status, 200);
}

#[test]
fn broken_files_change_nothing() {
    let authority = Authority::new();
    let server = authority.server();
    let before = presented(&connect(server.http(), &authority.any_client()).unwrap());
    std::fs::write(authority.path("cert.pem"), "oops").unwrap();
    assert_eq!(presented(&connect(server.http(), &authority.any_client()).unwrap()), before);
    // A pair that belongs together again is taken over.
    assert_ne!(renew_and_wait(&authority, &server), before);
}

/// Puts a new certificate in place and returns it once callers get it.
fn renew_and_wait(authority: &Authority, server: &Server) -> CertificateDer<'static> {
    let renewed = authority.renew();
    while presented(&connect(server.http(), &authority.any_client()).unwrap()) != renewed {}
    renewed
}

#[test]
fn files_that_do_not_belong_together_open_no_port() {
    let authority = Authority::new();
    let other = Authority::new();
    let mut config = crate::fakes::config();
    config.tls = Some(authority.config());
    std::fs::copy(other.path("key.pem"), authority.path("key.pem")).unwrap();
    assert!(matches!(config.validate(), Err(IngressError::Tls(_))));
    let error = Ingress::bind(config, crate::fakes::doors()).err().unwrap();
    assert!(error.to_string().contains("does not belong to the certificate"), "{error}");
}
