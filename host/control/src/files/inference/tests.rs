#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn check(text: &str, expected: &[&str]) {
    let found = match InferenceConfig::parse(text) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.violations.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn the_environment_gives_variables_and_packages() {
    let config = InferenceConfig::parse(
        r#"{"entryScript": "score.py", "sourceDirectory": "src", "environment": {"name": "env", "version": 3,
            "environmentVariables": {"LEVEL": "debug", "N": 2}, "docker": {"enabled": false},
            "python": {"userManagedDependencies": false, "condaDependenciesFile": "env.yml",
                       "condaDependencies": {"dependencies": ["python=3.11", {"pip": ["attrs==24.1"]}]}}}}"#,
    )
    .unwrap();
    assert_eq!((config.entry_script.as_str(), config.source_directory.as_deref()), ("score.py", Some("src")));
    let environment = config.environment;
    assert_eq!(environment.variables, BTreeMap::from([("LEVEL".into(), "debug".into()), ("N".into(), "2".into())]));
    assert_eq!((environment.version.as_deref(), environment.conda_file.as_deref()), (Some("3"), Some("env.yml")));
    assert_eq!(environment.pip, ["attrs==24.1"]);
}

#[test]
fn what_a_wasm_scorer_cannot_honour_is_an_error() {
    check("{}", &["$.entryScript: is required"]);
    check(r#"{"entryScript": ""}"#, &["$.entryScript: must not be empty"]);
    check(
        r#"{"entryscript": "a.py"}"#,
        &["$.entryscript: unknown key; did you mean 'entryScript'?", "$.entryScript: is required"],
    );
    check(
        r#"{"entryScript": "a.py", "environment": {"docker": {"baseImage": "ubuntu"}}}"#,
        &["$.environment.docker: cannot be honoured: a Wasm scorer has no container image; remove it"],
    );
    check(
        r#"{"entryScript": "a.py", "environment": {"python": {"condaDependencies": {"dependencies": ["numpy"]}}}}"#,
        &[
            "$.environment.python.condaDependencies.dependencies[0]: conda package 'numpy' has no Wasm build; list a pure-Python one under pip",
        ],
    );
}
