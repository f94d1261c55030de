use scorehost_core::{ErrorKind, Failure};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::ControlConfig;
use crate::desired::Observed;

async fn with_digits(deployment: Value) -> Stage {
    let stage = Stage::new(ControlConfig::default());
    stage.register("digits", "model.onnx").await;
    stage.deploy("digits", json!({"models": ["digits"], "deployment": deployment})).await.unwrap();
    stage
}

async fn settings(stage: &Stage) -> Value {
    stage.json("GET", "/services/digits", Value::Null).await.unwrap()["settings"].take()
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_nothing_else() {
    let config = json!({"computeType": "aks", "maxQueueWaitMs": 100, "scorehost": {"admission": {"weight": 7}}});
    let stage = with_digits(config).await;
    let patch = json!({"deployment": {"scoringTimeoutMs": 1000, "scorehost": {"admission": {"maxQueue": 5}}},
        "variables": {"A": "1", "B": "2"}});
    stage.done("PATCH", "/services/digits", patch).await.unwrap();
    let found = settings(&stage).await;
    assert_eq!((&found["maxQueueWaitMs"], &found["scoringTimeoutMs"]), (&json!(100), &json!(1000)));
    assert_eq!((&found["weight"], &found["maxQueue"]), (&json!(7), &json!(5)));
    let patch = json!({"deployment": {"maxQueueWaitMs": null}, "variables": {"A": null, "C": "3"}});
    stage.done("PATCH", "/services/digits", patch).await.unwrap();
    assert_eq!(settings(&stage).await["maxQueueWaitMs"], 500);
    let variables = stage.desired("digits", "1").unwrap().spec.variables.clone();
    assert_eq!(variables.into_iter().collect::<Vec<_>>(), [("B", "2"), ("C", "3")].map(|(k, v)| (k.into(), v.into())));
    // The next update builds upon this one, also after a restart.
    let restarted = stage.restarted();
    restarted.control.restore().await.unwrap();
    restarted.done("PATCH", "/services/digits", json!({"deployment": {"maxQueueWaitMs": 9}})).await.unwrap();
    let found = settings(&restarted).await;
    assert_eq!((&found["maxQueueWaitMs"], &found["scoringTimeoutMs"]), (&json!(9), &json!(1000)));
}

#[tokio::test]
async fn an_update_that_changes_nothing_builds_nothing() {
    let stage = with_digits(json!({"computeType": "local"})).await;
    let generation = stage.desired("digits", "1").unwrap().generation;
    stage.done("PATCH", "/services/digits", json!({"deployment": {"maxQueueWaitMs": 500}})).await.unwrap();
    assert_eq!(stage.desired("digits", "1").unwrap().generation, generation);
}

#[tokio::test]
async fn a_scale_changes_the_scaling_alone() {
    let stage = with_digits(json!({"computeType": "local", "autoScaler": {"targetUtilization": 50}})).await;
    let scaled = |body: Value| stage.done("POST", "/services/digits/scale", body);
    let before = stage.desired("digits", "1").unwrap().spec;
    let operation = scaled(json!({"numReplicas": 3})).await.unwrap();
    assert_eq!((&operation["action"], &operation["state"]), (&json!("scale"), &json!("Succeeded")));
    let after = stage.desired("digits", "1").unwrap().spec;
    assert_eq!((after.scaling.min, after.scaling.max), (3, 3));
    assert_eq!(scorehost_core::ServiceSpec { scaling: before.scaling, ..(*after).clone() }, *before);

    scaled(json!({"minReplicas": 0, "maxReplicas": 4})).await.unwrap();
    let found = settings(&stage).await;
    assert_eq!((&found["minReplicas"], &found["maxReplicas"]), (&json!(0), &json!(4)));
    scaled(json!({"maxReplicas": 6})).await.unwrap();
    scaled(json!({"minReplicas": 2})).await.unwrap();
    let found = settings(&stage).await;
    assert_eq!((&found["minReplicas"], &found["maxReplicas"]), (&json!(2), &json!(6)));
}

#[tokio::test]
async fn wrong_updates_are_refused_at_once() {
    let stage = with_digits(json!({"computeType": "local"})).await;
    let scale = "/services/digits/scale";
    let rows = [
        ("PATCH", "/services/digits", json!({"deployment": {"maxQueueWait": 1}}), "did you mean 'maxQueueWaitMs'?"),
        ("PATCH", "/services/digits", json!({"deployment": [1]}), "must be an object"),
        ("PATCH", "/services/digits", json!({"deployment": null, "settings": 1}), "settings"),
        ("PATCH", "/services/digits", json!({"version": "v9"}), "no version 'v9'"),
        ("PATCH", "/services/digits", json!({"models": ["absent"]}), "'absent'"),
        ("POST", scale, json!({}), "either numReplicas"),
        ("POST", scale, json!({"numReplicas": 1, "maxReplicas": 2}), "either numReplicas"),
        ("POST", scale, json!({"numReplicas": 0}), "numReplicas is 0"),
        ("POST", scale, json!({"minReplicas": 9, "maxReplicas": 2}), "must not be above maxReplicas"),
        ("POST", "/services/absent/scale", json!({"numReplicas": 1}), "no service 'absent'"),
        ("PUT", "/services/digits/traffic", json!({"split": {"v2": 10}}), "no version 'v2'"),
        ("PUT", "/services/digits/traffic", json!({"shares": {}}), "shares"),
        ("POST", "/services/digits/keys/regenerate", json!({"keyType": "Third"}), "Third"),
    ];
    for (method, path, body, named) in rows {
        let error = stage.json(method, path, body).await.unwrap_err();
        assert!([ErrorKind::InvalidInput, ErrorKind::NotFound].contains(&error.kind), "{named}: {error:?}");
        assert!(error.message.contains(named), "{named}: {error}");
    }
    let operations = stage.json("GET", "/operations", Value::Null).await.unwrap();
    assert_eq!(operations["operations"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_operation_tells_its_steps_and_how_it_ended() {
    let stage = with_digits(json!({"computeType": "local"})).await;
    stage.decide(|_| Some(Observed::Failed(Failure::new(ErrorKind::ScorerFault, "init raised"))));
    let patch = json!({"variables": {"A": "1"}});
    let operation = stage.done("PATCH", "/services/digits", patch).await.unwrap();
    let log: Vec<&str> =
        operation["log"].as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap()).collect();
    assert_eq!(log.first(), Some(&"accepted"));
    let end = ["Failed: init raised", "version 1 of service 'digits' answers as before"];
    assert_eq!(log[log.len() - 2..], end);
    let listed = stage.json("GET", "/operations?service=digits", Value::Null).await.unwrap();
    assert_eq!((&listed["operations"][0]["action"], &listed["operations"][0]["log"]), (&json!("update"), &json!([])));
    let others = stage.json("GET", "/operations?service=other", Value::Null).await.unwrap();
    assert_eq!(others["operations"], json!([]));
}
