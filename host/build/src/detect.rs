//! From a folder to a plan: language, world, main file, packages.

use std::fs;
use std::path::{Path, PathBuf};

use crate::manifest::{self, Manifest};
use crate::{BuildError, BuildRequest, Language, PythonPackages, World};

/// What is going to be built.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The source folder, absolute.
    pub(crate) source: PathBuf,
    pub(crate) language: Language,
    pub(crate) world: World,
    /// The main file below the source folder; empty where the language needs none.
    pub(crate) entry: String,
    /// Python packages.
    pub(crate) packages: PythonPackages,
    /// The Rust target asked for.
    pub(crate) target: Option<String>,
    /// Whether the world imports outgoing HTTP.
    pub(crate) http: bool,
    /// Whether the world imports the host's other services.
    pub(crate) services: bool,
}

/// Environment files that are found without being named.
const ENVIRONMENTS: [&str; 4] = ["environment.yml", "environment.yaml", "conda.yml", "requirements.txt"];

/// Plans the build of a request.
pub(crate) fn plan(request: &BuildRequest) -> Result<Plan, BuildError> {
    let source = request.source.canonicalize().map_err(BuildError::io("open", &request.source))?;
    let manifest = Manifest::read(&source)?;
    let entry = request.entry.clone().or(manifest.entry);
    let language = match manifest.language.or_else(|| entry.as_deref().and_then(of_entry)) {
        Some(language) => language,
        None => of_folder(&source)?,
    };
    let entry = entry.unwrap_or_else(|| default_entry(language, &source));
    if !entry.is_empty() && !source.join(&entry).is_file() {
        return Err(BuildError::NoEntry { folder: source, entry });
    }
    let packages = match (&request.python, language) {
        (Some(packages), _) => packages.clone(),
        (None, Language::Python) => environment(&source, manifest.environment)?,
        (None, _) => PythonPackages::default(),
    };
    if manifest.http && !matches!(language, Language::Python | Language::JavaScript) {
        return Err(BuildError::Configuration {
            file: source.join(manifest::FILE),
            problem: format!("'imports' is for Python and JavaScript; this is a {language} scorer"),
            hint: Some("in Rust, use the feature http of the crate scorehost".into()),
        });
    }
    let world = manifest.world.unwrap_or_default();
    if manifest.services && language == Language::Rust {
        return Err(BuildError::Configuration {
            file: source.join(manifest::FILE),
            problem: "scorehost:services is imported this way in Python, JavaScript and C; this is a Rust scorer"
                .into(),
            hint: Some("in Rust, use the feature services of the crate scorehost".into()),
        });
    }
    let Manifest { target, http, services, .. } = manifest;
    Ok(Plan { source, language, world, entry, packages, target, http, services })
}

fn of_entry(entry: &str) -> Option<Language> {
    match Path::new(entry).extension()?.to_str()? {
        "py" => Some(Language::Python),
        "js" | "mjs" => Some(Language::JavaScript),
        "c" => Some(Language::C),
        "rs" | "toml" => Some(Language::Rust),
        _ => None,
    }
}

fn of_folder(source: &Path) -> Result<Language, BuildError> {
    let has = |name: &str| source.join(name).is_file();
    let mut found = Vec::new();
    if has("Cargo.toml") {
        found.push(Language::Rust);
    }
    if has("score.py") {
        found.push(Language::Python);
    }
    if has("app.js") || has("package.json") {
        found.push(Language::JavaScript);
    }
    if has_c_file(source)? {
        found.push(Language::C);
    }
    match found.as_slice() {
        [language] => Ok(*language),
        [] => Err(BuildError::NothingToBuild(source.to_owned())),
        _ => Err(BuildError::Ambiguous {
            folder: source.to_owned(),
            found: found.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn has_c_file(source: &Path) -> Result<bool, BuildError> {
    let entries = fs::read_dir(source).map_err(BuildError::io("list", source))?;
    Ok(entries.flatten().any(|entry| entry.path().extension().is_some_and(|extension| extension == "c")))
}

fn default_entry(language: Language, source: &Path) -> String {
    match language {
        Language::Rust => "Cargo.toml".into(),
        Language::Python => "score.py".into(),
        Language::JavaScript => main_of_package(source).unwrap_or_else(|| "app.js".into()),
        Language::C => String::new(),
    }
}

/// `main` of `package.json`.
fn main_of_package(source: &Path) -> Option<String> {
    let package: serde_json::Value = serde_json::from_slice(&fs::read(source.join("package.json")).ok()?).ok()?;
    package.get("main")?.as_str().map(|main| main.trim_start_matches("./").to_owned())
}

fn environment(source: &Path, named: Option<String>) -> Result<PythonPackages, BuildError> {
    let found = || ENVIRONMENTS.into_iter().find(|name| source.join(name).is_file()).map(str::to_owned);
    match named.or_else(found) {
        Some(name) => PythonPackages::read(&source.join(name)),
        None => Ok(PythonPackages::default()),
    }
}

#[cfg(test)]
mod tests;
