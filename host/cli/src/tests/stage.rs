use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use scorehost_auth::{Gatekeeper, Principal, Role};
use scorehost_control::desired::{Board, Observed};
use scorehost_control::{
    BodyError, Control, ControlConfig, Difference, Facts, Latency, LogFeed, LogTail, Neighbours, Reports, ServiceLogs,
    VersionReport, wire,
};
use scorehost_core::{BoxFuture, ErrorKind, Failure, RawResponse, Secret, ServiceName, SystemClock};
use scorehost_registry::Registry;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::{Capability, Dependency, Flaw, Host, Inspection, KeyPair, RunOptions, RunReport, ServeOptions};

type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A server with a real registry and management API; its services echo what is posted.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) dir: TempDir,
    _runtime: Runtime,
}

struct NoMore;

impl LogFeed for NoMore {
    fn next(&mut self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { None })
    }
}

struct Prints;

impl ServiceLogs for Prints {
    fn open(&self, service: &ServiceName, _: Option<&str>, _tail: usize) -> Option<LogTail> {
        let lines = vec![format!("{service} was here")];
        Some(LogTail { lines, feed: Box::new(NoMore) })
    }
}

/// Version `v2` was called, and its answers compared with those of version `1`.
struct Measured;

impl Reports for Measured {
    fn devices(&self) -> Vec<wire::Device> {
        vec![wire::Device {
            name: "cpu".to_owned(),
            executor: "reference".to_owned(),
            available: true,
            detail: "no library".to_owned(),
        }]
    }

    fn versions(&self, _service: &ServiceName) -> Vec<VersionReport> {
        let report = |version: &str, p50, differences| VersionReport {
            version: version.into(),
            succeeded: 90,
            failed: vec![(ErrorKind::ScorerFault, 10)],
            cancelled: 0,
            latency: Some(Latency {
                mean: Duration::from_millis(p50),
                p50: Duration::from_millis(p50),
                p95: Duration::from_millis(2 * p50),
                p99: Duration::from_millis(3 * p50),
            }),
            differences,
        };
        let difference = Difference {
            with: "1".into(),
            copied: 10,
            dropped: 0,
            equal: 6,
            differing: 2,
            failed: 2,
            largest: Some(0.5),
            mean: Some(0.25),
        };
        vec![report("1", 10, Vec::new()), report("v2", 12, vec![difference])]
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let registry = Arc::new(Registry::open(dir.path().join("data")).unwrap());
        let config = ControlConfig { operation_timeout: Duration::from_secs(60), ..ControlConfig::default() };
        let keys = AtomicU32::new(1);
        let neighbours = Neighbours {
            registry,
            logs: Arc::new(Prints),
            reports: Arc::new(Measured),
            gatekeeper: Gatekeeper::open(),
            new_key: Arc::new(move || Ok(Secret::new(format!("generated-{}", keys.fetch_add(1, Ordering::Relaxed))))),
            clock: Arc::new(SystemClock),
            runtime: runtime.handle().clone(),
        };
        let control = Control::new(neighbours, config);
        let grpc = Some("127.0.0.1:8081".to_owned());
        let (version, http) = ("9.9.9".to_owned(), String::new());
        control.announce(Facts { version, http, grpc });
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        runtime.spawn(reconcile(control.board()));
        runtime.spawn(accept(listener, control));
        Self { url, dir, _runtime: runtime }
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// Runs a command line against this server.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let server = ["--server", &self.url];
        run(&[arguments, &server[..]].concat())
    }
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = std::iter::once("scorehost").chain(arguments.iter().copied()).map(Into::into);
    let code = crate::run(&Told, arguments, &mut out, &mut err);
    Ran { code, out: String::from_utf8(out).unwrap(), err: String::from_utf8(err).unwrap() }
}

