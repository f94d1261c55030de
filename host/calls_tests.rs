#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Mutex;

use scorehost_core::{BatchTerms, Deadline, Interface, Routed, ServiceStatus, Signature, SystemClock};

use super::*;

/// The service `embed`, which keeps the context of its last call.
struct Embed {
    status: ServiceStatus,
    last: Mutex<Option<CallContext>>,
}

impl Service for Embed {
    fn status(&self) -> &ServiceStatus {
        &self.status
    }

    fn infer<'a>(&'a self, _request: InferRequest, call: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        note::write(|note| note.answered_by(&self.status.name, &self.status.version));
        *self.last.lock().unwrap() = Some(call);
        Box::pin(std::future::ready(Ok(InferResponse { outputs: Vec::new(), cached: None })))
    }

    fn score<'a>(&'a self, _request: RawRequest, _call: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("no body"))))
    }
}

/// A table with that service alone.
struct Table(Arc<Embed>);

impl Plane for Table {
    fn route(&self, name: &str, _asked: &Asked<'_>) -> Result<Routed, Failure> {
        match name {
            "embed" => Ok(Routed { service: Arc::clone(&self.0) as _, several: false }),
            other => Err(Failure::not_found(format!("no service '{other}'"))),
        }
    }

    fn service(&self, _name: &str) -> Option<Arc<dyn Service>> {
        None
    }

    fn versions(&self, _name: &str) -> Vec<Arc<dyn Service>> {
        Vec::new()
    }

    fn services(&self) -> Vec<Arc<dyn Service>> {
        Vec::new()
    }
}

fn name(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn bench() -> (ServiceCalls, Arc<Embed>) {
    let interface = Interface::Tensors(Signature::default());
    let (version, models) = ("1".into(), Vec::new());
    let status = ServiceStatus {
        name: name("embed"),
        version,
        interface,
        platform: "",
        models,
        batching: BatchTerms::default(),
    };
    let embed = Arc::new(Embed { status, last: Mutex::default() });
    let plane = Arc::new(Table(Arc::clone(&embed)));
    (ServiceCalls { plane, access: None, clock: Arc::new(SystemClock) }, embed)
}

fn through(services: &[&str]) -> CallContext {
    let mut call = CallContext::new("r1");
    for service in services {
        call.chain = call.chain.then(name(service));
    }
    call
}

#[tokio::test]
async fn deadline_trace_identity_and_chain_go_on_to_the_called_service() {
    let (calls, embed) = bench();
    let deadline = Some(Deadline::at(Instant::now()));
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00".parse().ok();
    let call = CallContext { deadline, trace, caller: Some("ann".into()), ..through(&["front"]) };
    calls.infer(&name("embed"), InferRequest::default(), call).await.unwrap();
    let seen = embed.last.lock().unwrap().take().unwrap();
    assert_eq!((seen.deadline, seen.trace, seen.caller.as_deref()), (deadline, trace, Some("ann")));
    assert_eq!((&*seen.request_id, seen.chain.to_string()), ("r1", "front".to_owned()));
}

#[tokio::test]
async fn what_the_called_service_notes_is_not_noted_of_the_request_that_calls() {
    let (calls, _embed) = bench();
    let ((), noted) = note::keep(async {
        note::write(|note| note.answered_by(&name("front"), &"1".into()));
        calls.infer(&name("embed"), InferRequest::default(), through(&["front"])).await.unwrap();
    })
    .await;
    assert_eq!(noted.service.map(|(service, _)| service), Some(name("front")));
}

#[tokio::test]
async fn circles_and_deep_chains_are_refused_and_name_the_chain() {
    let (calls, embed) = bench();
    let refused = |call| calls.infer(&EMBED, InferRequest::default(), call);
    static EMBED: std::sync::LazyLock<ServiceName> = std::sync::LazyLock::new(|| name("embed"));
    let circle = refused(through(&["embed", "front"])).await.err().unwrap();
    assert_eq!(circle.kind, ErrorKind::Forbidden);
    assert_eq!(circle.message, "services call each other in a circle: embed → front → embed");
    let own = refused(through(&["embed"])).await.err().unwrap();
    assert!(own.message.ends_with("embed → embed"), "{own}");
    let deep = ["s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08"];
    assert!(refused(through(&deep[..7])).await.is_ok());
    embed.last.lock().unwrap().take();
    let deeper = refused(through(&deep)).await.err().unwrap();
    assert!(deeper.message.starts_with("services call each other more than 8 deep: s01 → s02"), "{deeper}");
    assert!(embed.last.lock().unwrap().is_none(), "a refused call goes nowhere");
}

#[tokio::test]
async fn a_failure_says_which_service_failed_and_what_to_do_about_one_that_is_missing() {
    let (calls, _embed) = bench();
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        body: "no tensors".into(),
        content_type: None,
    };
    let failed = calls.score(&name("embed"), request, through(&["front"])).await.err().unwrap();
    assert_eq!(failed.kind, ErrorKind::InvalidInput);
    assert!(failed.message.starts_with("service 'embed': "), "{failed}");
    let once = naming(&name("embed"), failed.clone());
    assert_eq!(once.message, failed.message, "it is named once");
    let missing = calls.infer(&name("rank"), InferRequest::default(), through(&["front"])).await.err().unwrap();
    assert_eq!((missing.kind, &*missing.message), (ErrorKind::NotFound, "no service 'rank'"));
    assert!(missing.hint.unwrap().contains("scorehost.grants.services"));
}
