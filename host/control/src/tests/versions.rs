use scorehost_core::{ErrorKind, Failure, Repository};
use serde_json::{Value, json};

use super::stage::{Stage, never, ready};
use crate::ControlConfig;
use crate::desired::Observed;

const TRAFFIC: &str = "/services/digits/traffic";

/// A service with version `1` and those named.
async fn with_versions(config: ControlConfig, versions: &[&str]) -> Stage {
    let stage = Stage::new(config);
    stage.register("digits", "model.onnx").await;
    stage.deploy("digits", json!({"models": ["digits:1"]})).await.unwrap();
    for version in versions {
        let operation = deploy(&stage, version, json!({})).await;
        assert_eq!(operation["state"], "Succeeded", "{operation}");
    }
    stage
}

async fn deploy(stage: &Stage, version: &str, more: Value) -> Value {
    let mut deployment = json!({"models": ["digits:1"], "version": version});
    crate::merge::merge(&mut deployment, &more);
    stage.deploy("digits", deployment).await.unwrap()
}

async fn versions(stage: &Stage) -> Vec<(String, f64, bool, bool)> {
    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    let row = |version: &Value| {
        let flag = |name| version[name].as_bool().unwrap();
        let name = version["version"].as_str().unwrap().to_owned();
        (name, version["percent"].as_f64().unwrap(), flag("is_default"), flag("is_control"))
    };
    service["versions"].as_array().unwrap().iter().map(row).collect()
}

fn row(version: &str, percent: f64, default: bool, control: bool) -> (String, f64, bool, bool) {
    (version.to_owned(), percent, default, control)
}

#[tokio::test]
async fn a_new_version_runs_beside_the_default_and_gets_its_share_when_it_is_ready() {
    let stage = with_versions(ControlConfig::default(), &[]).await;
    stage.decide(never);
    let mut deployment = json!({"models": ["digits:1"], "version": "v2", "traffic": 10});
    let operation = stage.json("PUT", "/services/digits", deployment.take()).await.unwrap();
    assert_eq!(operation["version"], "v2");
    assert!(stage.front("digits").unwrap().traffic.split.is_empty());
    stage.json("DELETE", &format!("/operations/{}", operation["id"].as_str().unwrap()), Value::Null).await.unwrap();
    assert_eq!(stage.ended(&operation).await.unwrap()["state"], "Cancelled");
    assert!(stage.front("digits").unwrap().traffic.split.is_empty());
    assert_eq!(versions(&stage).await, [row("1", 100.0, true, true)]);

    stage.decide(ready);
    deploy(&stage, "v2", json!({"traffic": 10})).await;
    assert_eq!(versions(&stage).await, [row("1", 90.0, true, true), row("v2", 10.0, false, false)]);
    assert_eq!(stage.front("digits").unwrap().traffic.split, [("v2".parse().unwrap(), 10.0)]);
}

