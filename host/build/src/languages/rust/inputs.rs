//! What decides a cargo build apart from the package's own folder: local dependencies, the workspace, cargo's configuration.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use toml::{Table, Value};

use crate::BuildError;
use crate::fingerprint::Fingerprint;
use crate::places::variable;
use crate::source::{OWN, files};

/// Adds all of it to a fingerprint. A local dependency counts by its content, not by where it is.
pub(super) fn add(source: &Path, fingerprint: &mut Fingerprint) -> Result<(), BuildError> {
    let root = root(source);
    for name in ["Cargo.toml", "Cargo.lock"] {
        fingerprint.part(name, &fs::read(root.join(name)).unwrap_or_default());
    }
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        if name == "RUSTFLAGS" || name == "CARGO_BUILD_RUSTFLAGS" || name.starts_with("CARGO_PROFILE_RELEASE") {
            fingerprint.part(&name, value.as_encoded_bytes());
        }
    }
    let home = variable("CARGO_HOME").or_else(|| variable("HOME").map(|home| home.join(".cargo")));
    for folder in source.ancestors().map(|folder| folder.join(".cargo")).chain(home) {
        fingerprint.part("config", &fs::read(folder.join("config.toml")).unwrap_or_default());
    }
    for folder in local_dependencies(source, &root) {
        fingerprint.part("dependency", folder.file_name().unwrap_or_default().as_encoded_bytes());
        fingerprint.files(&files(&folder)?)?;
    }
    Ok(())
}

/// The folder of the workspace that the package belongs to, or its own.
pub(super) fn root(source: &Path) -> PathBuf {
    let mut folders = source.ancestors();
    folders.find(|folder| manifest(folder).contains_key("workspace")).unwrap_or(source).to_owned()
}

fn manifest(folder: &Path) -> Table {
    fs::read_to_string(folder.join("Cargo.toml")).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// Folders outside `source` that it depends on by path, directly or through others.
fn local_dependencies(source: &Path, root: &Path) -> BTreeSet<PathBuf> {
    let shared = manifest(root);
    let shared = shared.get("workspace").and_then(|workspace| workspace.get("dependencies")).and_then(Value::as_table);
    let mut seen = BTreeSet::new();
    let mut open = vec![source.to_owned()];
    while let Some(folder) = open.pop() {
        let mut paths = Vec::new();
        dependency_tables(&manifest(&folder), &mut |name, dependency| {
            let inherited = dependency.get("workspace").and_then(Value::as_bool) == Some(true);
            let below = if inherited { root } else { &folder };
            let dependency = if inherited { shared.and_then(|shared| shared.get(name)) } else { Some(dependency) };
            if let Some(path) = dependency.and_then(|dependency| dependency.get("path")).and_then(Value::as_str) {
                paths.extend(below.join(path).canonicalize());
            }
        });
        for path in paths {
            let own = path.components().any(|part| part.as_os_str() == OWN);
            if !own && path != source && seen.insert(path.clone()) {
                open.push(path);
            }
        }
    }
    seen
}

/// Calls `take` with every dependency of a manifest: of all kinds, targets and patches.
fn dependency_tables(table: &Table, take: &mut impl FnMut(&str, &Value)) {
    for (key, value) in table {
        let Some(inner) = value.as_table() else { continue };
        if key.ends_with("dependencies") {
            inner.iter().for_each(|(name, dependency)| take(name, dependency));
        } else if key == "patch" {
            inner.values().filter_map(Value::as_table).flatten().for_each(|(name, dependency)| take(name, dependency));
        } else if key == "target" {
            inner.values().filter_map(Value::as_table).for_each(|table| dependency_tables(table, take));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{local_dependencies, root};

    #[test]
    fn path_dependencies_are_followed_through_workspaces_and_targets() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let base = folder.path().canonicalize().expect("folder");
        let package = |name: &str, text: &str| {
            fs::create_dir_all(base.join(name)).expect("folder");
            fs::write(base.join(name).join("Cargo.toml"), text).expect("manifest");
        };
        package(".", "[workspace.dependencies]\nshared.path = 'shared'\n[workspace]\n");
        package(
            "scorer",
            "[dependencies]\nshared.workspace = true\nsdk = { path = '.scorehost/sdk/rust' }\nserde = '1'\n",
        );
        package("scorer/.scorehost/sdk/rust", "");
        package("shared", "[target.'cfg(unix)'.dependencies]\ndeep.path = '../deep'\n");
        package("deep", "[build-dependencies]\nshared.path = '../shared'\n");
        let source = base.join("scorer");
        assert_eq!(root(&source), base);
        let found: Vec<_> = local_dependencies(&source, &base).into_iter().collect();
        assert_eq!(found, [base.join("deep"), base.join("shared")]);
    }
}
