//! What a component is and what it can reach, read from its bytes without running it.

use std::collections::BTreeMap;

use scorehost_core::Digest;
use sha2::Digest as _;
use wasmparser::{ComponentTypeRef, Encoding, KnownCustom, Parser, Payload, ProducersSectionReader};

use crate::{Dependency, Need, ScorerError, World, dependencies, imports};

/// What a component is and can reach.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// How it is called; `None` where it fits no known world and cannot be deployed.
    pub world: Option<World>,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// Size in bytes.
    pub size: u64,
    /// Core modules inside.
    pub core_modules: usize,
    /// Bytes of the core modules together.
    pub core_bytes: u64,
    /// Its imports, grouped by what they let it reach; those it does not have are left out.
    pub capabilities: Vec<Capability>,
    /// Top-level exports.
    pub exports: Vec<String>,
    /// Languages, compilers and tools that made it, as far as it says so.
    pub toolchain: Vec<Tool>,
    /// Packages in it; `None` where it says nothing about them.
    pub dependencies: Option<Vec<Dependency>>,
}

/// One kind of thing that a component can reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Short name, such as `models`.
    pub name: &'static str,
    /// What it means under this host.
    pub meaning: &'static str,
    /// Whether a deployment can get it; a component with a refused import is not deployed.
    pub granted: bool,
    /// What the deployment must grant for it to work.
    pub needs: Option<Need>,
    /// The imports, by full name.
    pub imports: Vec<String>,
}

/// An entry of a component's `producers` sections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tool {
    /// `language`, `processed-by` or `sdk`.
    pub role: String,
    /// Name.
    pub name: String,
    /// Version; may be empty.
    pub version: String,
}

/// Prefixes of import names, what they reach, and what that means here. The first that fits counts.
const CAPABILITIES: &[(&str, &str, &str)] = &[
    ("scorehost:scoring/models@", "models", "runs the models of its deployment and reads their files"),
    ("scorehost:scoring/collect@", "collect", "records data where the deployment collects it"),
    ("scorehost:scoring/context@", "request", "reads id, headers and deadline of the request, and variables"),
    ("scorehost:scoring/log@", "log", "writes to the service's log"),
    ("scorehost:operations/", "operations", "computes on tensors and pictures in the host"),
    ("scorehost:scoring/", "tensors", "makes and reads tensors"),
    ("scorehost:services/", "services", "calls the services of this host that the deployment lists, and no others"),
    ("wasi:nn/", "models", "runs the models of its deployment and graphs it brings along"),
    ("wasi:cli/environment@", "variables", "reads the deployment's variables"),
    ("wasi:cli/", "console", "prints to the service's log; standard input is empty, or a command's request body"),
    ("wasi:clocks/", "clocks", "sees a clock that stands still, unless the deployment grants the clock"),
    (
        "wasi:random/",
        "random",
        "gets the same random numbers in every replica, unless the deployment grants randomness",
    ),
    ("wasi:filesystem/", "files", "sees no files: nothing is opened for it"),
    ("wasi:sockets/", "network", "reaches no network: every socket operation is denied"),
    ("wasi:http/outgoing-handler@", "outgoing http", "calls the hosts that the deployment lists, and no others"),
    ("wasi:http/", "http", "makes and reads HTTP requests and responses; reaches nothing by itself"),
    ("wasi:io/", "streams", "waits for and moves bytes of the other capabilities"),
    ("", "other", "unknown to this host"),
];

/// Reads a component.
///
/// # Errors
/// [`ScorerError::NotWasm`], [`ScorerError::CoreModule`], or [`ScorerError::Invalid`] where its structure is damaged. That
/// the code inside is valid is only known after [`crate::Engine::compile`].
pub fn inspect(bytes: &[u8]) -> Result<Inspection, ScorerError> {
    let outline = Outline::read(bytes)?;
    Ok(Inspection {
        world: World::of_exports(outline.exports.iter().map(String::as_str)),
        digest: digest(bytes),
        size: bytes.len() as u64,
        core_modules: outline.core_modules,
        core_bytes: outline.core_bytes,
        capabilities: capabilities(outline.imports),
        exports: outline.exports,
        toolchain: outline.toolchain,
        dependencies: outline.dependencies,
    })
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(sha2::Sha256::digest(bytes).into())
}

