#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::{
    BoxFuture, CallContext, Failure, InferRequest, InferResponse, Interface, RawRequest, RawResponse, ServiceStatus,
    Signature,
};

use super::*;

struct Fake(ServiceStatus);

impl Service for Fake {
    fn status(&self) -> &ServiceStatus {
        &self.0
    }

    fn infer<'a>(&'a self, _: InferRequest, _: CallContext) -> BoxFuture<'a, Result<InferResponse, Failure>> {
        Box::pin(std::future::ready(Ok(InferResponse { outputs: vec![] })))
    }

    fn score<'a>(&'a self, _: RawRequest, _: CallContext) -> BoxFuture<'a, Result<RawResponse, Failure>> {
        Box::pin(std::future::ready(Err(Failure::invalid("tensors only"))))
    }
}

fn service(name: &str, version: &str) -> Arc<dyn Service> {
    let (name, interface) = (name.parse().unwrap(), Interface::Tensors(Signature::default()));
    Arc::new(Fake(ServiceStatus { name, version: version.into(), interface, platform: "fake", models: vec![] }))
}

fn version(router: &Router, name: &str) -> Option<String> {
    router.service(name).map(|service| service.status().version.to_string())
}

#[test]
fn services_are_found_by_name_and_listed_in_order() {
    let router = Router::new();
    for name in ["zebra", "ant", "bee"] {
        assert!(router.put(service(name, "1")).is_none());
    }
    assert_eq!(version(&router, "ant").as_deref(), Some("1"));
    assert!(router.service("cat").is_none());
    let names: Vec<_> = router.services().iter().map(|service| service.status().name.to_string()).collect();
    assert_eq!(names, ["ant", "bee", "zebra"]);
}

#[test]
fn an_update_replaces_and_returns_the_former_one() {
    let router = Router::new();
    router.put(service("ant", "1"));
    let held = router.service("ant").unwrap();
    let former = router.put(service("ant", "2")).unwrap();
    assert!(Arc::ptr_eq(&held, &former));
    assert_eq!(version(&router, "ant").as_deref(), Some("2"));
    let last = router.remove(&"ant".parse().unwrap()).unwrap();
    assert_eq!(&*last.status().version, "2");
    assert!(router.service("ant").is_none() && router.remove(&"ant".parse().unwrap()).is_none());
}

#[test]
fn concurrent_changes_are_all_kept_while_lookups_go_on() {
    let router = Router::new();
    router.put(service("steady", "1"));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let router = &router;
            scope.spawn(move || (0..100).for_each(|n| drop(router.put(service(&format!("s-{thread}-{n}"), "1")))));
        }
        (0..10_000).for_each(|_| assert!(router.service("steady").is_some()));
    });
    assert_eq!(router.services().len(), 401);
}
