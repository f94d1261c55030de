use scorehost_core::Access;
use serde_json::{Value, json};

use super::stage::{Stage, never};
use crate::ControlConfig;

fn first_format(name: &str) -> Value {
    json!({
        "format": 1, "name": name, "running": true, "created": 1_700_000_000, "updated": 1_700_000_001,
        "scorer": null, "models": ["digits:1"], "variables": {"A": "1"}, "collect": true,
        "admission": {"min_replicas": 2, "max_replicas": 5, "requests_per_replica": 3, "max_queue_wait_ms": 40,
            "max_queue": 7, "scoring_timeout_ms": 900},
        "grants": {"memory_bytes": 1 << 28, "clock": true, "random": false},
    })
}

async fn with_digits(config: ControlConfig) -> Stage {
    let stage = Stage::new(config);
    stage.register("digits", "model.onnx").await;
    stage
}

#[tokio::test]
async fn services_of_the_first_format_are_taken_over_with_all_their_settings() {
    let stage = with_digits(ControlConfig::default()).await;
    let write =
        |name: &str, document: Value| stage.registry.put_document("service", name, document.to_string().as_bytes());
    write("digits", first_format("digits")).unwrap();
    let stopped = json!({"running": false});
    let mut document = first_format("digits-b");
    crate::merge::merge(&mut document, &stopped);
    write("digits-b", document).unwrap();
    assert_eq!(stage.control.restore().await.unwrap(), 1);

    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["created"], &service["auth"]), (&json!(1_700_000_000), &json!("none")));
    let settings = &service["settings"];
    for (name, value) in [
        ("minReplicas", json!(2)),
        ("maxReplicas", json!(5)),
        ("maxConcurrentRequestsPerContainer", json!(3)),
        ("maxQueueWaitMs", json!(40)),
        ("maxQueue", json!(7)),
        ("scoringTimeoutMs", json!(900)),
        ("memoryBytes", json!(1 << 28)),
        ("clock", json!(true)),
        ("collect", json!(true)),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    assert_eq!(stage.front("digits").unwrap().access, Access::Open);
    assert_eq!(stage.json("GET", "/services/digits-b", Value::Null).await.unwrap()["state"], "Stopped");
    assert!(stage.registry.documents("service").unwrap().is_empty());

    // A second restart reads the new documents, and an update changes one setting of the old ones.
    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 1);
    let again = restarted.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!(again["settings"], *settings);
    restarted.done("PATCH", "/services/digits", json!({"deployment": {"maxQueueWaitMs": 41}})).await.unwrap();
    let mut expected = settings.clone();
    expected["maxQueueWaitMs"] = json!(41);
    let updated = restarted.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!(updated["settings"], expected);
}

#[tokio::test]
async fn an_operation_cut_off_by_a_restart_is_not_half_done() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", json!({"models": ["digits"]})).await.unwrap();
    stage.decide(never);
    let open = json!({"computeType": "local", "authEnabled": false});
    let cut = json!({"models": ["digits"], "version": "v2", "traffic": 50, "deployment": open});
    let operation = stage.json("PUT", "/services/digits", cut).await.unwrap();
    // Its record is on the disk before the board is written; the board tells that it is under way.
    let board = stage.control.board();
    let mut wanted = board.subscribe();
    wanted.wait_for(|state| state.versions.len() == 2).await.unwrap();

    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 1);
    let service = restarted.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["auth"], &service["traffic"]["split"]), (&json!("key"), &json!({})));
    assert_eq!(service["versions"].as_array().unwrap().len(), 1);
    let path = format!("/operations/{}", operation["id"].as_str().unwrap());
    let shown = restarted.json("GET", &path, Value::Null).await.unwrap();
    assert_eq!((&shown["state"], &shown["remains"]), (&json!("Cancelled"), &json!("nothing of it was kept")));
    assert!(shown["error"]["message"].as_str().unwrap().contains("the server stopped"), "{shown}");
}

#[tokio::test]
async fn finished_operations_are_there_after_a_restart_as_far_as_the_limit_goes() {
    let stage = with_digits(ControlConfig { max_operations: 3, ..ControlConfig::default() }).await;
    for variable in ["A", "B", "C", "D", "E"] {
        let deployment = json!({"models": ["digits"], "variables": {variable: "1"}});
        assert_eq!(stage.deploy("digits", deployment).await.unwrap()["state"], "Succeeded");
    }
    let before = stage.json("GET", "/operations", Value::Null).await.unwrap();
    assert_eq!(before["operations"].as_array().unwrap().len(), 3);
    assert!(stage.registry.documents("operation").unwrap().len() <= 4);
    let restarted = stage.restarted();
    restarted.control.restore().await.unwrap();
    let after = restarted.json("GET", "/operations", Value::Null).await.unwrap();
    assert_eq!(after["operations"].as_array().unwrap()[..3], before["operations"].as_array().unwrap()[..]);
}

#[tokio::test]
async fn a_service_goes_on_with_the_versions_that_can_be_read() {
    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", json!({"models": ["digits"]})).await.unwrap();
    stage.deploy("digits", json!({"models": ["digits"], "version": "v2", "traffic": 10})).await.unwrap();
    stage.registry.put_document("version", "digits/v2", b"{").unwrap();
    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 1);
    assert!(restarted.front("digits").unwrap().traffic.split.is_empty());
    assert!(restarted.registry.document("version", "digits/v2").unwrap().is_some());

    stage.registry.put_document("version", "digits/1", b"{").unwrap();
    assert_eq!(stage.restarted().control.restore().await.unwrap(), 0);
}

#[tokio::test]
async fn a_stopped_service_keeps_its_front_over_a_restart() {
    use scorehost_core::Repository;

    let stage = with_digits(ControlConfig::default()).await;
    stage.deploy("digits", json!({"models": ["digits"]})).await.unwrap();
    stage.control.unload("digits").await.unwrap();
    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 0);
    assert!(matches!(restarted.front("digits").unwrap().access, Access::Keys { .. }));
}
