use std::time::Duration;

use scorehost_core::{ErrorKind, Failure, VersionKey, VersionName};
use serde_json::{Value, json};

use super::stage::{Stage, never, ready};
use crate::ControlConfig;
use crate::desired::Observed;

async fn with_digits(config: ControlConfig) -> Stage {
    let stage = Stage::new(config);
    stage.register("digits", "model.onnx").await;
    stage
}

fn digits() -> Value {
    json!({"models": ["digits:1"]})
}

fn key() -> VersionKey {
    VersionKey { service: "digits".parse().unwrap(), version: VersionName::first() }
}

#[tokio::test]
async fn a_deployment_succeeds_when_the_reconciler_is_ready_and_survives_a_restart() {
    let stage = with_digits(ControlConfig::default()).await;
    let operation = stage.deploy("digits", digits()).await.unwrap();
    assert_eq!((&operation["state"], &operation["error"]), (&json!("Succeeded"), &Value::Null));
    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["state"], &service["kind"]), (&json!("Healthy"), &json!("no-code")));
    assert_eq!(service["scoring_path"], "/api/v1/service/digits/score");

    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 1);
    let again = restarted.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&again["models"], &again["settings"]), (&service["models"], &service["settings"]));
    assert!(restarted.control.board().subscribe().borrow().versions.contains_key(&key()));
}

#[tokio::test]
async fn a_failed_update_leaves_what_ran_before() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", digits()).await.unwrap();
    let before = stage.control.board().subscribe().borrow().versions[&key()].generation;
    stage.decide(|_| {
        Some(Observed::Failed(Failure::new(ErrorKind::ScorerFault, "init raised").with_hint("see the log")))
    });
    let update = json!({"models": ["digits:1"], "variables": {"A": "1"}});
    let operation = stage.deploy("digits", update).await.unwrap();
    assert_eq!(operation["state"], "Failed");
    assert_eq!(operation["error"], json!({"kind": "scorer_fault", "message": "init raised", "hint": "see the log"}));
    assert_eq!(operation["remains"], "version 1 of service 'digits' answers as before");
    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["state"], &service["variables"]), (&json!("Healthy"), &json!([])));
    let desired = stage.control.board().subscribe().borrow().versions[&key()].clone();
    assert_eq!(desired.generation, before);
    assert!(desired.spec.variables.is_empty());
}

#[tokio::test]
async fn a_failed_first_deployment_leaves_nothing() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.decide(|_| Some(Observed::Failed(Failure::invalid("the graph is damaged"))));
    assert_eq!(stage.deploy("digits", digits()).await.unwrap()["state"], "Failed");
    let error = stage.json("GET", "/services/digits", Value::Null).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    for kind in ["endpoint", "version"] {
        assert!(stage.registry.documents(kind).unwrap().is_empty());
    }
    assert!(stage.front("digits").is_none());
    assert_eq!(stage.restarted().control.restore().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_operation_ends_at_its_time_limit() {
    let config = ControlConfig { operation_timeout: Duration::from_secs(7), ..ControlConfig::default() };
    let stage = with_digits(config).await;
    stage.decide(never);
    let operation = stage.deploy("digits", digits()).await.unwrap();
    assert_eq!((&operation["state"], &operation["error"]["kind"]), (&json!("TimedOut"), &json!("deadline")));
    stage.decide(ready);
    assert_eq!(stage.deploy("digits", digits()).await.unwrap()["state"], "Succeeded");
}

#[tokio::test]
async fn a_second_operation_on_a_service_conflicts_until_the_first_is_cancelled() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.decide(never);
    let first = stage.json("PUT", "/services/digits", digits()).await.unwrap();
    let error = stage.json("PUT", "/services/digits", digits()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
    assert!(error.message.contains(first["id"].as_str().unwrap()), "{error}");
    let path = format!("/operations/{}", first["id"].as_str().unwrap());
    stage.json("DELETE", &path, Value::Null).await.unwrap();
    assert_eq!(stage.ended(&first).await.unwrap()["state"], "Cancelled");
    assert_eq!(stage.json("DELETE", &path, Value::Null).await.unwrap_err().kind, ErrorKind::Conflict);
    stage.decide(ready);
    assert_eq!(stage.deploy("digits", digits()).await.unwrap()["state"], "Succeeded");
}

#[tokio::test]
async fn a_model_in_use_is_not_deleted() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", digits()).await.unwrap();
    let error = stage.json("DELETE", "/models/digits:1", Value::Null).await.unwrap_err();
    assert!(error.kind == ErrorKind::Conflict && error.message.contains("service: digits"), "{error}");
    let deletion = stage.json("DELETE", "/services/digits", Value::Null).await.unwrap();
    assert_eq!(stage.ended(&deletion).await.unwrap()["state"], "Succeeded");
    stage.json("DELETE", "/models/digits:1", Value::Null).await.unwrap();
    assert_eq!(stage.json("GET", "/models/digits:1", Value::Null).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(stage.restarted().control.restore().await.unwrap(), 0);
}

#[tokio::test]
async fn the_model_beyond_the_limit_is_refused_by_name_and_count() {
    let stage = with_digits(ControlConfig { max_models: 2, ..ControlConfig::default() }).await;
    for name in ["letters", "faces"] {
        stage.register(name, "model.onnx").await;
    }
    stage.deploy("digits", digits()).await.unwrap();
    stage.deploy("letters", json!({"models": ["letters"]})).await.unwrap();
    let error = stage.deploy("faces", json!({"models": ["faces"]})).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidInput);
    for part in ["'faces'", "3 models", "limit is 2", "'faces:1'"] {
        assert!(error.message.contains(part), "{part}: {error}");
    }
    // The same model again, under another service, is one model.
    assert_eq!(stage.deploy("digits-b", digits()).await.unwrap()["state"], "Succeeded");
    // A service that changes its model does not count the former one.
    assert_eq!(stage.deploy("letters", json!({"models": ["digits"]})).await.unwrap()["state"], "Succeeded");
    assert_eq!(stage.deploy("faces", json!({"models": ["faces"]})).await.unwrap()["state"], "Succeeded");
}

