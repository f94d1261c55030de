use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use scorehost_control::desired::{Board, Observed};
use scorehost_control::{BodyError, Control, ControlConfig, Facts, LogFeed, LogTail, ServiceLogs, wire};
use scorehost_core::{BoxFuture, ErrorKind, Failure, RawResponse, ServiceName, SystemClock};
use scorehost_registry::Registry;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::{Capability, Host, Inspection, RunOptions, RunReport, ServeOptions};

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
    fn open(&self, service: &ServiceName, _tail: usize) -> Option<LogTail> {
        let lines = vec![format!("{service} was here")];
        Some(LogTail { lines, feed: Box::new(NoMore) })
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let registry = Arc::new(Registry::open(dir.path().join("data")).unwrap());
        let config = ControlConfig { operation_timeout: Duration::from_secs(60), ..ControlConfig::default() };
        let handle = runtime.handle().clone();
        let control = Control::new(registry, config, Arc::new(Prints), Arc::new(SystemClock), handle);
        let device = wire::Device {
            name: "cpu".to_owned(),
            executor: "reference".to_owned(),
            available: true,
            detail: "no library".to_owned(),
        };
        let grpc = Some("127.0.0.1:8081".to_owned());
        let (version, http) = ("9.9.9".to_owned(), String::new());
        control.announce(Facts { version, http, grpc, devices: vec![device] });
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

async fn answer(control: Control, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    if request.uri().path().starts_with("/management/") {
        return Ok(control.handle(request).await.unwrap_or_else(|failure| refused(&failure)));
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

    fn inspect(&self, component: &[u8]) -> Result<Inspection, Failure> {
        let granted = component != b"socket opener";
        if component == b"core module" {
            return Err(Failure::invalid("this is a core module, not a component"));
        }
        let capability = Capability {
            name: "network".to_owned(),
            meaning: "opens sockets".to_owned(),
            granted,
            imports: vec!["wasi:sockets/tcp@0.2.0".to_owned()],
        };
        Ok(Inspection {
            world: Some("scorer".to_owned()),
            digest: "sha256:0".to_owned(),
            size: component.len() as u64,
            capabilities: vec![capability],
            exports: vec!["run".to_owned()],
            toolchain: Vec::new(),
        })
    }
}
