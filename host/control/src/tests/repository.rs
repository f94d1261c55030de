use scorehost_core::{ErrorKind, Failure, Repository};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::ControlConfig;
use crate::desired::Observed;

#[tokio::test]
async fn load_of_a_registered_model_deploys_it_and_unload_keeps_its_description() {
    let stage = Stage::new(ControlConfig::default());
    stage.register("digits", "model.onnx").await;
    let row = |entries: Vec<scorehost_core::RepositoryEntry>| {
        entries.into_iter().map(|entry| (entry.name, entry.ready, entry.reason)).collect::<Vec<_>>()
    };
    let index = row(stage.control.index().await.unwrap());
    assert_eq!(index, [("digits".to_owned(), false, "registered, not deployed".to_owned())]);

    stage.control.load("digits").await.unwrap();
    stage.control.load("digits").await.unwrap();
    assert_eq!(row(stage.control.index().await.unwrap()), [("digits".to_owned(), true, String::new())]);

    stage.control.unload("digits").await.unwrap();
    stage.control.unload("digits").await.unwrap();
    let service = stage.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!(service["state"], "Stopped");
    assert_eq!(row(stage.control.index().await.unwrap()), [("digits".to_owned(), false, "unloaded".to_owned())]);

    let restarted = stage.restarted();
    assert_eq!(restarted.control.restore().await.unwrap(), 0);
    restarted.control.load("digits").await.unwrap();
    let service = restarted.json("GET", "/services/digits", Value::Null).await.unwrap();
    assert_eq!((&service["state"], &service["models"]), (&json!("Healthy"), &json!(["digits:1"])));
}

#[tokio::test]
async fn load_says_why_it_cannot() {
    let stage = Stage::new(ControlConfig::default());
    stage.register("Big_Model", "model.onnx").await;
    stage.register("digits", "model.onnx").await;
    assert_eq!(stage.control.load("absent").await.unwrap_err().kind, ErrorKind::NotFound);
    let error = stage.control.load("Big_Model").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidInput);
    assert_eq!(error.hint.unwrap(), "deploy it under another name: scorehost deploy -n NAME -m Big_Model:1");
    stage.decide(|_| Some(Observed::Failed(Failure::new(ErrorKind::Unsupported, "no operator Frobnicate"))));
    let error = stage.control.load("digits").await.unwrap_err();
    assert!(error.kind == ErrorKind::Unsupported && error.message.contains("Frobnicate"), "{error}");
    assert_eq!(stage.control.unload("absent").await.unwrap_err().kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn a_stopped_service_can_be_deleted_though_nothing_reports_it_gone() {
    let stage = Stage::new(ControlConfig::default());
    stage.register("digits", "model.onnx").await;
    stage.control.load("digits").await.unwrap();
    stage.control.unload("digits").await.unwrap();
    let deletion = stage.json("DELETE", "/services/digits", Value::Null).await.unwrap();
    assert_eq!(stage.ended(&deletion).await.unwrap()["state"], "Succeeded");
    for kind in ["endpoint", "version"] {
        assert!(stage.registry.documents(kind).unwrap().is_empty());
    }
}
