//! What went into a component: the packages that a build used, written into the component as a custom section.
//!
//! `scorehost scorer scan` compares them with a list of known flaws. Names are those of the OSV format's ecosystems.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Name of the custom section.
const SECTION: &str = "scorehost:dependencies";

/// A package inside a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Dependency {
    ecosystem: &'static str,
    name: String,
    version: String,
}

impl Dependency {
    pub(crate) fn new(ecosystem: &'static str, name: impl Into<String>, version: impl Into<String>) -> Self {
        Self { ecosystem, name: name.into(), version: version.into() }
    }

    /// A compiler or runtime, from its `name version` identity.
    pub(crate) fn tool(identity: &str) -> Option<Self> {
        let (name, version) = identity.split_once(' ')?;
        let version = version.split(' ').next()?;
        Some(Self::new("toolchain", name, version))
    }
}

/// Appends the list to a component. The same list gives the same bytes, whatever its order.
pub(crate) fn embed(component: &mut Vec<u8>, dependencies: Vec<Dependency>) {
    #[derive(Serialize)]
    struct List {
        format: u32,
        dependencies: BTreeSet<Dependency>,
    }
    let list = List { format: 1, dependencies: dependencies.into_iter().collect() };
    // Strings and numbers always encode.
    let text = serde_json::to_vec(&list).unwrap_or_default();
    let mut section = Vec::with_capacity(text.len() + SECTION.len() + 8);
    leb128(&mut section, SECTION.len());
    section.extend_from_slice(SECTION.as_bytes());
    section.extend_from_slice(&text);
    component.push(0);
    leb128(component, section.len());
    component.extend_from_slice(&section);
}

fn leb128(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// The packages that pip installed into a folder, by their metadata.
pub(crate) fn of_python(folder: &Path) -> Vec<Dependency> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let metadata = entries
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "dist-info"))
        .filter_map(|entry| fs::read_to_string(entry.path().join("METADATA")).ok());
    metadata.filter_map(|text| python_package(&text)).collect()
}

fn python_package(metadata: &str) -> Option<Dependency> {
    let head = metadata.split("\n\n").next()?;
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::trim));
    Some(Dependency::new("PyPI", field("Name")?, field("Version")?))
}

/// The packages that npm installed below a folder, by the list that npm keeps of them.
pub(crate) fn of_javascript(folder: &Path) -> Vec<Dependency> {
    #[derive(Deserialize)]
    struct Lock {
        packages: std::collections::BTreeMap<String, Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        version: Option<String>,
    }
    let text = fs::read(folder.join("node_modules/.package-lock.json")).unwrap_or_default();
    let Ok(lock) = serde_json::from_slice::<Lock>(&text) else { return Vec::new() };
    let named = |(path, package): (String, Package)| {
        let (_, name) = path.rsplit_once("node_modules/")?;
        Some(Dependency::new("npm", name, package.version?))
    };
    lock.packages.into_iter().filter_map(named).collect()
}

/// The packages that a cargo package is linked with, from what `cargo metadata` prints: its dependencies and theirs,
/// without those that only build scripts, macros' tests and the like use. Packages without a registry are left out.
pub(crate) fn of_rust(metadata: &str, manifest: &Path) -> Vec<Dependency> {
    serde_json::from_str::<Metadata>(metadata).map(|metadata| metadata.linked(manifest)).unwrap_or_default()
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    source: Option<String>,
    manifest_path: std::path::PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Metadata {
    fn linked(&self, manifest: &Path) -> Vec<Dependency> {
        let Some(root) = self.packages.iter().find(|package| package.manifest_path == manifest) else {
            return Vec::new();
        };
        let mut seen = BTreeSet::from([root.id.as_str()]);
        let mut open = vec![root.id.as_str()];
        while let Some(id) = open.pop() {
            let edges = self.resolve.nodes.iter().filter(|node| node.id == id).flat_map(|node| &node.deps);
            let normal = edges.filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
            open.extend(normal.map(|edge| edge.pkg.as_str()).filter(|id| seen.insert(id)));
        }
        let used = self.packages.iter().filter(|package| seen.contains(package.id.as_str()));
        let registered =
            used.filter(|package| package.source.as_ref().is_some_and(|source| source.contains("crates.io")));
        registered.map(|package| Dependency::new("crates.io", &package.name, &package.version)).collect()
    }
}

#[cfg(test)]
mod tests;
