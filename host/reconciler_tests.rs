#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use scorehost_core::{
    Asked, CallContext, ErrorKind, InferRequest, InferResponse, Interface, Plane, RawRequest, RawResponse, Scaling,
    ServiceStatus, Signature, Traffic,
};
use tokio::sync::Notify;

use super::*;

/// A version that is known by its label.
struct Fake {
    status: ServiceStatus,
    label: String,
}

impl Service for Fake {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, _: InferRequest, _: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(std::future::ready(Ok(InferResponse { outputs: vec![], cached: None })))
    }

    fn score<'a>(&'a self, _: RawRequest, _: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("tensors only"))))
    }
}

/// Builds fakes and writes down what it is asked to do.
#[derive(Clone, Default)]
struct Workshop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    events: Mutex<Vec<String>>,
    go_on: Notify,
}

impl Workshop {
    fn event(&self, event: String) {
        self.0.events.lock().unwrap().push(event);
    }

    async fn build(&self, spec: &ServiceSpec) -> Result<Arc<Fake>, Failure> {
        let label = spec.variables["label"].clone();
        self.event(format!("build {label}"));
        match spec.variables["does"].as_str() {
            "wait" => self.0.go_on.notified().await,
            "fail" => return Err(Failure::invalid("planned")),
            "panic" => panic!("planned"),
            _ => {}
        }
        let (name, version) = (spec.name.clone(), Arc::clone(spec.version.as_str()));
        let interface = Interface::Tensors(Signature::default());
        let status =
            ServiceStatus { name, version, interface, platform: "fake", models: vec![], batching: Default::default() };
        Ok(Arc::new(Fake { status, label }))
    }
}

impl Realise for Workshop {
    type Version = Fake;

    fn realise<'a>(
        &'a self,
        spec: &'a Arc<ServiceSpec>,
        report: &'a (dyn Fn(&str) + Sync),
    ) -> BoxFuture<'a, Result<Arc<Fake>, Failure>> {
        report("building");
        Box::pin(self.build(spec))
    }

    fn went_live(&self, _: &Arc<ServiceSpec>, version: &Arc<Fake>) {
        self.event(format!("live {}", version.label));
    }

    fn rescale(&self, spec: &Arc<ServiceSpec>, version: &Arc<Fake>) {
        self.event(format!("rescale {} {}", version.label, spec.scaling.max));
    }

    fn drain(&self, version: Arc<Fake>) {
        self.event(format!("drain {}", version.label));
    }

    fn open(&self, name: &ServiceName, access: &Access) {
        self.event(format!("open {name} {access:?}"));
    }

    fn close(&self, name: &ServiceName) {
        self.event(format!("close {name}"));
    }

    fn forget_version(&self, key: &VersionKey) {
        self.event(format!("forget {key}"));
    }

    fn forget(&self, service: &ServiceName) {
        self.event(format!("forget {service}"));
    }
}

/// A reconciler at work between a board and a table.
struct Stage {
    board: Arc<Board>,
    router: Arc<Router>,
    workshop: Workshop,
    settled: watch::Receiver<bool>,
}

impl Stage {
    async fn new() -> Self {
        Self::on(Arc::default()).await
    }

    async fn on(board: Arc<Board>) -> Self {
        let (router, workshop) = (Arc::new(Router::new()), Workshop::default());
        let reconciler = Reconciler::new(Arc::clone(&board), Arc::clone(&router), workshop.clone());
        let (settles, settled) = watch::channel(false);
        tokio::spawn(reconciler.run(settles));
        let stage = Self { board, router, workshop, settled };
        stage.rest().await;
        stage
    }

    /// Lets every task come as far as it can.
    async fn rest(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    async fn put(&self, version: &str, label: &str, does: &str) -> (VersionKey, u64) {
        let spec = spec(version, label, does);
        let generation = self.board.put(Arc::clone(&spec));
        self.rest().await;
        (spec.key(), generation)
    }

    /// What happened since the last question.
    fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.workshop.0.events.lock().unwrap())
    }

    fn observed(&self, key: &VersionKey) -> String {
        match self.board.observed(key) {
            None => "nothing".to_owned(),
            Some(Observed::Progressing { phase }) => phase,
            Some(Observed::Ready) => "ready".to_owned(),
            Some(Observed::Failed(failure)) => format!("failed: {failure}"),
            Some(Observed::Gone) => "gone".to_owned(),
        }
    }
}

