use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use scorehost_core::{BoxFuture, Failure, ServiceName, ServiceSpec, SystemClock};
use scorehost_registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;

use crate::desired::{Board, Observed};
use crate::{Control, ControlConfig, LogFeed, LogTail, ServiceLogs, client};

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
    fn open(&self, service: &ServiceName, tail: usize) -> Option<LogTail> {
        let lines = ["one", "two", "three"].map(str::to_owned);
        let lines = lines[3 - tail.min(3)..].to_vec();
        (service.as_str() == "talkative").then(|| LogTail { lines, feed: Box::new(OneLine(Some("four".to_owned()))) })
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
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let registry = Arc::new(Registry::open(dir.path()).unwrap());
        Self::over(registry, dir, config)
    }

    fn over(registry: Arc<Registry>, dir: Arc<TempDir>, config: ControlConfig) -> Self {
        let clock = Arc::new(SystemClock);
        let control = Control::new(Arc::clone(&registry), config, Arc::new(FixedLogs), clock, Handle::current());
        let verdict: Arc<Mutex<Verdict>> = Arc::new(Mutex::new(ready));
        tokio::spawn(reconcile(control.board(), Arc::clone(&verdict)));
        Self { control, registry, verdict, _dir: dir }
    }

    /// The same data directory under a new control, as after a restart.
    pub(crate) fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.registry), Arc::clone(&self._dir), ControlConfig::default())
    }

    pub(crate) fn decide(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap() = verdict;
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Bytes>) -> Result<(u16, Bytes), Failure> {
        let method: Method = method.parse().unwrap();
        let request = Request::builder().method(method).uri(format!("/management/v1{path}"));
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