#[tokio::test]
async fn deployments_that_cannot_work_are_refused_at_once() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.register("vocabulary", "words.txt").await;
    let component = crate::client::digest_of_bytes(b"absent").to_string();
    let rows = [
        (json!({"models": ["unknown"]}), ErrorKind::NotFound, "'unknown'"),
        (json!({"models": ["digits:9"]}), ErrorKind::NotFound, "digits:9"),
        (json!({"models": []}), ErrorKind::InvalidInput, "exactly one model"),
        (json!({"models": ["digits", "vocabulary"]}), ErrorKind::InvalidInput, "has 2"),
        (json!({"models": ["vocabulary"]}), ErrorKind::InvalidInput, "words.txt"),
        (json!({"models": ["digits", "digits:1"], "scorer": component}), ErrorKind::InvalidInput, "twice"),
        (json!({"models": ["digits"], "scorer": component}), ErrorKind::InvalidInput, "component"),
        (json!({"models": ["digits"], "deployment": {"computeType": "x"}}), ErrorKind::InvalidInput, "$.computeType"),
        (
            json!({"models": ["digits"], "deployment": {"computeType": "local", "gpuCores": 1, "scorehost": {"placement": {"device": "cpu"}}}}),
            ErrorKind::InvalidInput,
            "gpuCores",
        ),
        (json!({"model": ["digits"]}), ErrorKind::InvalidInput, "model"),
    ];
    for (deployment, kind, named) in rows {
        let error = stage.deploy("digits", deployment).await.unwrap_err();
        assert!(error.kind == kind && error.message.contains(named), "{named}: {error:?}");
    }
    let error = stage.deploy("No_Name", digits()).await.unwrap_err();
    assert!(error.message.contains("No_Name"), "{error}");
}

#[tokio::test]
async fn what_is_not_acted_upon_is_in_the_operation() {
    let stage = with_digits(ControlConfig::default()).await;
    let deployment = json!({"models": ["digits"], "deployment": {"computeType": "aks", "numReplicas": 2}});
    let operation = stage.deploy("digits", deployment).await.unwrap();
    assert!(operation["warnings"][0].as_str().unwrap().starts_with("computeType"), "{operation}");
    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["settings"]["minReplicas"], &service["settings"]["maxReplicas"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn an_unreadable_stored_service_does_not_stop_the_others() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", digits()).await.unwrap();
    stage.registry.put_document("service", "broken", b"{").unwrap();
    assert_eq!(stage.restarted().control.restore().await.unwrap(), 1);
    assert!(stage.registry.document("service", "broken").unwrap().is_some());
}

#[tokio::test]
async fn logs_are_read_and_followed() {
    let stage = Stage::new(ControlConfig::default());
    let (_, lines) = stage.call("GET", "/services/talkative/logs?tail=2", "").await.unwrap();
    assert_eq!(lines, "two\nthree\n");
    let (_, lines) = stage.call("GET", "/services/talkative/logs?tail=1&follow=true", "").await.unwrap();
    assert_eq!(lines, "three\nfour\n");
    let error = stage.call("GET", "/services/silent/logs", "").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
}