fn spec(version: &str, label: &str, does: &str) -> Arc<ServiceSpec> {
    let variables = [("label", label), ("does", does)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let spec = ServiceSpec::new("ant".parse().unwrap());
    Arc::new(ServiceSpec { version: version.parse().unwrap(), variables: variables.into(), ..spec })
}

fn front(default: &str, access: Access) -> Arc<EndpointSpec> {
    Arc::new(EndpointSpec::new("ant".parse().unwrap(), access, default.parse().unwrap()))
}

#[tokio::test]
async fn access_and_traffic_are_in_force_before_a_version_is_built() {
    let board: Arc<Board> = Arc::default();
    board.put_endpoint(front("1", Access::Tokens));
    board.put(spec("1", "a", "build"));
    let stage = Stage::on(board).await;
    assert_eq!(stage.events(), ["open ant Tokens", "build a", "live a"]);
    assert!(*stage.settled.borrow());
}

#[tokio::test]
async fn a_front_changes_without_building_anything() {
    let stage = Stage::new().await;
    stage.board.put_endpoint(front("1", Access::Open));
    stage.put("1", "a", "build").await;
    stage.put("2", "b", "build").await;
    stage.events();
    let default = || stage.router.service("ant").map(|service| service.status().version.to_string());
    assert_eq!(default().as_deref(), Some("1"));
    stage.board.put_endpoint(front("2", Access::Open));
    stage.rest().await;
    assert_eq!(default().as_deref(), Some("2"));
    assert_eq!(stage.events(), ["open ant Open"]);
}

#[tokio::test]
async fn a_new_generation_answers_once_it_is_ready_and_the_former_one_drains() {
    let stage = Stage::new().await;
    stage.put("1", "a", "build").await;
    let former = stage.router.service("ant").unwrap();
    let (key, _) = stage.put("1", "b", "wait").await;
    assert_eq!(stage.events(), ["build a", "live a", "build b"]);
    assert!(Arc::ptr_eq(&stage.router.service("ant").unwrap(), &former));
    assert_eq!(stage.observed(&key), "building");
    stage.workshop.0.go_on.notify_one();
    stage.rest().await;
    assert_eq!(
        (stage.events(), stage.observed(&key)),
        (vec!["live b".to_owned(), "drain a".to_owned()], "ready".to_owned())
    );
    assert!(!Arc::ptr_eq(&stage.router.service("ant").unwrap(), &former));
}

#[tokio::test]
async fn a_failed_or_panicked_generation_leaves_the_former_one_serving() {
    for (does, told) in [("fail", "failed: planned"), ("panic", "failed: internal error of the host")] {
        let stage = Stage::new().await;
        stage.put("1", "a", "build").await;
        let former = stage.router.service("ant").unwrap();
        let (key, _) = stage.put("1", "b", does).await;
        assert!(stage.observed(&key).starts_with(told), "{}", stage.observed(&key));
        assert!(Arc::ptr_eq(&stage.router.service("ant").unwrap(), &former));
        assert!(!stage.events().contains(&"drain a".to_owned()));
    }
}

#[tokio::test]
async fn a_superseded_build_never_goes_live() {
    let stage = Stage::new().await;
    stage.put("1", "a", "wait").await;
    let (key, _) = stage.put("1", "b", "build").await;
    stage.workshop.0.go_on.notify_one();
    stage.rest().await;
    assert_eq!(
        (stage.events(), stage.observed(&key)),
        (["build a", "build b", "live b"].map(str::to_owned).to_vec(), "ready".to_owned())
    );
}

#[tokio::test]
async fn another_number_of_replicas_builds_nothing() {
    let stage = Stage::new().await;
    stage.put("1", "a", "build").await;
    let held = stage.router.service("ant").unwrap();
    let scaled = ServiceSpec { scaling: Scaling::fixed(7), ..ServiceSpec::clone(&spec("1", "a", "build")) };
    let key = scaled.key();
    stage.board.put(Arc::new(scaled));
    stage.rest().await;
    assert_eq!(stage.events(), ["build a", "live a", "rescale a 7"]);
    assert_eq!(stage.observed(&key), "ready");
    assert!(Arc::ptr_eq(&stage.router.service("ant").unwrap(), &held));
}

#[tokio::test]
async fn versions_come_and_go_one_by_one_and_the_front_goes_last() {
    let stage = Stage::new().await;
    stage.board.put_endpoint(front("1", Access::Open));
    let (first, _) = stage.put("1", "a", "build").await;
    let (second, _) = stage.put("2", "b", "build").await;
    stage.events();
    stage.board.remove(&second);
    stage.rest().await;
    assert_eq!(
        (stage.events(), stage.observed(&second)),
        (vec!["drain b".to_owned(), "forget ant/2".to_owned()], "nothing".to_owned())
    );
    assert!(stage.router.service("ant").is_some());
    stage.board.remove(&first);
    stage.board.remove_endpoint(&first.service);
    stage.rest().await;
    assert_eq!(stage.events(), ["drain a", "forget ant/1", "forget ant", "close ant"]);
    let Err(failure) = stage.router.route("ant", &Asked::default()) else { panic!("it still answers") };
    assert_eq!(failure.kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_version_that_leaves_while_it_is_built_never_goes_live() {
    let stage = Stage::new().await;
    let (key, _) = stage.put("1", "a", "wait").await;
    stage.board.remove(&key);
    stage.rest().await;
    stage.workshop.0.go_on.notify_one();
    stage.rest().await;
    assert_eq!(stage.events(), ["build a", "forget ant/1", "forget ant"]);
    assert!(stage.router.services().is_empty());
}

#[tokio::test]
async fn a_host_has_settled_when_everything_is_ready_or_has_failed() {
    let board: Arc<Board> = Arc::default();
    board.put(spec("1", "a", "fail"));
    board.put(spec("2", "b", "wait"));
    let stage = Stage::on(board).await;
    assert!(!*stage.settled.borrow());
    stage.workshop.0.go_on.notify_one();
    stage.rest().await;
    assert!(*stage.settled.borrow());
}

#[tokio::test]
async fn the_split_that_is_on_the_board_is_the_routers() {
    let stage = Stage::new().await;
    let split = vec![("2".parse().unwrap(), 100.0)];
    let traffic = Traffic { split, ..Traffic::all_to("1".parse().unwrap()) };
    stage.board.put_endpoint(Arc::new(EndpointSpec { traffic, ..EndpointSpec::clone(&front("1", Access::Open)) }));
    stage.put("1", "a", "build").await;
    let answering = || stage.router.route("ant", &Asked::default()).unwrap().service.status().version.to_string();
    assert_eq!(answering(), "1", "the default stands in for a version that is not there yet");
    stage.put("2", "b", "build").await;
    assert_eq!(answering(), "2");
}
