use scorehost_auth::{AuthConfig, Gatekeeper, Principal, Role};
use scorehost_core::{Access, ErrorKind, Secret, SystemClock};
use serde_json::{Value, json};
use std::sync::Arc;

use super::stage::{Stage, never};
use crate::ControlConfig;
use crate::routes::Route;

const KEYS: &str = "/services/digits/keys";

async fn with_digits(deployment: Value) -> Stage {
    let stage = Stage::new(ControlConfig::default());
    stage.register("digits", "model.onnx").await;
    deploy(&stage, deployment).await;
    stage
}

async fn deploy(stage: &Stage, mut deployment: Value) {
    deployment["computeType"] = "local".into();
    let deployment = json!({"models": ["digits"], "deployment": deployment});
    let operation = stage.deploy("digits", deployment).await.unwrap();
    assert_eq!(operation["state"], "Succeeded", "{operation}");
}

async fn update(stage: &Stage, deployment: Value) {
    stage.done("PATCH", "/services/digits", json!({"deployment": deployment})).await.unwrap();
}

async fn keys(stage: &Stage) -> (String, String) {
    let keys = stage.json("GET", KEYS, Value::Null).await.unwrap();
    (keys["primaryKey"].as_str().unwrap().to_owned(), keys["secondaryKey"].as_str().unwrap().to_owned())
}

fn pair(primary: &str, secondary: &str) -> (String, String) {
    (primary.to_owned(), secondary.to_owned())
}

#[tokio::test]
async fn a_new_service_asks_for_one_of_two_generated_keys() {
    let stage = with_digits(json!({})).await;
    assert_eq!(keys(&stage).await, pair("generated-1", "generated-2"));
    let expected = Access::Keys { primary: Secret::new("generated-1"), secondary: Secret::new("generated-2") };
    assert_eq!(stage.front("digits").unwrap().access, expected);
    assert_eq!(stage.json("GET", "/services/digits", Value::Null).await.unwrap()["auth"], "key");
    // They survive updates, further versions and restarts.
    deploy(&stage, json!({})).await;
    stage.deploy("digits", json!({"models": ["digits"], "version": "v2"})).await.unwrap();
    let restarted = stage.restarted();
    restarted.control.restore().await.unwrap();
    assert_eq!(keys(&restarted).await, pair("generated-1", "generated-2"));
}

#[tokio::test]
async fn given_keys_are_taken_and_missing_ones_made() {
    let stage = with_digits(json!({"keys": {"primaryKey": "given-primary-0123"}})).await;
    assert_eq!(keys(&stage).await, pair("given-primary-0123", "generated-1"));
    update(&stage, json!({"keys": {"secondaryKey": "given-secondary-01"}})).await;
    assert_eq!(keys(&stage).await, pair("given-primary-0123", "given-secondary-01"));
}

#[tokio::test]
async fn authentication_is_what_the_deployment_says_and_stays_where_it_says_nothing() {
    let stage = with_digits(json!({"authEnabled": false})).await;
    let access = || stage.front("digits").unwrap().access.clone();
    assert_eq!(access(), Access::Open);
    deploy(&stage, json!({})).await;
    assert_eq!(access(), Access::Open);
    let generation = stage.desired("digits", "1").unwrap().generation;
    update(&stage, json!({"tokenAuthEnabled": true})).await;
    assert_eq!(access(), Access::Tokens);
    update(&stage, json!({"authEnabled": true})).await;
    assert!(matches!(access(), Access::Keys { .. }));
    update(&stage, json!({"authEnabled": false})).await;
    assert_eq!(access(), Access::Open);
    // Who may call is no matter of the versions, which run on untouched.
    assert_eq!(stage.desired("digits", "1").unwrap().generation, generation);
}

#[tokio::test]
async fn a_key_is_replaced_while_the_other_goes_on_working() {
    let stage = with_digits(json!({})).await;
    let generation = stage.desired("digits", "1").unwrap().generation;
    let path = "/services/digits/keys/regenerate";
    let answer = stage.json("POST", path, json!({"keyType": "Primary"})).await.unwrap();
    assert_eq!(answer, json!({"primaryKey": "generated-3", "secondaryKey": "generated-2"}));
    stage.json("POST", path, json!({"keyType": "Secondary", "keyValue": "my-own-secondary"})).await.unwrap();
    assert_eq!(keys(&stage).await, pair("generated-3", "my-own-secondary"));
    assert_eq!(stage.desired("digits", "1").unwrap().generation, generation);
    for wrong in ["", "with space", "ümlaut", &"x".repeat(257)] {
        let error = stage.json("POST", path, json!({"keyType": "Primary", "keyValue": wrong})).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidInput);
        assert!(wrong.is_empty() || !error.message.contains(wrong), "the key is told: {error}");
    }
    let restarted = stage.restarted();
    restarted.control.restore().await.unwrap();
    assert_eq!(keys(&restarted).await, pair("generated-3", "my-own-secondary"));
}

