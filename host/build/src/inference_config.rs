//! `inferenceconfig.json`: which script, in which environment, with which variables.

mod fields;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{BuildError, BuildRequest, PythonPackages};
use fields::{Fields, Found, asks_for_something};

/// The JSON Schema (draft 7) of the file, as editors and `scorehost schema` have it.
pub const INFERENCE_SCHEMA: &str = include_str!("../../../docs/reference/schemas/inferenceconfig.schema.json");

/// What an `inferenceconfig.json` asks for.
#[derive(Clone, Debug)]
pub struct InferenceConfig {
    /// The scorer to build.
    pub build: BuildRequest,
    /// Variables of the deployment (`environmentVariables`).
    pub variables: BTreeMap<String, String>,
    /// Keys that the file gives and a sandboxed scorer has no use for, each with what happens instead.
    pub warnings: Vec<String>,
}

pub(crate) const TOP: [&str; 5] = ["$schema", "entryScript", "sourceDirectory", "environment", "useAzureFunctions"];
pub(crate) const ENVIRONMENT: [&str; 10] = [
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
pub(crate) const PYTHON: [&str; 6] = [
    "condaDependencies",
    "condaDependenciesFile",
    "interpreterPath",
    "userManagedDependencies",
    "baseCondaEnvironment",
    "pip",
];
pub(crate) const DOCKER: [&str; 8] = [
    "enabled",
    "baseImage",
    "baseDockerfile",
    "baseImageRegistry",
    "sharedVolumes",
    "arguments",
    "shmSize",
    "platform",
];

/// Reads an `inferenceconfig.json`. Paths in it count from its own folder.
///
/// # Errors
/// [`BuildError::Configuration`] naming, by JSON path, every key that does not exist, is of the wrong type, or that a
/// sandboxed scorer cannot honour; or what is wrong in the conda file that it names.
pub fn read(file: &Path) -> Result<InferenceConfig, BuildError> {
    let text = fs::read_to_string(file).map_err(BuildError::io("read", file))?;
    let asked =
        parse(&text).map_err(|(problem, hint)| BuildError::Configuration { file: file.to_owned(), problem, hint })?;
    let base = file.parent().unwrap_or(Path::new(""));
    let folder = base.join(asked.source.as_deref().unwrap_or(""));
    let python = match asked.packages {
        Packages::None => None,
        Packages::Inline(packages) => Some(packages),
        Packages::File(name) => Some(PythonPackages::read(&folder.join(name))?),
    };
    let source = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
    let build = BuildRequest { source, entry: asked.entry, python, out: None };
    Ok(InferenceConfig { build, variables: asked.variables, warnings: asked.warnings })
}

/// Reads the text itself; else the problem and a hint.
pub(crate) fn parse(text: &str) -> Result<Asked, (String, Option<String>)> {
    let document: Value = serde_json::from_str(text).map_err(|error| (format!("is not JSON: {error}"), None))?;
    let mut found = Found::default();
    let read = Fields::open("$", &document, &TOP, &mut found).map(|top| top_level(&top, &mut found));
    found.finish(read)
}

/// What the document itself says, before any other file is read.
#[derive(Default)]
pub(crate) struct Asked {
    entry: Option<String>,
    source: Option<String>,
    packages: Packages,
    variables: BTreeMap<String, String>,
    warnings: Vec<String>,
}

/// Where the Python packages are listed.
#[derive(Default)]
enum Packages {
    #[default]
    None,
    Inline(PythonPackages),
    File(String),
}

fn top_level(top: &Fields<'_>, found: &mut Found) -> Asked {
    if top.value("entryScript").is_none_or(|entry| entry == "") {
        found.add(top.at("entryScript"), "is required: the main file of the scorer", None);
    }
    if top.value("useAzureFunctions").is_some_and(|value| *value != Value::Bool(false)) {
        found.add(top.at("useAzureFunctions"), "cannot be honoured: scorers are HTTP services", None);
    }
    let mut asked =
        Asked { entry: top.text("entryScript", found), source: top.text("sourceDirectory", found), ..Asked::default() };
    if let Some(environment) = top.object("environment", &ENVIRONMENT, found) {
        read_environment(&environment, &mut asked, found);
    }
    asked
}

fn read_environment(environment: &Fields<'_>, asked: &mut Asked, found: &mut Found) {
    for key in ["spark", "r", "databricks"] {
        environment.refuse(key, &format!("a scorer has no {key} runtime"), None, found);
    }
    if let Some(docker) = environment.object("docker", &DOCKER, found) {
        read_docker(&docker, asked, found);
    }
    if let Some(python) = environment.object("python", &PYTHON, found) {
        asked.packages = read_python(&python, asked, found);
    }
    environment.text("name", found);
    if environment.value("version").is_some_and(|value| !value.is_string() && !value.is_number()) {
        found.add(environment.at("version"), "must be text", None);
    }
    if environment.text("inferencingStackVersion", found).is_some_and(|version| !version.is_empty()) {
        let path = environment.at("inferencingStackVersion");
        asked.warnings.push(format!("{path}: scorehost takes the place of Azure's server"));
    }
    asked.variables = variables(environment, found);
}

/// A scorer runs in a sandbox, not in a container: what describes a container image is an error, unless it asks for nothing.
fn read_docker(docker: &Fields<'_>, asked: &mut Asked, found: &mut Found) {
    const HINT: &str = "remove it; Python packages go to environment.python, and native code into a model";
    for key in ["baseImage", "baseDockerfile", "arguments", "baseImageRegistry"] {
        docker.refuse(key, "a scorer runs in a sandbox, not in an image", Some(HINT), found);
    }
    let enabled = docker.flag("enabled", found) == Some(true);
    // The Azure SDK writes `sharedVolumes: true` and a platform into every file, so these ask for nothing.
    docker.flag("sharedVolumes", found);
    docker.object_of_anything("platform", found);
    let shared_memory = docker.text("shmSize", found).is_some_and(|size| !size.is_empty());
    for (given, key) in [(enabled, "enabled"), (shared_memory, "shmSize")] {
        if given {
            asked
                .warnings
                .push(format!("{}: no effect, a scorer runs in a sandbox, not in a container", docker.at(key)));
        }
    }
}

fn read_python(python: &Fields<'_>, asked: &mut Asked, found: &mut Found) -> Packages {
    const HINT: &str = "list the packages in condaDependencies";
    for key in ["userManagedDependencies", "baseCondaEnvironment", "pip"] {
        python.refuse(key, "the sandbox has no Python environment of its own", Some(HINT), found);
    }
    if python.text("interpreterPath", found).is_some_and(|path| !matches!(&*path, "" | "python" | "python3")) {
        asked.warnings.push(format!("{}: no effect, the sandbox has its own CPython", python.at("interpreterPath")));
    }
    let file = python.text("condaDependenciesFile", found);
    let inline = python.value("condaDependencies").filter(|value| asks_for_something(value));
    match (file, inline) {
        (Some(name), inline) => {
            if inline.is_some() {
                let path = python.at("condaDependencies");
                asked.warnings.push(format!("{path}: no effect, condaDependenciesFile says what is needed"));
            }
            Packages::File(name)
        }
        (None, Some(document)) => match PythonPackages::of_conda(document) {
            Ok(packages) => Packages::Inline(packages),
            Err((problem, hint)) => {
                found.add(python.at("condaDependencies"), &problem, hint.as_deref());
                Packages::None
            }
        },
        (None, None) => Packages::None,
    }
}

fn variables(environment: &Fields<'_>, found: &mut Found) -> BTreeMap<String, String> {
    let Some(values) = environment.object_of_anything("environmentVariables", found) else { return BTreeMap::new() };
    let mut variables = BTreeMap::new();
    for (name, value) in values {
        match value {
            Value::String(text) => drop(variables.insert(name.clone(), text.clone())),
            Value::Number(_) | Value::Bool(_) => drop(variables.insert(name.clone(), value.to_string())),
            _ => found.add(format!("{}.{name}", environment.at("environmentVariables")), "must be a string", None),
        }
    }
    variables
}

#[cfg(test)]
mod tests;
