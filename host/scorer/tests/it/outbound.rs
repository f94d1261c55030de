//! Outgoing HTTP against servers on this machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use scorehost_core::{CallContext, Deadline, ErrorKind, Failure, LogLevel, Outbound, RawRequest};
use scorehost_scorer::{Engine, OutboundConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::http_guests::caller;
use crate::support::{Bench, bench, engine, engine_with};

/// What the guest answers for error codes of `wasi:http`.
const PROHIBITED: u8 = 104;
const REFUSED: u8 = 106;
const READ_TIMEOUT: u8 = 109;
const LIMIT: u8 = 111;
const CERTIFICATE: u8 = 113;
const DENIED: u8 = 115;
const BROKE_OFF: u8 = 99;

/// A server that answers every request with `answer`, or never, and keeps what it was sent.
struct There {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl There {
    async fn start(answer: Option<&'static str>, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, tls) = (Arc::clone(&kept), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, answer, &kept).await,
                            Err(_) => None,
                        },
                        None => serve(stream, answer, &kept).await,
                    }
                });
            }
        });
        Self { port, heads }
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Option<&str>,
    kept: &Mutex<Vec<String>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    kept.lock().unwrap().push(String::from_utf8(head).unwrap());
    match answer {
        Some(answer) => stream.write_all(answer.as_bytes()).await.ok()?,
        None => std::future::pending::<()>().await,
    }
    stream.shutdown().await.ok()
}

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

fn granted(host: &str, port: Option<u16>, private: bool) -> Bench {
    let mut bench = bench();
    bench.environment.grants.outbound = vec![Outbound { host: host.into(), port, private }];
    bench
}

async fn call(engine: &Engine, bench: &Bench, authority: String, query: &str) -> Result<Bytes, Failure> {
    let mut replica = bench.replica(engine, &caller()).await?;
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: query.into(),
        body: authority.into(),
        content_type: None,
    };
    Ok(replica.score(request, &CallContext::new("r1")).await?.body)
}

#[tokio::test]
async fn without_a_grant_the_deployment_is_refused_with_the_import_and_the_key() {
    let failure = call(&engine(), &bench(), String::new(), "").await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidInput);
    assert!(failure.message.contains("wasi:http/outgoing-handler@0.2.12"), "{failure}");
    assert!(failure.message.contains("scorehost.grants.outbound"), "{failure}");
    assert!(failure.hint.unwrap().contains("--outbound HOST"));
}

#[tokio::test]
async fn a_listed_host_answers_and_is_logged_and_counted() {
    let there = There::start(Some(HELLO), None).await;
    let (engine, bench) = (engine(), granted("127.0.0.1", Some(there.port), true));
    let factory = engine.compile(&caller()).unwrap().factory(bench.environment.clone());
    let mut replica = factory.create().await.unwrap();
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        body: format!("127.0.0.1:{}", there.port).into(),
        content_type: None,
    };
    let answer = replica.score(request, &CallContext::new("r1")).await.unwrap();
    assert_eq!(&*answer.body, b"hello");
    let head = there.heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.starts_with("get /there http/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", there.port)), "{head}");
    let (level, id, line) = bench.lines.all().remove(0);
    assert_eq!((level, &*id), (LogLevel::Info, "r1"));
    assert!(line.starts_with(&format!("outbound GET 127.0.0.1:{}: 200 in ", there.port)), "{line}");
    let used = engine.outbound();
    assert_eq!((used[0].service.as_str(), &*used[0].version), ("digits", "7"));
    assert_eq!((used[0].answered, used[0].failed, used[0].refused, used[0].received_bytes), (1, 0, 0, 5));
    drop((replica, factory));
    assert!(engine.outbound().is_empty());
}

#[tokio::test]
async fn a_name_that_leads_inside_needs_the_private_word() {
    let there = There::start(Some(HELLO), None).await;
    let authority = format!("localhost:{}", there.port);
    let engine = engine();
    let closed = granted("localhost", Some(there.port), false);
    assert_eq!(call(&engine, &closed, authority.clone(), "").await.unwrap()[..], [PROHIBITED]);
    assert!(
        closed.lines.text().contains("is loopback; the rule in scorehost.grants.outbound"),
        "{}",
        closed.lines.text()
    );
    assert!(there.heads.lock().unwrap().is_empty());
    let open = granted("localhost", Some(there.port), true);
    assert_eq!(&call(&engine, &open, authority, "").await.unwrap()[..], b"hello");
}

