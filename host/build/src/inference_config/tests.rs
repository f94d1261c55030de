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
    let check = |environment: Value, named: &str, hinted: &str| {
        let error = parsed(&json!({"entryScript": "score.py", "environment": environment})).expect_err(named);
        assert!(error.to_string().contains(named), "{error}");
        assert!(error.hint().unwrap_or_default().contains(hinted), "{:?}", error.hint());
    };
    check(json!({"docker": {"baseImage": "ubuntu"}}), "environment.docker.baseImage", "remove it");
    check(json!({"docker": {"baseDockerfile": "FROM x"}}), "environment.docker.baseDockerfile", "remove it");
    check(json!({"python": {"userManagedDependencies": true}}), "userManagedDependencies", "condaDependencies");
    check(json!({"spark": {"packages": ["x"]}}), "environment.spark", "");
    check(json!({"pyton": {}}), "environment.pyton", "did you mean 'python'?");
    check(json!({"docker": {"baseImages": 1}}), "environment.docker.baseImages", "did you mean 'baseImage'?");
    check(json!({"environmentVariables": {"A": []}}), "environmentVariables.A", "");
}

#[test]
fn the_entry_script_is_required_and_keys_are_checked() {
    assert!(parsed(&json!({})).expect_err("no script").to_string().contains("'entryScript' is required"));
    let error = parsed(&json!({"entryscript": "score.py"})).expect_err("misspelt");
    assert_eq!(error.hint().as_deref(), Some("did you mean 'entryScript'?"));
}
