#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use scorehost_core::{Access, EndpointSpec, ServiceSpec};
use serde_json::{Value, json};

use super::*;
use crate::catalog::Version;

fn service(versions: &[&str]) -> Service {
    let name = "digits".parse::<scorehost_core::ServiceName>().unwrap();
    let spec = Arc::new(ServiceSpec::new(name.clone()));
    let version = Version { spec, config: Arc::new(Value::Null), running: true, created: 0, updated: 0 };
    Service {
        front: Arc::new(EndpointSpec::new(name, Access::Open, versions[0].parse().unwrap())),
        versions: versions.iter().map(|name| (name.parse().unwrap(), version.clone())).collect(),
        created: 0,
        updated: 0,
    }
}

fn traffic(asked: Value) -> Traffic {
    read(serde_json::from_value(asked).unwrap(), &"v1".parse().unwrap()).unwrap()
}

#[test]
fn rules_of_traffic() {
    let service = service(&["v1", "v2", "v3"]);
    let check = |asked: Value, expected: &str| {
        let found = super::check(&service, &traffic(asked.clone()))
            .map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        assert!(found.contains(expected), "{asked}: {found}");
    };
    check(json!({}), "ok");
    check(json!({"split": {"v2": 60, "v3": 40}}), "ok");
    check(json!({"split": {"v2": 33.3, "v3": 66.7}}), "ok");
    check(json!({"split": {"v2": 60, "v3": 40.1}}), "100.1 % together");
    check(json!({"split": {"v2": 101}}), "expected 0 to 100");
    check(json!({"split": {"v2": -1}}), "expected 0 to 100");
    check(json!({"split": {"v1": 10}}), "is the default");
    check(json!({"split": {"v9": 10}}), "no version 'v9'; it has: v1, v2, v3");
    check(json!({"default": "v9"}), "no version 'v9'");
    check(json!({"default": "v2", "split": {"v1": 10}}), "ok");
    check(json!({"control": "v2"}), "ok");
    check(json!({"control": "v9"}), "no version 'v9'");
    check(json!({"shadow": {"version": "v2", "percent": 100}}), "ok");
    check(json!({"shadow": {"version": "v1", "percent": 10}}), "answers itself");
    check(json!({"shadow": {"version": "v9", "percent": 10}}), "no version 'v9'");
    check(json!({"shadow": {"version": "v2", "percent": 101}}), "expected 0 to 100");
    check(json!({"sticky": "caller"}), "ok");
    check(json!({"sticky": {"header": "x-user"}}), "ok");
    check(json!({"sticky": {"header": "x user"}}), "not the name of a header");
    check(json!({"sticky": {"header": ""}}), "not the name of a header");
}

#[test]
fn a_repeated_share_is_refused() {
    let share = || ("v2".parse().unwrap(), 10.0);
    let repeated = Traffic { split: vec![share(), share()], ..Traffic::all_to("v1".parse().unwrap()) };
    assert!(matches!(check(&service(&["v1", "v2"]), &repeated), Err(ControlError::SplitTwice { .. })));
}

#[test]
fn traffic_is_the_same_after_its_way_through_json() {
    let asked = json!({
        "default": "v1", "split": {"v2": 12.5}, "control": "v2", "sticky": {"header": "x-user"},
        "shadow": {"version": "v3", "percent": 1.5},
    });
    assert_eq!(serde_json::to_value(shown(&traffic(asked.clone()))).unwrap(), asked);
}

#[test]
fn shares_and_shadows_of_nothing_are_none() {
    let read = traffic(json!({"split": {"v2": 0}, "shadow": {"version": "v2", "percent": 0}}));
    assert!(read.split.is_empty() && read.shadow.is_none());
}
