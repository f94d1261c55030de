#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::VersionName;

use super::*;
use crate::fakes::{Does, Fake};

fn service(name: &str, version: &str) -> Arc<dyn Service> {
    Fake::new(name, version, Does::Add(0.0))
}

fn key(name: &str, version: &str) -> VersionKey {
    VersionKey { service: name.parse().unwrap(), version: version.parse().unwrap() }
}

fn version(router: &Router, name: &str) -> Option<String> {
    router.service(name).map(|service| service.status().version.to_string())
}

fn listed(services: &[Arc<dyn Service>]) -> Vec<String> {
    services.iter().map(|service| format!("{}/{}", service.status().name, service.status().version)).collect()
}

fn refused(router: &Router, name: &str, version: Option<&str>) -> (scorehost_core::ErrorKind, String) {
    let Err(failure) = router.route(name, &Asked { version, ..Asked::default() }) else { panic!("{name} was routed") };
    (failure.kind, failure.message.into_owned())
}

#[test]
fn services_are_found_by_name_and_listed_in_order() {
    let router = Router::new();
    for (name, version) in [("zebra", "1"), ("ant", "10"), ("bee", "1"), ("ant", "2"), ("ant", "green")] {
        assert!(router.put(service(name, version)).is_none());
    }
    assert_eq!(version(&router, "ant").as_deref(), Some("2"));
    assert!(router.service("cat").is_none() && router.versions("cat").is_empty());
    assert_eq!(listed(&router.services()), ["ant/2", "ant/10", "ant/green", "bee/1", "zebra/1"]);
    assert_eq!(listed(&router.versions("ant")), ["ant/2", "ant/10", "ant/green"]);
}

#[test]
fn an_update_replaces_and_returns_the_former_one() {
    let router = Router::new();
    router.put(service("ant", "1"));
    let held = router.service("ant").unwrap();
    let new = service("ant", "1");
    let former = router.put(Arc::clone(&new)).unwrap();
    assert!(Arc::ptr_eq(&held, &former));
    assert!(Arc::ptr_eq(&router.service("ant").unwrap(), &new));
    let last = router.remove(&key("ant", "1")).unwrap();
    assert!(Arc::ptr_eq(&last, &new));
    assert!(router.service("ant").is_none() && router.remove(&key("ant", "1")).is_none());
}

#[test]
fn what_is_not_there_is_told_apart_from_what_is_not_ready() {
    use scorehost_core::ErrorKind::{NotFound, Unavailable};

    let router = Router::new();
    let ant = "ant".parse().unwrap();
    assert_eq!(refused(&router, "ant", None), (NotFound, "no service named 'ant' is deployed".to_owned()));
    router.set_endpoint(&ant, &Traffic::all_to("2".parse().unwrap()));
    let not_ready = "service 'ant' cannot answer: its version '2' is not ready";
    assert_eq!(refused(&router, "ant", None), (Unavailable, not_ready.to_owned()));
    router.put(service("ant", "1"));
    assert_eq!(refused(&router, "ant", Some("2")), (Unavailable, not_ready.to_owned()));
    let unknown = "service 'ant' has no version '3'; it has: 1";
    assert_eq!(refused(&router, "ant", Some("3")), (NotFound, unknown.to_owned()));
    router.remove(&key("ant", "1"));
    router.remove_endpoint(&ant);
    assert_eq!(refused(&router, "ant", None), (NotFound, "no service named 'ant' is deployed".to_owned()));
}

#[test]
fn traffic_outlives_the_versions_that_it_names() {
    let router = Router::new();
    let (ant, second): (_, VersionName) = ("ant".parse().unwrap(), "2".parse().unwrap());
    router.set_endpoint(&ant, &Traffic::all_to(second));
    router.put(service("ant", "1"));
    router.put(service("ant", "2"));
    assert_eq!(version(&router, "ant").as_deref(), Some("2"));
    router.remove(&key("ant", "2"));
    router.put(service("ant", "2"));
    assert_eq!(version(&router, "ant").as_deref(), Some("2"));
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
        (0..10_000).for_each(|_| assert!(router.route("steady", &Asked::default()).is_ok()));
    });
    assert_eq!(router.services().len(), 401);
}