#[tokio::test]
async fn the_version_beyond_the_limit_is_refused_with_those_there_are() {
    let stage = with_versions(ControlConfig::default(), &["v2", "v3", "v4", "v5", "v6"]).await;
    let seventh = json!({"models": ["digits:1"], "version": "v7"});
    let error = stage.deploy("digits", seventh.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidInput);
    for part in ["6 versions", "limit is 6", "'v7'", "1, v2, v3, v4, v5, v6"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    assert!(error.hint.unwrap().contains("scorehost endpoint delete digits"), "no hint");
    // One of them can still be updated, and there is room again once one is gone.
    assert_eq!(deploy(&stage, "v6", json!({})).await["state"], "Succeeded");
    stage.done("DELETE", "/services/digits/versions/v3", Value::Null).await.unwrap();
    assert_eq!(stage.deploy("digits", seventh).await.unwrap()["state"], "Succeeded");
}

#[tokio::test]
async fn a_failed_version_leaves_the_others_and_their_traffic() {
    let stage = with_versions(ControlConfig::default(), &[]).await;
    deploy(&stage, "v2", json!({"traffic": 10})).await;
    let before = (stage.desired("digits", "1").unwrap().generation, stage.desired("digits", "v2").unwrap().generation);
    stage.decide(|_| Some(Observed::Failed(Failure::new(ErrorKind::ScorerFault, "init raised"))));
    for version in ["v2", "v3"] {
        let operation = deploy(&stage, version, json!({"traffic": 50})).await;
        assert_eq!(operation["state"], "Failed");
        assert_eq!(operation["remains"], "versions 1, v2 of service 'digits' answer as before");
    }
    let after = (stage.desired("digits", "1").unwrap().generation, stage.desired("digits", "v2").unwrap().generation);
    assert_eq!(before, after);
    assert!(stage.desired("digits", "v3").is_none());
    assert_eq!(versions(&stage).await, [row("1", 90.0, true, true), row("v2", 10.0, false, false)]);
}

#[tokio::test]
async fn a_deployment_file_names_version_and_share() {
    let stage = with_versions(ControlConfig::default(), &[]).await;
    let file = json!({"computeType": "aksendpoint", "versionName": "v2", "trafficPercentile": 20});
    stage.deploy("digits", json!({"models": ["digits"], "deployment": file})).await.unwrap();
    assert_eq!(versions(&stage).await[1], row("v2", 20.0, false, false));
    let error = stage.deploy("digits", json!({"models": ["digits"], "version": "v3", "deployment": file})).await;
    assert!(error.unwrap_err().message.contains("'v3', its deploymentconfig.json 'v2'"));
    // The default version takes the rest, whatever its file says.
    let file = json!({"computeType": "aksendpoint", "versionName": "1", "trafficPercentile": 20});
    let operation = stage.deploy("digits", json!({"models": ["digits"], "deployment": file})).await.unwrap();
    assert!(operation["warnings"].to_string().contains("version 1 is the default"), "{operation}");
    assert_eq!(versions(&stage).await[0], row("1", 80.0, true, true));
}

#[tokio::test]
async fn a_promoted_version_gets_everything_and_the_former_default_nothing() {
    let stage = with_versions(ControlConfig::default(), &["v2", "v3"]).await;
    let traffic = json!({"split": {"v2": 10, "v3": 5}, "shadow": {"version": "v2", "percent": 50}});
    stage.done("PUT", TRAFFIC, traffic).await.unwrap();
    let generation = stage.desired("digits", "v2").unwrap().generation;
    stage.done("POST", "/services/digits/versions/v2/promote", Value::Null).await.unwrap();
    let expected = [row("1", 0.0, false, false), row("v2", 95.0, true, true), row("v3", 5.0, false, false)];
    assert_eq!(versions(&stage).await, expected);
    assert!(stage.front("digits").unwrap().traffic.shadow.is_none());
    assert_eq!(stage.desired("digits", "v2").unwrap().generation, generation);
    let error = stage.json("POST", "/services/digits/versions/v9/promote", Value::Null).await.unwrap_err();
    assert!(error.kind == ErrorKind::NotFound && error.message.contains("it has: 1, v2, v3"), "{error}");
}

#[tokio::test]
async fn a_version_that_does_not_answer_gets_no_requests() {
    let stage = with_versions(ControlConfig::default(), &["v2"]).await;
    stage.control.unload("digits").await.unwrap();
    stage.decide(|spec| {
        let failed = || Observed::Failed(Failure::invalid("its file is gone"));
        Some(if &**spec.version.as_str() == "v2" { failed() } else { Observed::Ready })
    });
    let restarted = stage.restarted();
    restarted.decide(|spec| (&**spec.version.as_str() != "v2").then_some(Observed::Ready));
    restarted.control.restore().await.unwrap();
    assert!(stage.control.load("digits").await.is_err());
    stage.decide(ready);
    stage.control.load("digits").await.unwrap();
    stage.decide(never);
    let update = stage.json("PUT", "/services/digits", json!({"models": ["digits"], "version": "v2"})).await.unwrap();
    let error = stage.json("POST", "/services/digits/versions/v2/promote", Value::Null).await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("under way"), "{error}");
    stage.json("DELETE", &format!("/operations/{}", update["id"].as_str().unwrap()), Value::Null).await.unwrap();
    stage.ended(&update).await.unwrap();
    let key = crate::tests::versions::key("v2");
    let generation = stage.control.board().put(stage.desired("digits", "v2").unwrap().spec);
    stage.control.board().report(&key, generation, Observed::Failed(Failure::invalid("broken")));
    for (method, path, body) in
        [("POST", "/services/digits/versions/v2/promote", Value::Null), ("PUT", TRAFFIC, json!({"split": {"v2": 1}}))]
    {
        let error = stage.json(method, path, body).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains("'v2'"), "{path}: {error}");
        assert!(error.message.contains("not ready"), "{path}: {error}");
    }
}

pub(crate) fn key(version: &str) -> scorehost_core::VersionKey {
    scorehost_core::VersionKey { service: "digits".parse().unwrap(), version: version.parse().unwrap() }
}

#[tokio::test]
async fn a_deleted_version_leaves_everything_that_named_it() {
    let stage = with_versions(ControlConfig::default(), &["v2", "v3"]).await;
    let traffic = json!({
        "split": {"v2": 10, "v3": 5},
        "control": "v2",
        "shadow": {"version": "v2", "percent": 50},
        "sticky": {"header": "X-User"},
    });
    stage.done("PUT", TRAFFIC, traffic).await.unwrap();
    stage.done("DELETE", "/services/digits/versions/v2", Value::Null).await.unwrap();
    assert!(stage.desired("digits", "v2").is_none());
    let left = stage.json("GET", TRAFFIC, Value::Null).await.unwrap();
    let expected =
        json!({"default": "1", "split": {"v3": 5.0}, "control": null, "shadow": null, "sticky": {"header": "x-user"}});
    assert_eq!(left, expected);
    let stored: Vec<String> = stage.registry.documents("version").unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(stored, ["digits/1", "digits/v3"]);
}

