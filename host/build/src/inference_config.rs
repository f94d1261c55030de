//! `inferenceconfig.json`: which script, in which environment, with which variables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::suggest::did_you_mean;
use crate::{BuildError, BuildRequest, PythonPackages};

/// What an `inferenceconfig.json` asks for.
#[derive(Clone, Debug)]
pub struct InferenceConfig {
    /// The scorer to build.
    pub build: BuildRequest,
    /// Variables of the deployment (`environmentVariables`).
    pub variables: BTreeMap<String, String>,
}

const TOP: [&str; 4] = ["entryScript", "sourceDirectory", "environment", "useAzureFunctions"];
const ENVIRONMENT: [&str; 10] = [
    "name",
    "version",
    "environmentVariables",
    "python",
    "docker",
    "inferencingStackVersion",
    "spark",
    "r",
    "databricks",
    "assetId",
];
const PYTHON: [&str; 6] = [
    "condaDependencies",
    "condaDependenciesFile",
    "interpreterPath",
    "userManagedDependencies",
    "baseCondaEnvironment",
    "pip",
];
const DOCKER: [&str; 8] = [
    "enabled",
    "baseImage",
    "baseDockerfile",
    "baseImageRegistry",
    "sharedVolumes",
    "arguments",
    "shmSize",
    "platform",
];

type Problem = (String, Option<String>);

/// Reads an `inferenceconfig.json`. Paths in it count from its own folder.
///
/// # Errors
/// [`BuildError::Configuration`] naming a key that does not exist or that a sandboxed scorer cannot honour.
pub fn read(file: &Path) -> Result<InferenceConfig, BuildError> {
    let text = fs::read_to_string(file).map_err(BuildError::io("read", file))?;
    let wrong = |(problem, hint): Problem| BuildError::Configuration { file: file.to_owned(), problem, hint };
    let document: Value = serde_json::from_str(&text).map_err(|error| wrong((error.to_string(), None)))?;
    let top = object(&document, "the document").map_err(wrong)?;
    known(top, &TOP, "").map_err(wrong)?;
    if truthy(top, "useAzureFunctions") {
        return Err(wrong(("'useAzureFunctions' cannot be honoured: scorers are HTTP services".into(), None)));
    }
    let folder =
        file.parent().unwrap_or(Path::new("")).join(text_of(top, "sourceDirectory").map_err(wrong)?.unwrap_or(""));
    let entry =
        text_of(top, "entryScript").map_err(wrong)?.ok_or_else(|| wrong(("'entryScript' is required".into(), None)))?;
    let empty = Map::new();
    let environment = match top.get("environment") {
        None | Some(Value::Null) => &empty,
        Some(value) => object(value, "'environment'").map_err(wrong)?,
    };
    known(environment, &ENVIRONMENT, "environment.").map_err(wrong)?;
    refuse_what_needs_an_image(environment).map_err(wrong)?;
    let python = python(environment, &folder, &wrong)?;
    let variables = variables(environment).map_err(wrong)?;
    let source = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    Ok(InferenceConfig { build: BuildRequest { source, entry: Some(entry.to_owned()), python, out: None }, variables })
}

/// A scorer runs in a sandbox, not in a container: what describes a container image is an error, unless it asks for nothing.
fn refuse_what_needs_an_image(environment: &Map<String, Value>) -> Result<(), Problem> {
    for key in ["spark", "r", "databricks"] {
        if environment.get(key).is_some_and(asks_for_something) {
            return Err((format!("'environment.{key}' cannot be honoured: a scorer has no {key} runtime"), None));
        }
    }
    let Some(docker) = environment.get("docker").filter(|value| !value.is_null()) else { return Ok(()) };
    let docker = object(docker, "'environment.docker'")?;
    known(docker, &DOCKER, "environment.docker.")?;
    for key in ["baseImage", "baseDockerfile", "arguments", "baseImageRegistry"] {
        if docker.get(key).is_some_and(asks_for_something) {
            let hint = "remove it; Python packages go to environment.python, and native code into a model".to_owned();
            return Err((
                format!("'environment.docker.{key}' cannot be honoured: a scorer runs in a sandbox, not in an image"),
                Some(hint),
            ));
        }
    }
    Ok(())
}

/// Whether a value is more than the nothing that the Azure SDK writes into every key.
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Object(map) => map.values().any(asks_for_something),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        Value::Bool(true) | Value::Number(_) => true,
    }
}

fn python(
    environment: &Map<String, Value>,
    folder: &Path,
    wrong: &impl Fn(Problem) -> BuildError,
) -> Result<Option<PythonPackages>, BuildError> {
    let Some(python) = environment.get("python").filter(|value| !value.is_null()) else { return Ok(None) };
    let python = object(python, "'environment.python'").map_err(wrong)?;
    known(python, &PYTHON, "environment.python.").map_err(wrong)?;
    for key in ["userManagedDependencies", "baseCondaEnvironment"] {
        if python.get(key).is_some_and(asks_for_something) {
            let problem = format!(
                "'environment.python.{key}' cannot be honoured: the sandbox has no Python environment of its own"
            );
            return Err(wrong((problem, Some("list the packages in condaDependencies".into()))));
        }
    }
    if let Some(file) = text_of(python, "condaDependenciesFile").map_err(wrong)? {
        return PythonPackages::read(&folder.join(file)).map(Some);
    }
    match python.get("condaDependencies").filter(|value| !value.is_null()) {
        Some(document) => PythonPackages::of_conda(document).map(Some).map_err(wrong),
        None => Ok(None),
    }
}

fn variables(environment: &Map<String, Value>) -> Result<BTreeMap<String, String>, Problem> {
    let Some(variables) = environment.get("environmentVariables").filter(|value| !value.is_null()) else {
        return Ok(BTreeMap::new());
    };
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(text) => Ok((name.clone(), text.clone())),
        Value::Number(_) | Value::Bool(_) => Ok((name.clone(), value.to_string())),
        _ => Err((format!("'environment.environmentVariables.{name}' must be a string"), None)),
    };
    object(variables, "'environment.environmentVariables'")?.iter().map(text).collect()
}

fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Map<String, Value>, Problem> {
    value.as_object().ok_or_else(|| (format!("{what} must be an object"), None))
}

fn known(map: &Map<String, Value>, keys: &[&str], prefix: &str) -> Result<(), Problem> {
    // `$schema` names the schema for editors.
    match map.keys().find(|key| !keys.contains(&key.as_str()) && *key != "$schema") {
        None => Ok(()),
        Some(key) => Err((format!("there is no key '{prefix}{key}'"), did_you_mean(key, keys.iter().copied()))),
    }
}

fn text_of<'a>(map: &'a Map<String, Value>, key: &str) -> Result<Option<&'a str>, Problem> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err((format!("'{key}' must be a string"), None)),
    }
}

fn truthy(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests;