#[tokio::test]
async fn what_is_not_listed_is_denied() {
    let there = There::start(Some(HELLO), None).await;
    let bench = granted("example.test", None, true);
    for authority in [
        format!("127.0.0.1:{}", there.port),
        format!("localhost:{}", there.port),
        "example.test:8443".to_owned(),
        "sub.example.test".to_owned(),
    ] {
        assert_eq!(call(&engine(), &bench, authority.clone(), "").await.unwrap()[..], [DENIED], "{authority}");
        assert!(bench.lines.text().contains("does not list it in scorehost.grants.outbound"));
    }
    assert!(there.heads.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_closed_port_and_a_full_house_are_errors_of_the_guest() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let bench = granted("127.0.0.1", Some(port), true);
    let authority = format!("127.0.0.1:{port}");
    assert_eq!(call(&engine(), &bench, authority.clone(), "").await.unwrap()[..], [REFUSED]);
    let full = engine_with(OutboundConfig { max_concurrent: 0, ..OutboundConfig::default() });
    assert_eq!(call(&full, &bench, authority, "").await.unwrap()[..], [LIMIT]);
}

#[tokio::test]
async fn a_response_beyond_its_limit_breaks_off() {
    let there = There::start(Some(HELLO), None).await;
    let bench = granted("127.0.0.1", Some(there.port), true);
    let small = engine_with(OutboundConfig { max_body_bytes: 4, ..OutboundConfig::default() });
    let answer = call(&small, &bench, format!("127.0.0.1:{}", there.port), "").await.unwrap();
    assert_eq!(answer[..], [BROKE_OFF]);
}

#[tokio::test]
async fn a_silent_server_costs_the_idle_time_or_the_call() {
    let there = There::start(None, None).await;
    let bench = granted("127.0.0.1", Some(there.port), true);
    let authority = format!("127.0.0.1:{}", there.port);
    let idle = engine_with(OutboundConfig { idle_timeout: Duration::from_millis(30), ..OutboundConfig::default() });
    let code = call(&idle, &bench, authority.clone(), "").await.unwrap()[0];
    assert!(code == READ_TIMEOUT || code == 133, "{code}");
    assert!(bench.lines.text().contains("no response within 30 ms"), "{}", bench.lines.text());

    let engine = engine();
    let mut replica = bench.replica(&engine, &caller()).await.unwrap();
    let deadline = Some(Deadline::after(std::time::Instant::now(), Duration::from_millis(50)));
    let context = CallContext { deadline, ..CallContext::new("r1") };
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        body: authority.into(),
        content_type: None,
    };
    // The exchange ends with the call: the guest hears of it and answers too late, or is stopped first.
    match replica.score(request, &context).await {
        Ok(answer) => assert!(answer.body[0] >= 100),
        Err(failure) => assert_eq!(failure.kind, ErrorKind::Deadline, "{failure}"),
    }
}

fn certified(name: &str) -> (Vec<u8>, tokio_rustls::TlsAcceptor) {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    (certificate.to_vec(), tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn encrypted_calls_check_the_certificate() {
    let (root, acceptor) = certified("localhost");
    let there = There::start(Some(HELLO), Some(acceptor)).await;
    let bench = granted("localhost", Some(there.port), true);
    let authority = format!("localhost:{}", there.port);
    let trusting = engine_with(OutboundConfig { extra_roots: vec![root.clone()], ..OutboundConfig::default() });
    assert_eq!(&call(&trusting, &bench, authority.clone(), "s").await.unwrap()[..], b"hello");
    assert_eq!(call(&engine(), &bench, authority, "s").await.unwrap()[..], [CERTIFICATE]);

    let (root, acceptor) = certified("elsewhere.test");
    let there = There::start(Some(HELLO), Some(acceptor)).await;
    let bench = granted("localhost", Some(there.port), true);
    let trusting = engine_with(OutboundConfig { extra_roots: vec![root], ..OutboundConfig::default() });
    let answer = call(&trusting, &bench, format!("localhost:{}", there.port), "s").await.unwrap();
    assert_eq!(answer[..], [CERTIFICATE]);
}
