use std::fs;

use serde_json::{Value, json};

use super::{InferenceConfig, read};
use crate::BuildError;

fn parsed(document: &Value) -> Result<InferenceConfig, BuildError> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("inferenceconfig.json");
    fs::create_dir(folder.path().join("src")).expect("folder");
    fs::write(folder.path().join("src/env.yml"), "dependencies:\n- python=3.8\n- pip:\n  - six==1.17.0\n")
        .expect("environment");
    fs::write(&file, document.to_string()).expect("file");
    read(&file)
}

#[test]
fn an_azure_document_is_read_as_it_is() {
    let config = parsed(&json!({
        "entryScript": "score.py",
        "sourceDirectory": "./src",
        "environment": {
            "docker": {"arguments": [], "baseDockerfile": null, "baseImage": null, "enabled": false, "sharedVolumes": true, "shmSize": null},
            "environmentVariables": {"EXAMPLE_ENV_VAR": "value", "LIMIT": 3},
            "name": "my-deploy-env",
            "python": {"baseCondaEnvironment": null, "condaDependenciesFile": "env.yml", "interpreterPath": "python", "userManagedDependencies": false},
            "version": "1"
        }
    }))
    .expect("a configuration");
    assert!(config.build.source.ends_with("src"));
    assert_eq!(config.build.entry.as_deref(), Some("score.py"));
    assert_eq!(config.build.python.expect("packages").requirements, ["six==1.17.0"]);
    assert_eq!(config.variables["EXAMPLE_ENV_VAR"], "value");
    assert_eq!(config.variables["LIMIT"], "3");
}

#[test]
fn packages_may_be_given_inline() {
    let document =
        json!({"entryScript": "score.py", "environment": {"python": {"condaDependencies": {"dependencies": ["six"]}}}});
    assert_eq!(parsed(&document).expect("a configuration").build.python.expect("packages").requirements, ["six"]);
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let check = |environment: Value, named: &str, said: &str| {
        let error = parsed(&json!({"entryScript": "score.py", "environment": environment})).expect_err(named);
        assert!(error.to_string().contains(&format!(": $.{named}: ")), "{error}");
        assert!(format!("{error} {}", error.hint().unwrap_or_default()).contains(said), "{error} {:?}", error.hint());
    };
    check(json!({"docker": {"baseImage": "ubuntu"}}), "environment.docker.baseImage", "remove it");
    check(json!({"docker": {"baseDockerfile": "FROM x"}}), "environment.docker.baseDockerfile", "remove it");
    check(
        json!({"python": {"userManagedDependencies": true}}),
        "environment.python.userManagedDependencies",
        "condaDependencies",
    );
    check(json!({"spark": {"packages": ["x"]}}), "environment.spark", "");
    check(json!({"pyton": {}}), "environment.pyton", "did you mean 'python'?");
    check(json!({"docker": {"baseImages": 1}}), "environment.docker.baseImages", "did you mean 'baseImage'?");
    check(json!({"environmentVariables": {"A": []}}), "environment.environmentVariables.A", "must be a string");
    check(json!({"docker": {"shmSize": 2}}), "environment.docker.shmSize", "must be a string");
}

#[test]
fn the_entry_script_is_required_and_keys_are_checked() {
    assert!(parsed(&json!({})).expect_err("no script").to_string().contains("$.entryScript: is required"));
    let error = parsed(&json!({"entryscript": "score.py"})).expect_err("misspelt").to_string();
    assert!(error.contains("$.entryscript: unknown key; did you mean 'entryScript'?"), "{error}");
}

#[test]
fn all_violations_come_at_once() {
    let document = json!({"entryScrpt": "score.py", "useAzureFunctions": true, "environment": {"docker": {"baseImage": "a"}, "r": {"x": 1}}});
    let error = parsed(&document).expect_err("five errors");
    let text = error.to_string();
    for part in [
        "5 errors:",
        "$.entryScrpt: unknown key; did you mean 'entryScript'?",
        "$.entryScript: is required",
        "$.useAzureFunctions: cannot be honoured",
        "$.environment.docker.baseImage: cannot be honoured",
        "$.environment.r: cannot be honoured",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let document = json!({"entryScript": "score.py", "environment": {
        "inferencingStackVersion": "latest",
        "docker": {"enabled": true, "shmSize": "2g", "sharedVolumes": true, "platform": {"os": "Linux"}},
        "python": {"interpreterPath": "/opt/python", "condaDependenciesFile": "env.yml", "condaDependencies": {"dependencies": ["six"]}}}});
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("inferenceconfig.json");
    fs::write(folder.path().join("env.yml"), "dependencies: []").expect("environment");
    fs::write(&file, document.to_string()).expect("file");
    let warnings = read(&file).expect("a configuration").warnings;
    let keys = ["docker.enabled", "docker.shmSize", "interpreterPath", "condaDependencies", "inferencingStackVersion"];
    assert_eq!(warnings.len(), keys.len(), "{warnings:?}");
    for key in keys {
        assert!(warnings.iter().any(|warning| warning.contains(&format!("{key}: "))), "{key}: {warnings:?}");
    }
}

/// The keys of an object of the schema, by JSON pointer.
fn keys(pointer: &str) -> Vec<String> {
    let schema: Value = serde_json::from_str(super::INFERENCE_SCHEMA).expect("the schema is JSON");
    let properties = schema.pointer(pointer).and_then(Value::as_object).expect("properties");
    properties.keys().cloned().collect()
}

#[test]
fn the_schema_has_the_keys_that_are_read() {
    let check = |pointer: &str, read: &[&str]| {
        let mut read: Vec<&str> = read.to_vec();
        read.sort_unstable();
        let mut schema = keys(pointer);
        schema.sort_unstable();
        assert_eq!(schema, read, "{pointer}");
    };
    check("/properties", &super::TOP);
    check("/properties/environment/properties", &super::ENVIRONMENT);
    check("/properties/environment/properties/python/properties", &super::PYTHON);
    check("/properties/environment/properties/docker/properties", &super::DOCKER);
}

#[test]
fn the_parser_agrees_with_the_table_of_documents() {
    let table = include_str!("../../../../tests/fixtures/configuration/inferenceconfig.json");
    let rows: Vec<Value> = serde_json::from_str(table).expect("the table is JSON");
    for row in &rows {
        let read = parsed(&row["document"]);
        assert_eq!(read.is_ok(), row["valid"] == true, "{}: {read:?}", row["name"]);
    }
    assert!(rows.len() > 25, "the table was read");
}
