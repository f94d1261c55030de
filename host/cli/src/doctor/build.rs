//! Building scorers: compilers, package indexes, the cache.

use std::path::Path;
use std::sync::Arc;

use scorehost_build::BuilderConfig;

use super::network::{Network, Place, reach};
use super::{Check, Finding, Phase, data_dir};

/// A language, the program that its builds begin with, and where that comes from.
const LANGUAGES: [(&str, &str, &str); 4] = [
    ("Rust", "cargo", "install Rust from https://rustup.rs, and 'rustup target add wasm32-wasip2'"),
    ("Python", "python3", "install Python 3.10 or later with its venv module"),
    ("JavaScript", "npm", "install Node.js with npm"),
    ("C", "python3", "install Python 3.10 or later: the C compiler comes as a Python package"),
];

/// A package index, the variable that names another, and where it is otherwise.
const INDEXES: [(&str, &[&str], &str); 3] = [
    ("index of Python packages", &["PIP_INDEX_URL", "UV_INDEX_URL"], "https://pypi.org/simple"),
    ("index of JavaScript packages", &["npm_config_registry", "NPM_CONFIG_REGISTRY"], "https://registry.npmjs.org"),
    ("index of Rust crates", &["CARGO_REGISTRIES_CRATES_IO_INDEX"], "https://index.crates.io"),
];

/// Checks of a build on this machine.
pub(crate) fn build(config: &BuilderConfig, network: &Arc<dyn Network>) -> Vec<Check> {
    let (cache, toolchains) = (config.cache_dir.clone(), config.toolchains_dir.clone());
    let mut checks = vec![
        Check::new(Phase::Build, "compilers", languages),
        Check::new(Phase::Build, "build cache", move || data_dir(Phase::Build, "build cache", &cache)),
        Check::new(Phase::Build, "installed compilers", move || vec![installed(&toolchains)]),
    ];
    for (name, variables, usual) in INDEXES {
        let url = variables.iter().find_map(|name| std::env::var(name).ok().filter(|url| !url.is_empty()));
        let url = url.unwrap_or_else(|| usual.to_owned());
        let network = Arc::clone(network);
        checks.push(Check::new(Phase::Build, name, move || index(&*network, name, &url)));
    }
    checks
}

/// Nobody needs all languages, so one that is missing is no failure.
fn languages() -> Vec<Finding> {
    let row = |(language, program, fix): &(&str, &str, &str)| {
        let needs = format!("'{program}' in PATH, to build scorers in {language}");
        let check = format!("compiler for {language}");
        match found_in_path(program) {
            Some(path) => Finding::ok(Phase::Build, &check, &needs, path.display().to_string()),
            None => Finding::ok(Phase::Build, &check, &needs, "not found").warning(*fix),
        }
    };
    LANGUAGES.iter().map(row).collect()
}

fn found_in_path(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// Compilers that builds fetched earlier; those that are missing are fetched by the next build.
fn installed(toolchains: &Path) -> Finding {
    let entries = std::fs::read_dir(toolchains).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().join(".complete").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let found = if names.is_empty() { "none yet: the first build fetches them".to_owned() } else { names.join(", ") };
    Finding::ok(Phase::Build, "installed compilers", "a package index, or compilers fetched earlier", found)
}

fn index(network: &dyn Network, name: &str, url: &str) -> Vec<Finding> {
    let url = url.strip_prefix("sparse+").unwrap_or(url);
    let Some(place) = Place::of(url) else {
        let finding = Finding::ok(Phase::Build, name, "an http or https URL", "another kind of URL");
        return vec![finding.warning("check the settings of the package manager")];
    };
    let (mut findings, address) = reach(network, Phase::Build, name, &place, false);
    if let Some(address) = address.filter(|_| place.secure) {
        let (check, needs) = (format!("{name}: TLS"), format!("a trusted certificate of '{}'", place.host));
        findings.push(match network.certificate(&place.host, address) {
            Ok(_) => Finding::ok(Phase::Build, &check, &needs, "trusted"),
            Err(failure) => Finding::ok(Phase::Build, &check, &needs, &*failure.message)
                .warning("a proxy that opens TLS? trust its authority on this machine"),
        });
    }
    findings
}
