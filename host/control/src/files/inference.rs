//! `inferenceconfig.json`: which entry script, and what it needs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::reader::{Findings, Object, ROOT, Violations};

/// An `inferenceconfig.json`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferenceConfig {
    /// The script, relative to the source directory.
    pub entry_script: String,
    /// Folder of the scorer's source, relative to the file; the file's own folder where it is not given.
    pub source_directory: Option<String>,
    /// What the script needs.
    pub environment: InferenceEnvironment,
}

/// `environment`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InferenceEnvironment {
    /// `name`.
    pub name: Option<String>,
    /// `version`.
    pub version: Option<String>,
    /// `environmentVariables`.
    pub variables: BTreeMap<String, String>,
    /// `python.condaDependenciesFile`.
    pub conda_file: Option<String>,
    /// pip requirements of `python.condaDependencies`.
    pub pip: Vec<String>,
}

const FILE: &str = "inferenceconfig.json";
const KEYS: [&str; 3] = ["entryScript", "sourceDirectory", "environment"];
const ENVIRONMENT: [&str; 6] =
    ["name", "version", "environmentVariables", "python", "docker", "inferencingStackVersion"];
const PYTHON: [&str; 5] = [
    "condaDependenciesFile",
    "condaDependencies",
    "userManagedDependencies",
    "interpreterPath",
    "baseCondaEnvironment",
];

impl InferenceConfig {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// Everything that is wrong in it or cannot be honoured, or where it is not JSON.
    pub fn parse(text: &str) -> Result<Self, Violations> {
        let mut found = Findings::default();
        let config = match serde_json::from_str::<Value>(text) {
            Ok(value) => Object::open(ROOT, &value, &KEYS, &mut found).map(|root| read(&root, &mut found)),
            Err(error) => {
                found.add(ROOT, format!("is not JSON: {error}"));
                None
            }
        };
        found.finish(FILE, config.unwrap_or_default())
    }
}

fn read(root: &Object<'_>, found: &mut Findings) -> InferenceConfig {
    let entry_script = root.text("entryScript", found);
    match &entry_script {
        None if root.value("entryScript").is_none() => found.add(root.at("entryScript"), "is required"),
        Some(script) if script.is_empty() => found.add(root.at("entryScript"), "must not be empty"),
        _ => {}
    }
    let environment = root.object("environment", &ENVIRONMENT, found);
    InferenceConfig {
        entry_script: entry_script.unwrap_or_default(),
        source_directory: root.text("sourceDirectory", found),
        environment: environment.map(|environment| read_environment(&environment, found)).unwrap_or_default(),
    }
}

fn read_environment(environment: &Object<'_>, found: &mut Findings) -> InferenceEnvironment {
    refuse(environment, "docker", "a Wasm scorer has no container image; remove it", found);
    refuse(environment, "inferencingStackVersion", "a Wasm scorer brings its own server; remove it", found);
    let python = environment.object("python", &PYTHON, found);
    if let Some(python) = &python {
        for key in ["userManagedDependencies", "interpreterPath", "baseCondaEnvironment"] {
            refuse(python, key, "the interpreter is part of the scorer; remove it", found);
        }
    }
    InferenceEnvironment {
        name: environment.text("name", found),
        version: environment
            .value("version")
            .map(|version| version.as_str().map_or(version.to_string(), str::to_owned)),
        variables: environment.texts("environmentVariables", found),
        conda_file: python.as_ref().and_then(|python| python.text("condaDependenciesFile", found)),
        pip: python.as_ref().map(|python| pip(python, found)).unwrap_or_default(),
    }
}

/// Whether a value is the same as no value: `false`, `null`, or an object of nothing else.
fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(fields) => fields.values().all(says_nothing),
        _ => false,
    }
}

/// Reports a key that cannot be honoured, where it says anything.
fn refuse(object: &Object<'_>, key: &str, why: &str, found: &mut Findings) {
    if object.value(key).is_some_and(|value| !says_nothing(value)) {
        found.add(object.at(key), format!("cannot be honoured: {why}"));
    }
}

/// pip requirements of an inline conda environment; a conda package other than Python and pip has no Wasm build.
fn pip(python: &Object<'_>, found: &mut Findings) -> Vec<String> {
    let Some(conda) = python.object("condaDependencies", &["name", "channels", "dependencies"], found) else {
        return Vec::new();
    };
    let at = conda.at("dependencies");
    let Some(dependencies) = conda.value("dependencies") else { return Vec::new() };
    let Some(dependencies) = dependencies.as_array() else {
        found.add(at, "must be a list");
        return Vec::new();
    };
    let mut requirements = Vec::new();
    for (index, dependency) in dependencies.iter().enumerate() {
        let path = format!("{at}[{index}]");
        match (dependency.as_str(), dependency.get("pip").and_then(Value::as_array)) {
            (Some(package), _) if is_interpreter(package) => {}
            (Some(package), _) => {
                found.add(
                    path,
                    format!("conda package '{package}' has no Wasm build; list a pure-Python one under pip"),
                );
            }
            (None, Some(pip)) => requirements.extend(pip.iter().filter_map(Value::as_str).map(str::to_owned)),
            (None, None) => found.add(path, "must be a package or {\"pip\": […]}"),
        }
    }
    requirements
}

fn is_interpreter(package: &str) -> bool {
    let name = package.split(['=', '<', '>', ' ']).next().unwrap_or_default();
    matches!(name, "python" | "pip")
}

#[cfg(test)]
mod tests;
