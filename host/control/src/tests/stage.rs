use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use scorehost_auth::{Gatekeeper, Principal, Role};
use scorehost_core::{
    BoxFuture, EndpointSpec, ErrorKind, Failure, Secret, ServiceName, ServiceSpec, SystemClock, VersionKey,
};
use scorehost_registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::desired::{Board, Desired, Observed};
use crate::{
    Control, ControlConfig, Difference, Latency, LogFeed, LogTail, Neighbours, Reports, ServiceLogs, VersionReport,
    client,
};

/// What the reconciler makes of a description.
pub(crate) type Verdict = fn(&ServiceSpec) -> Option<Observed>;

pub(crate) fn ready(_: &ServiceSpec) -> Option<Observed> {
    Some(Observed::Ready)
}

pub(crate) fn never(_: &ServiceSpec) -> Option<Observed> {
    None
}

/// Lines that were there, and one that follows.
struct FixedLogs;

struct OneLine(Option<String>);

impl LogFeed for OneLine {
    fn next(&mut self) -> BoxFuture<'_, Option<String>> {
        Box::pin(async { self.0.take() })
    }
}

impl ServiceLogs for FixedLogs {
    fn open(&self, service: &ServiceName, _: Option<&str>, tail: usize) -> Option<LogTail> {
        let lines = ["one", "two", "three"].map(str::to_owned);
        let lines = lines[3 - tail.min(3)..].to_vec();
        (service.as_str() == "talkative").then(|| LogTail { lines, feed: Box::new(OneLine(Some("four".to_owned()))) })
    }
}

/// Version `v2` is slower than version `1` and answers differently; nothing else was called.
struct FixedReports;

impl Reports for FixedReports {
    fn versions(&self, _service: &ServiceName) -> Vec<VersionReport> {
        let report = |version: &str, p50, failed, differences| VersionReport {
            version: version.into(),
            succeeded: 100,
            failed,
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
            dropped: 1,
            equal: 6,
            differing: 2,
            failed: 2,
            largest: Some(0.5),
            mean: Some(0.25),
        };
        let failed = vec![(ErrorKind::ScorerFault, 100)];
        vec![report("1", 10, Vec::new(), Vec::new()), report("v2", 15, failed, vec![difference])]
    }
}

pub(crate) struct Stage {
    pub(crate) control: Control,
    pub(crate) registry: Arc<Registry>,
    verdict: Arc<Mutex<Verdict>>,
    _dir: Arc<TempDir>,
}

impl Stage {
    pub(crate) fn new(config: ControlConfig) -> Self {
        Self::guarded(config, Gatekeeper::open())
    }

    pub(crate) fn guarded(config: ControlConfig, gatekeeper: Arc<Gatekeeper>) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let registry = Arc::new(Registry::open(dir.path()).unwrap());
        Self::over(registry, dir, config, gatekeeper)
    }

    fn over(registry: Arc<Registry>, dir: Arc<TempDir>, config: ControlConfig, gatekeeper: Arc<Gatekeeper>) -> Self {
        let keys = AtomicU32::new(1);
        let neighbours = Neighbours {
            registry: Arc::clone(&registry),
            logs: Arc::new(FixedLogs),
            reports: Arc::new(FixedReports),
            gatekeeper,
            new_key: Arc::new(move || Ok(Secret::new(format!("generated-{}", keys.fetch_add(1, Ordering::Relaxed))))),
            clock: Arc::new(SystemClock),
            runtime: Handle::current(),
        };
        let control = Control::new(neighbours, config);
        let verdict: Arc<Mutex<Verdict>> = Arc::new(Mutex::new(ready));
        tokio::spawn(reconcile(control.board(), Arc::clone(&verdict)));
        Self { control, registry, verdict, _dir: dir }
    }

    /// The same data directory under a new control, as after a restart.
    pub(crate) fn restarted(&self) -> Self {
        let (registry, dir) = (Arc::clone(&self.registry), Arc::clone(&self._dir));
        Self::over(registry, dir, ControlConfig::default(), Gatekeeper::open())
    }

    pub(crate) fn decide(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<(u16, Bytes), Failure> {
        let caller = Principal { name: "credential:test".into(), role: Some(Role::Admin) };
        self.call_as(Some(caller), method, path, body).await
    }

    pub(crate) async fn call_as(
        &self,
        caller: Option<Principal>,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<(u16, Bytes), Failure> {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(format!("/management/v1{path}"));
        if let Some(caller) = caller {
            request = request.extension(caller);
        }
        let answer = self.control.handle(request.body(Full::new(body.into())).unwrap()).await?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(Failure::internal)?;
        Ok((status, body.to_bytes()))
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: Value) -> Result<Value, Failure> {
        let (_, body) = self.call(method, path, body.to_string()).await?;
        Ok(if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    /// Uploads content and gives its digest.
    pub(crate) async fn upload(&self, content: &'static str) -> String {
        let digest = client::digest_of_bytes(content.as_bytes()).to_string();
        self.call("PUT", &format!("/blobs/{digest}"), content).await.unwrap();
        digest
    }

    /// Registers a model with one file.
    pub(crate) async fn register(&self, name: &str, path: &str) -> Value {
        let digest = self.upload("weights").await;
        let files = json!([{"path": path, "digest": digest, "size": 7}]);
        self.json("POST", "/models", json!({"name": name, "files": files})).await.unwrap()
    }

    /// Deploys and waits for the end of the operation.
    pub(crate) async fn deploy(&self, name: &str, deployment: Value) -> Result<Value, Failure> {
        let operation = self.json("PUT", &format!("/services/{name}"), deployment).await?;
        self.ended(&operation).await
    }

    /// Does something that starts an operation and waits for its end.
    pub(crate) async fn done(&self, method: &str, path: &str, body: Value) -> Result<Value, Failure> {
        let operation = self.json(method, path, body).await?;
        self.ended(&operation).await
    }

    /// What is on the board for a version.
    pub(crate) fn desired(&self, service: &str, version: &str) -> Option<Desired> {
        let key = VersionKey { service: service.parse().unwrap(), version: version.parse().unwrap() };
        self.control.board().subscribe().borrow().versions.get(&key).cloned()
    }

    /// The front on the board.
    pub(crate) fn front(&self, service: &str) -> Option<Arc<EndpointSpec>> {
        self.control.board().endpoint(&service.parse().unwrap())
    }

    pub(crate) async fn ended(&self, operation: &Value) -> Result<Value, Failure> {
        let id = operation["id"].as_str().unwrap();
        loop {
            let path = format!("/operations/{id}?wait=30&after=1000000");
            let operation = self.json("GET", &path, Value::Null).await?;
            if operation["state"] != "Running" {
                return Ok(operation);
            }
        }
    }
}

async fn reconcile(board: Arc<Board>, verdict: Arc<Mutex<Verdict>>) {
    let mut desired = board.subscribe();
    let mut judged = std::collections::BTreeMap::new();
    loop {
        let all = desired.borrow_and_update().clone();
        for (name, wanted) in all.versions {
            if judged.get(&name) == Some(&wanted.generation) {
                continue;
            }
            let report = verdict.lock().unwrap()(&wanted.spec);
            if matches!(report, Some(Observed::Ready)) {
                judged.insert(name.clone(), wanted.generation);
            }
            if let Some(report) = report {
                board.report(&name, wanted.generation, report);
            }
        }
        for name in board.leaving() {
            judged.remove(&name);
            board.report(&name, 0, Observed::Gone);
        }
        if desired.changed().await.is_err() {
            return;
        }
    }
}
