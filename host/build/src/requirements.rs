//! Python packages that a scorer needs: from conda environment files, `requirements.txt` and `inferenceconfig.json`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::BuildError;
use crate::suggest::did_you_mean;

/// Python packages, as pip requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PythonPackages {
    /// Requirements such as `six==1.17.0`.
    pub requirements: Vec<String>,
    /// What was asked for and is given in another way, for people.
    pub notes: Vec<String>,
}

/// Packages that stand for the server around an Azure ML entry script; scorehost and its SDK take their place.
const REPLACED: [&str; 4] =
    ["azureml-defaults", "azureml-inference-server-http", "inference-schema", "azureml-contrib-services"];

/// Keys of a conda environment file.
const KEYS: [&str; 3] = ["name", "channels", "dependencies"];

impl PythonPackages {
    /// Reads a conda environment file (`.yml`, `.yaml`) or a requirements file.
    ///
    /// # Errors
    /// Where the file cannot be read, or says something that cannot be honoured.
    pub fn read(file: &Path) -> Result<Self, BuildError> {
        let text = fs::read_to_string(file).map_err(BuildError::io("read", file))?;
        let wrong = |(problem, hint)| BuildError::Configuration { file: file.to_owned(), problem, hint };
        if file.extension().is_some_and(|extension| extension == "txt") {
            return Self::of_requirements(&text).map_err(wrong);
        }
        Self::of_conda_file(&text).map_err(wrong)
    }

    pub(crate) fn of_conda_file(text: &str) -> Result<Self, (String, Option<String>)> {
        let document = serde_yaml_ng::from_str(text).map_err(|error| (error.to_string(), None))?;
        Self::of_conda(&document)
    }

    pub(crate) fn of_requirements(text: &str) -> Result<Self, (String, Option<String>)> {
        let mut packages = Self::default();
        for line in text.lines() {
            let line = line.split(" #").next().unwrap_or_default().trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if line.starts_with('-') {
                return Err((format!("the option '{line}' is not supported"), Some("list packages only".into())));
            }
            packages.add(line.to_owned());
        }
        Ok(packages)
    }

    /// The packages of a conda environment, given as a document.
    pub(crate) fn of_conda(document: &Value) -> Result<Self, (String, Option<String>)> {
        let map = document.as_object().ok_or_else(|| ("must be a map".to_owned(), None))?;
        if let Some(key) = map.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err((format!("there is no key '{key}'; there are: {}", KEYS.join(", ")), did_you_mean(key, KEYS)));
        }
        let mut packages = Self::default();
        for dependency in list(map.get("dependencies"), "dependencies")? {
            match dependency {
                Value::String(package) => packages.add_conda(package),
                Value::Object(map) if map.len() == 1 && map.contains_key("pip") => {
                    for package in list(map.get("pip"), "pip")? {
                        let package = package.as_str().ok_or_else(|| ("'pip' must list strings".to_owned(), None))?;
                        packages.add(package.to_owned());
                    }
                }
                _ => {
                    return Err((
                        format!("'dependencies' holds {dependency}, which is neither a package nor a pip list"),
                        None,
                    ));
                }
            }
        }
        Ok(packages)
    }

    /// A conda package: `name`, `name=1.2`, `name=1.2=build` or `channel::name>=1.2`.
    fn add_conda(&mut self, package: &str) {
        let package = package.rsplit("::").next().unwrap_or(package).trim();
        let name_end = package.find(['=', '<', '>', '!', ' ']).unwrap_or(package.len());
        let (name, version) = package.split_at(name_end);
        match name {
            "pip" | "setuptools" | "wheel" => {}
            "python" => self.notes.push(format!("{package}: the sandbox has its own CPython, which runs instead")),
            _ if version.starts_with('=') && !version.starts_with("==") => {
                let version = version.trim_start_matches('=').split('=').next().unwrap_or_default();
                self.add(format!(
                    "{name}=={}",
                    if version.matches('.').count() < 2 { format!("{version}.*") } else { version.to_owned() }
                ));
            }
            _ => self.add(package.to_owned()),
        }
    }

    fn add(&mut self, requirement: String) {
        let name_end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
        let name = requirement[..name_end.unwrap_or(requirement.len())].to_lowercase().replace('_', "-");
        if REPLACED.contains(&name.as_str()) {
            self.notes.push(format!("{requirement}: scorehost takes its place"));
        } else {
            self.requirements.push(requirement);
        }
    }
}

fn list<'a>(value: Option<&'a Value>, key: &str) -> Result<&'a [Value], (String, Option<String>)> {
    match value {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err((format!("'{key}' must be a list"), None)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::PythonPackages;

    #[test]
    fn conda_packages_become_pip_requirements() {
        let check = |package: &str, requirement: &[&str]| {
            let packages = PythonPackages::of_conda(&json!({"dependencies": [package]})).expect("a package");
            assert_eq!(packages.requirements, requirement, "{package}");
        };
        check("six", &["six"]);
        check("six=1.17", &["six==1.17.*"]);
        check("six=1.17.0=py_0", &["six==1.17.0"]);
        check("six==1.17.0", &["six==1.17.0"]);
        check("conda-forge::six>=1.16", &["six>=1.16"]);
        check("python=3.8", &[]);
        check("pip", &[]);
    }

    #[test]
    fn packages_that_scorehost_replaces_are_noted_and_not_installed() {
        let document = json!({"dependencies": ["python=3.8", {"pip": ["azureml-defaults>=1.0", "inference_schema[numpy-support]", "six"]}]});
        let packages = PythonPackages::of_conda(&document).expect("an environment");
        assert_eq!(packages.requirements, ["six"]);
        assert_eq!(packages.notes.len(), 3, "{:?}", packages.notes);
    }

    #[test]
    fn requirements_keep_their_conditions_and_lose_their_comments() {
        let packages =
            PythonPackages::of_requirements("# ours\nsix==1.17.0 # old\n\nattrs>=23\n").expect("requirements");
        assert_eq!(packages.requirements, ["six==1.17.0", "attrs>=23"]);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let (problem, hint) = PythonPackages::of_conda(&json!({"dependancies": []})).expect_err("misspelt");
        assert!(
            problem.contains("'dependancies'") && hint.as_deref() == Some("did you mean 'dependencies'?"),
            "{problem} {hint:?}"
        );
        let (problem, _) = PythonPackages::of_requirements("--index-url https://example.org").expect_err("an option");
        assert!(problem.contains("--index-url"), "{problem}");
    }
}