#[tokio::test]
async fn a_service_without_keys_says_what_it_asks_for_instead() {
    let stage = with_digits(json!({"authEnabled": false})).await;
    for (method, path, body) in
        [("GET", KEYS, Value::Null), ("POST", "/services/digits/keys/regenerate", json!({"keyType": "Primary"}))]
    {
        let error = stage.json(method, path, body).await.unwrap_err();
        assert!(error.kind == ErrorKind::Conflict && error.message.contains("'none'"), "{error}");
        assert!(error.hint.unwrap().contains("--set authEnabled=true"));
    }
    let error = stage.json("POST", "/services/digits/token", Value::Null).await.unwrap_err();
    assert!(error.hint.unwrap().contains("tokenAuthEnabled=true"));
}

#[tokio::test]
async fn secrets_are_in_no_answer_but_that_of_the_keys() {
    let stage = with_digits(json!({"keys": {"primaryKey": "secret-primary-01"}})).await;
    let failing = json!({"models": ["digits"], "version": "v2", "deployment": {
        "computeType": "aci", "keys": {"primaryKey": "secret-primary-02"}, "sslKey": "secret-tls", "nonsense": 1
    }});
    let error = stage.deploy("digits", failing).await.unwrap_err();
    assert!(!error.to_string().contains("secret-"), "{error}");
    stage.decide(never);
    let open =
        json!({"models": ["digits"], "version": "v2", "deployment": {"computeType": "aci", "sslKey": "secret-tls"}});
    let operation = stage.json("PUT", "/services/digits", open).await.unwrap();
    let id = operation["id"].as_str().unwrap();
    for path in
        ["/services", "/services/digits", "/services/digits/versions", "/operations", &format!("/operations/{id}")]
    {
        let (_, body) = stage.call("GET", path, "").await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("secret-") && !body.contains("generated-"), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_damaged_endpoint_does_not_put_its_keys_into_the_log() {
    let document =
        br#"{"format": 2, "name": "digits", "access": {"kind": "keys", "primary": "secret", "secondary": 7}}"#;
    let error = crate::document::decode_endpoint("digits", document).err().unwrap();
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn a_token_is_issued_for_a_service_that_asks_for_tokens() {
    let dir = tempfile::tempdir().unwrap();
    let config = AuthConfig::new(dir.path().join("auth"));
    let started = Gatekeeper::start(config, Arc::new(SystemClock)).unwrap();
    let stage = Stage::guarded(ControlConfig::default(), started.gatekeeper);
    stage.register("digits", "model.onnx").await;
    deploy(&stage, json!({"tokenAuthEnabled": true})).await;
    let token = stage.json("POST", "/services/digits/token", Value::Null).await.unwrap();
    assert_eq!(token["tokenType"], "Bearer");
    assert!(token["accessToken"].as_str().unwrap().split('.').count() == 3);
    assert!(token["refreshAfter"].as_u64() < token["expiryOn"].as_u64());
    let error = stage.json("GET", KEYS, Value::Null).await.unwrap_err();
    assert!(error.hint.unwrap().contains("scorehost service token digits"));
}

/// Every call of the management API and the least role that may make it.
const NEEDED: [(&str, &str, Role); 40] = [
    ("/memory", "GET", Role::Reader),
    ("/blobs/{name}", "HEAD", Role::Reader),
    ("/blobs/{name}", "GET", Role::Reader),
    ("/blobs/{name}", "PUT", Role::Deployer),
    ("/models", "GET", Role::Reader),
    ("/models", "POST", Role::Deployer),
    ("/models/{name}", "GET", Role::Reader),
    ("/models/{name}", "DELETE", Role::Deployer),
    ("/services", "GET", Role::Reader),
    ("/services/{name}", "GET", Role::Reader),
    ("/services/{name}", "PUT", Role::Deployer),
    ("/services/{name}", "PATCH", Role::Deployer),
    ("/services/{name}", "DELETE", Role::Deployer),
    ("/services/{name}/versions", "GET", Role::Reader),
    ("/services/{name}/versions/{version}", "DELETE", Role::Deployer),
    ("/services/{name}/versions/{version}/promote", "POST", Role::Deployer),
    ("/services/{name}/scale", "POST", Role::Deployer),
    ("/services/{name}/traffic", "GET", Role::Reader),
    ("/services/{name}/traffic", "PUT", Role::Deployer),
    ("/services/{name}/traffic", "PATCH", Role::Deployer),
    ("/services/{name}/keys", "GET", Role::Deployer),
    ("/services/{name}/keys/regenerate", "POST", Role::Deployer),
    ("/services/{name}/token", "POST", Role::Deployer),
    ("/services/{name}/report", "GET", Role::Reader),
    ("/services/{name}/logs", "GET", Role::Reader),
    ("/services/{name}/recordings", "GET", Role::Reader),
    ("/services/{name}/recordings", "DELETE", Role::Deployer),
    ("/services/{name}/recordings/{id}", "GET", Role::Deployer),
    ("/services/{name}/recordings/{id}", "DELETE", Role::Deployer),
    ("/services/{name}/replay", "POST", Role::Deployer),
    ("/operations", "GET", Role::Reader),
    ("/operations/{name}", "GET", Role::Reader),
    ("/operations/{name}", "DELETE", Role::Deployer),
    ("/devices", "GET", Role::Reader),
    ("/version", "GET", Role::Reader),
    ("/whoami", "GET", Role::Reader),
    ("/credentials", "GET", Role::Admin),
    ("/credentials", "POST", Role::Admin),
    ("/credentials/{name}", "DELETE", Role::Admin),
    ("/signing-keys/rotate", "POST", Role::Admin),
];

/// The calls that the table of routes has; one that is added has to be added above, too.
fn calls() -> impl Iterator<Item = (&'static str, &'static str)> {
    Route::ALL.into_iter().flat_map(|(path, route)| route.methods().split(", ").map(move |method| (path, method)))
}

#[test]
fn every_call_has_a_role_and_is_in_the_reference() {
    let page = include_str!("../../../../docs/reference/management.md");
    let base = page.split("## ").next().unwrap();
    for (path, method) in calls() {
        assert!(NEEDED.iter().any(|row| (row.0, row.1) == (path, method)), "who may {method} {path}?");
        let written = path.replace("{version}", "VERSION");
        let ids = [written.replace("{id}", "ID"), written.replace("/{id}", "[/ID]")];
        let names = ["NAME", "ID", "sha256:…", "NAME[:VERSION]", "NAME:VERSION"];
        let forms = ids.iter().flat_map(|path| names.map(|name| path.replace("{name}", name)));
        let line = |form: &String| base.lines().any(|line| line.contains(method) && line.contains(form.as_str()));
        assert!({ forms }.any(|form| line(&form)), "docs/reference/management.md does not tell of {method} {path}");
    }
    assert_eq!(NEEDED.len(), calls().count(), "the table names calls that there are not");
}

#[tokio::test]
async fn each_call_needs_its_role() {
    let caller = |role| Some(Principal { name: "credential:x".into(), role });
    for (path, method, needed) in NEEDED {
        // One for each call: those that are allowed change something.
        let stage = with_digits(json!({})).await;
        let path = path
            .replace("{version}", "1")
            .replace("{id}", "1")
            .replace("{name}", if path.starts_with("/models") { "digits:1" } else { "digits" });
        let below = Role::ALL.into_iter().filter(|role| *role < needed).map(Some).chain([None]);
        for role in below {
            let error = stage.call_as(caller(role), method, &path, "{}").await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Forbidden, "{method} {path} as {role:?}: {error}");
        }
        let error = stage.call_as(None, method, &path, "{}").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unauthenticated, "{method} {path}: {error}");
        // Whatever else speaks against it, it is not the role.
        for role in Role::ALL.into_iter().filter(|role| *role >= needed) {
            if let Err(error) = stage.call_as(caller(Some(role)), method, &path, "{}").await {
                let refused = [ErrorKind::Forbidden, ErrorKind::Unauthenticated].contains(&error.kind);
                assert!(!refused, "{method} {path} as {role:?}: {error}");
            }
        }
    }
}