fn capabilities(imports: Vec<String>) -> Vec<Capability> {
    let mut groups: BTreeMap<(usize, bool), Vec<String>> = BTreeMap::new();
    for import in imports {
        let group =
            CAPABILITIES.iter().position(|(prefix, ..)| import.starts_with(prefix)).unwrap_or(CAPABILITIES.len() - 1);
        groups.entry((group, imports::granted(&import))).or_default().push(import);
    }
    let capability = |((group, granted), imports): ((usize, bool), Vec<String>)| {
        let (_, name, meaning) = CAPABILITIES[group];
        let needs = imports.iter().find_map(|import| imports::need(import)).filter(|_| granted);
        Capability { name, meaning, granted, needs, imports }
    };
    groups.into_iter().map(capability).collect()
}

/// The top-level structure of a component.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// Imports that reach something; imported types are left out.
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    core_modules: usize,
    core_bytes: u64,
    toolchain: Vec<Tool>,
    dependencies: Option<Vec<Dependency>>,
}

impl Outline {
    /// Reads the sections of a component.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ScorerError> {
        check_preamble(bytes)?;
        let mut outline = Self::default();
        outline.sections(bytes).map_err(|error| ScorerError::Invalid(error.to_string()))?;
        outline.toolchain.sort();
        outline.toolchain.dedup();
        if let Some(dependencies) = &mut outline.dependencies {
            dependencies.sort();
            dependencies.dedup();
        }
        Ok(outline)
    }

    fn sections(&mut self, bytes: &[u8]) -> wasmparser::Result<()> {
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    depth += 1;
                    self.core_modules += usize::from(encoding == Encoding::Module);
                }
                Payload::End(_) => depth -= 1,
                Payload::ModuleSection { unchecked_range, .. } => {
                    self.core_bytes += unchecked_range.end - unchecked_range.start;
                }
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        let import = import?;
                        if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                            self.imports.push(import.name.full_name().into_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        self.exports.push(export?.name.full_name().into_owned());
                    }
                }
                Payload::CustomSection(section) => {
                    self.packages(section.name(), section.data());
                    if let KnownCustom::Producers(producers) = section.as_known() {
                        // A damaged note about tools is no reason to refuse a component.
                        let _ = self.tools(producers);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Notes the packages of a section that lists them. A damaged list is no reason to refuse a component: it says nothing.
    fn packages(&mut self, name: &str, section: &[u8]) {
        let found = match name {
            dependencies::SECTION => dependencies::listed(section),
            dependencies::AUDITABLE => dependencies::auditable(section),
            _ => None,
        };
        if let Some(found) = found {
            self.dependencies.get_or_insert_default().extend(found);
        }
    }

    fn tools(&mut self, producers: ProducersSectionReader<'_>) -> wasmparser::Result<()> {
        for field in producers {
            let field = field?;
            for value in field.values {
                let value = value?;
                let (name, version) = (value.name.to_owned(), value.version.to_owned());
                self.toolchain.push(Tool { role: field.name.to_owned(), name, version });
            }
        }
        Ok(())
    }
}

fn check_preamble(bytes: &[u8]) -> Result<(), ScorerError> {
    match bytes.first_chunk::<8>() {
        Some(b"\0asm\x0d\0\x01\0") => Ok(()),
        Some(b"\0asm\x01\0\0\0") => Err(ScorerError::CoreModule),
        _ => Err(ScorerError::NotWasm { first: bytes[..bytes.len().min(8)].to_vec() }),
    }
}