#[tokio::test]
async fn the_default_version_goes_last_and_takes_the_service_along() {
    let stage = with_versions(ControlConfig::default(), &["v2"]).await;
    let error = stage.json("DELETE", "/services/digits/versions/1", Value::Null).await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("while there are others"), "{error}");
    assert!(error.hint.unwrap().contains("scorehost endpoint promote digits"));
    stage.done("DELETE", "/services/digits/versions/v2", Value::Null).await.unwrap();
    stage.done("DELETE", "/services/digits/versions/1", Value::Null).await.unwrap();
    assert_eq!(stage.json("GET", "/services/digits", Value::Null).await.unwrap_err().kind, ErrorKind::NotFound);
    assert!(stage.front("digits").is_none());
    for kind in ["endpoint", "version"] {
        assert!(stage.registry.documents(kind).unwrap().is_empty());
    }
}

#[tokio::test]
async fn traffic_is_replaced_whole_or_changed_in_part() {
    let stage = with_versions(ControlConfig::default(), &["v2", "v3"]).await;
    stage.done("PUT", TRAFFIC, json!({"split": {"v2": 10}, "sticky": "caller", "control": "v2"})).await.unwrap();
    stage.done("PATCH", TRAFFIC, json!({"split": {"v3": 5}, "sticky": {"header": "x-user"}})).await.unwrap();
    let traffic = stage.json("GET", TRAFFIC, Value::Null).await.unwrap();
    assert_eq!((&traffic["split"], &traffic["control"]), (&json!({"v2": 10.0, "v3": 5.0}), &json!("v2")));
    assert_eq!(traffic["sticky"], json!({"header": "x-user"}));
    stage.done("PATCH", TRAFFIC, json!({"split": {"v2": null}, "control": null})).await.unwrap();
    let traffic = stage.json("GET", TRAFFIC, Value::Null).await.unwrap();
    assert_eq!((&traffic["split"], &traffic["control"]), (&json!({"v3": 5.0}), &Value::Null));
    stage.done("PUT", TRAFFIC, json!({})).await.unwrap();
    let expected = json!({"default": "1", "split": {}, "control": null, "shadow": null, "sticky": null});
    assert_eq!(stage.json("GET", TRAFFIC, Value::Null).await.unwrap(), expected);
    let restarted = stage.restarted();
    restarted.control.restore().await.unwrap();
    assert_eq!(restarted.json("GET", TRAFFIC, Value::Null).await.unwrap(), expected);
}

#[tokio::test]
async fn a_second_operation_of_any_kind_conflicts() {
    let stage = with_versions(ControlConfig::default(), &["v2"]).await;
    stage.decide(never);
    let first = stage.json("PUT", "/services/digits", json!({"models": ["digits"], "version": "v2"})).await.unwrap();
    for (method, path, body) in [
        ("PUT", "/services/digits", json!({"models": ["digits"]})),
        ("PATCH", "/services/digits", json!({"variables": {"A": "1"}})),
        ("DELETE", "/services/digits", Value::Null),
        ("POST", "/services/digits/scale", json!({"numReplicas": 2})),
        ("PUT", TRAFFIC, json!({})),
        ("POST", "/services/digits/versions/v2/promote", Value::Null),
        ("DELETE", "/services/digits/versions/v2", Value::Null),
        ("POST", "/services/digits/keys/regenerate", json!({"keyType": "Primary"})),
    ] {
        let error = stage.json(method, path, body).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict, "{method} {path}: {error}");
        assert!(error.message.contains(first["id"].as_str().unwrap()), "{method} {path}: {error}");
    }
}

#[tokio::test]
async fn load_and_unload_mean_all_versions() {
    let stage = with_versions(ControlConfig::default(), &["v2"]).await;
    stage.control.unload("digits").await.unwrap();
    assert!(stage.desired("digits", "1").is_none() && stage.desired("digits", "v2").is_none());
    assert!(stage.front("digits").is_some());
    let index = stage.control.index().await.unwrap();
    let rows: Vec<_> = index.iter().map(|entry| (entry.version.as_str(), entry.ready)).collect();
    assert_eq!(rows, [("1", false), ("v2", false)]);
    stage.control.load("digits").await.unwrap();
    assert!(stage.desired("digits", "1").is_some() && stage.desired("digits", "v2").is_some());
}

#[tokio::test]
async fn the_report_puts_each_version_beside_the_control() {
    let stage = with_versions(ControlConfig::default(), &["v2", "v3"]).await;
    let report = stage.json("GET", "/services/digits/report", Value::Null).await.unwrap();
    assert_eq!(report["control"], "1");
    let versions = report["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 3);
    assert_eq!((&versions[1]["requests"], &versions[1]["error_percent"]), (&json!(200), &json!(50.0)));
    assert_eq!(versions[1]["failures_by_kind"], json!({"scorer_fault": 100}));
    assert_eq!(versions[1]["p95_ms"], 30.0);
    assert_eq!(versions[1]["p50_against_control_percent"].as_f64().unwrap().round(), 50.0);
    assert_eq!(versions[1]["differences"][0]["differing_percent"], 25.0);
    assert_eq!(versions[0]["p50_against_control_percent"], Value::Null);
    assert_eq!((&versions[2]["requests"], &versions[2]["error_percent"]), (&json!(0), &Value::Null));
}
