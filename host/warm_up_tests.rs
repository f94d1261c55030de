#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use scorehost_core::{DType, EntryScriptDescription, Interface, NamedTensors, Signature, SystemClock, TensorSpec};

use super::*;

/// Makes replicas that count what they are asked.
struct Factory {
    interface: Interface,
    status: u16,
    healthy: bool,
    calls: Arc<AtomicU32>,
}

struct Counting {
    interface: Interface,
    status: u16,
    healthy: bool,
    calls: Arc<AtomicU32>,
}

impl Replica for Counting {
    fn interface(&self) -> &Interface {
        &self.interface
    }

    fn infer<'a>(
        &'a mut self,
        inputs: NamedTensors,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<NamedTensors, Failure>> {
        assert!(call.deadline.is_some());
        self.calls.fetch_add(1, SeqCst);
        Box::pin(std::future::ready(Ok(inputs)))
    }

    fn score<'a>(
        &'a mut self,
        request: RawRequest,
        call: &'a CallContext,
    ) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        assert_eq!((&*call.request_id, request.method.as_str()), ("warm-up", "POST"));
        self.calls.fetch_add(1, SeqCst);
        let answer = RawResponse { status: self.status, headers: vec![], body: "what it says".into() };
        if request.body == "hang" {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Ok(answer)))
    }

    fn healthy(&self) -> bool {
        self.healthy
    }
}

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        let (interface, calls) = (self.interface.clone(), Arc::clone(&self.calls));
        let replica = Counting { interface, status: self.status, healthy: self.healthy, calls };
        Box::pin(std::future::ready(Ok(Box::new(replica) as Box<dyn Replica>)))
    }
}

fn script() -> Factory {
    let interface = Interface::EntryScript(EntryScriptDescription::default());
    Factory { interface, status: 200, healthy: true, calls: Arc::default() }
}

fn spec(count: u32, body: &str) -> ServiceSpec {
    let warm_up = Some(WarmUp { count, body: body.to_owned().into(), content_type: None });
    ServiceSpec { warm_up, ..ServiceSpec::new("ant".parse().unwrap()) }
}

/// Makes one replica; returns how often it was asked before.
async fn make(factory: Factory, spec: &ServiceSpec) -> Result<u32, Failure> {
    let calls = Arc::clone(&factory.calls);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let rehearsal = Rehearsal::of(spec, &clock).expect("there is something to rehearse");
    rehearsal.before(Arc::new(factory), spec).create().await?;
    Ok(calls.load(SeqCst))
}

#[tokio::test]
async fn every_replica_answers_the_request_before_it_is_lent() {
    assert_eq!(make(script(), &spec(3, "{}")).await.unwrap(), 3);
}

#[tokio::test]
async fn a_scorer_of_tensors_gets_the_body_decoded() {
    let tensor = |name: &str| TensorSpec { name: name.into(), dtype: DType::F32, shape: vec![-1] };
    let signature = Signature { inputs: vec![tensor("x")], outputs: vec![tensor("x")] };
    let factory = Factory { interface: Interface::Tensors(signature), ..script() };
    let body = r#"{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":[1,2]}]}"#;
    assert_eq!(make(factory, &spec(2, body)).await.unwrap(), 2);
}

#[tokio::test]
async fn a_request_that_is_refused_keeps_the_replica_from_being_lent() {
    let failure = make(Factory { status: 422, ..script() }, &spec(1, "{}")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::ScorerFault);
    assert_eq!(failure.message, "the warm-up request was answered with status 422: what it says");
    assert!(failure.hint.unwrap().contains("warmUp"));
}

#[tokio::test]
async fn a_replica_that_is_broken_afterwards_is_not_lent() {
    let failure = make(Factory { healthy: false, ..script() }, &spec(1, "{}")).await.unwrap_err();
    assert_eq!(failure.message, "the warm-up request left the replica unusable");
}

#[tokio::test]
async fn a_request_without_an_end_is_given_up() {
    let mut spec = spec(1, "hang");
    spec.admission.scoring_timeout = Duration::ZERO;
    let failure = make(script(), &spec).await.unwrap_err();
    assert_eq!(failure.message, "the warm-up request took longer than 0 ms");
}

#[test]
fn nothing_is_asked_without_a_body_or_a_count() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    assert!(Rehearsal::of(&spec(3, ""), &clock).is_none());
    assert!(Rehearsal::of(&spec(0, "{}"), &clock).is_none());
    assert!(Rehearsal::of(&ServiceSpec::new("ant".parse().unwrap()), &clock).is_none());
}