async fn accept(listener: TcpListener, control: Control) {
    while let Ok((stream, _)) = listener.accept().await {
        let control = control.clone();
        let service = service_fn(move |request| answer(control.clone(), request));
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(control: Control, mut request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path().starts_with("/management/") {
        // Who calls is the ingress's matter; here everyone is an administrator.
        request.extensions_mut().insert(Principal { name: "credential:test".into(), role: Some(Role::Admin) });
        return Ok(control.handle(request).await.unwrap_or_else(|failure| refused(&failure)));
    }
    if request.uri().path() == "/api/v1/service/locked/score" {
        let key = request.headers().get("authorization").is_some_and(|value| value == "Bearer open-sesame");
        let (status, body) =
            if key { (StatusCode::OK, "in") } else { (StatusCode::UNAUTHORIZED, r#"{"message": "no key"}"#) };
        return Ok(whole(status, body));
    }
    let known = request.uri().path() == "/api/v1/service/digits/score";
    let body = request.into_body().collect().await.unwrap().to_bytes();
    Ok(if !known {
        whole(StatusCode::NOT_FOUND, r#"{"message": "no such service"}"#)
    } else if body == "crash" {
        whole(StatusCode::BAD_GATEWAY, r#"{"message": "run() raised ValueError"}"#)
    } else {
        whole(StatusCode::OK, body)
    })
}

fn refused(failure: &Failure) -> Response<Body> {
    let status = match failure.kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        _ => StatusCode::BAD_REQUEST,
    };
    whole(status, serde_json::to_vec(&wire::Refusal { error: failure.into() }).unwrap())
}

fn whole(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).map_err(|never| match never {}).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

/// Makes every service ready but those named `broken`.
async fn reconcile(board: Arc<Board>) {
    let mut desired = board.subscribe();
    loop {
        for (name, wanted) in desired.borrow_and_update().clone().versions {
            let failure = || Failure::new(ErrorKind::ScorerFault, "init() raised").with_hint("mend init()");
            let report = if name.service.as_str() == "broken" { Observed::Failed(failure()) } else { Observed::Ready };
            board.report(&name, wanted.generation, report);
        }
        for name in board.leaving() {
            board.report(&name, 0, Observed::Gone);
        }
        if desired.changed().await.is_err() {
            return;
        }
    }
}

/// A host whose components are the texts `scorer`, `core module` and anything else.
struct Told;

impl Host for Told {
    fn serve(&self, options: ServeOptions) -> Result<(), Failure> {
        Err(Failure::new(ErrorKind::Unavailable, format!("{} is in use", options.http)).with_hint("choose another"))
    }

    fn run_local(&self, options: RunOptions) -> Result<RunReport, Failure> {
        let names: Vec<String> = options.models.into_iter().map(|model| model.name).collect();
        let outcome = if options.body == b"trap" {
            Err(Failure::new(ErrorKind::ScorerFault, "unreachable executed").with_detail("0: score::run"))
        } else {
            Ok(RawResponse { status: 200, headers: Vec::new(), body: names.join(" ").into() })
        };
        let timings = vec![("run".to_owned(), Duration::from_micros(1500))];
        Ok(RunReport { outcome, prints: vec!["hello from init".to_owned()], timings })
    }

    fn devices(&self, _onnxruntime: Option<PathBuf>) -> Result<Vec<wire::Device>, Failure> {
        Ok(Vec::new())
    }

    fn certificate_reader(&self) -> crate::ReadCertificate {
        |_| Err("no certificates on this stage".to_owned())
    }

    fn inspect(&self, component: &[u8]) -> Result<Inspection, Failure> {
        let granted = component != b"socket opener";
        if component == b"core module" {
            return Err(Failure::invalid("this is a core module, not a component"));
        }
        let capability = Capability {
            name: "network".to_owned(),
            meaning: "opens sockets".to_owned(),
            granted,
            needs: None,
            imports: vec!["wasi:sockets/tcp@0.2.0".to_owned()],
        };
        Ok(Inspection {
            world: Some("scorer".to_owned()),
            digest: "sha256:0".to_owned(),
            size: component.len() as u64,
            capabilities: vec![capability],
            exports: vec!["run".to_owned()],
            toolchain: Vec::new(),
            dependencies: (component != b"silent").then(|| vec![dependency()]),
        })
    }

    fn flaws(&self, _: &[u8], advisories: &str) -> Result<Vec<Flaw>, Failure> {
        let severity = if advisories.contains("mild") { "low" } else { "critical" };
        let (advisory, summary) = ("RUSTSEC-1".to_owned(), "reads too much".to_owned());
        let flaw = Flaw { advisory, severity, dependency: dependency(), fixed: Some("1.0.1".to_owned()), summary };
        Ok(if advisories.is_empty() { Vec::new() } else { vec![flaw] })
    }

    fn keygen(&self) -> KeyPair {
        let (private_key, public_key) = ("private\n".to_owned(), "public\n".to_owned());
        KeyPair { private_key, public_key, id: "0123".to_owned() }
    }

    fn sign(&self, component: &[u8], private_key: &str) -> Result<String, Failure> {
        Ok(format!("{} by {}", String::from_utf8_lossy(component), private_key.trim()))
    }

    fn verify(&self, component: &[u8], signature: &str, _: &str) -> Result<String, Failure> {
        let good = signature == format!("{} by private", String::from_utf8_lossy(component));
        good.then(|| "0123".to_owned()).ok_or_else(|| Failure::new(ErrorKind::Forbidden, "the signature is wrong"))
    }
}

fn dependency() -> Dependency {
    Dependency { ecosystem: "crates.io".to_owned(), name: "parser".to_owned(), version: "1.0.0".to_owned() }
}
