//! What a component says it was made of: packages with their versions.
//!
//! `scorehost scorer build` writes the custom section `scorehost:dependencies`; Rust modules built with cargo-auditable carry
//! `.dep-v0`. Both are claims of whoever built the component: nothing in the code itself proves them.

use std::io::Read;

use flate2::read::ZlibDecoder;
use serde::Deserialize;

/// Name of the section that the builder writes.
pub(crate) const SECTION: &str = "scorehost:dependencies";
/// Name of cargo-auditable's section.
pub(crate) const AUDITABLE: &str = ".dep-v0";
/// Bytes of the list, unpacked.
const MAX_LIST: u64 = 8 << 20;

/// A package inside a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub struct Dependency {
    /// `crates.io`, `PyPI`, `npm` as the OSV format names them, or `toolchain`.
    pub ecosystem: String,
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
}

#[derive(Deserialize)]
struct List {
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Auditable {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: String,
    /// `runtime` where it is not said.
    #[serde(default)]
    kind: String,
}

/// The packages of a section of the builder; `None` where it cannot be read.
pub(crate) fn listed(section: &[u8]) -> Option<Vec<Dependency>> {
    if section.len() as u64 > MAX_LIST {
        return None;
    }
    serde_json::from_slice::<List>(section).ok().map(|list| list.dependencies)
}

/// The packages of a section of cargo-auditable; those of a registry, without those that only build scripts use.
pub(crate) fn auditable(section: &[u8]) -> Option<Vec<Dependency>> {
    let mut text = Vec::new();
    ZlibDecoder::new(section).take(MAX_LIST).read_to_end(&mut text).ok()?;
    let list: Auditable = serde_json::from_slice(&text).ok()?;
    let used = list.packages.into_iter().filter(|package| package.source == "crates.io" && package.kind != "build");
    let named = |package: Package| Dependency {
        ecosystem: "crates.io".to_owned(),
        name: package.name,
        version: package.version,
    };
    Some(used.map(named).collect())
}

#[cfg(test)]
mod tests;
