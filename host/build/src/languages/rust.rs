//! Rust by cargo: with an installed wasm target, or with the standard library built from source.

mod inputs;
mod installed;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::{Compiled, Compiler};
use crate::dependencies::{self, Dependency};
use crate::detect::Plan;
use crate::fingerprint::{Fingerprint, of_bytes};
use crate::process::{Stdout, run};
use crate::source::{OWN, SourceFile};
use crate::tools::{Tools, lock};
use crate::{BuildError, embedded};

use installed::{Rustc, Standard};

/// A rustc that can make wasm.
pub(super) struct Rust {
    rustc: Rustc,
    standard: Standard,
    target: String,
}

impl Rust {
    pub(super) fn find(plan: &Plan, tools: &Tools<'_>) -> Result<Self, BuildError> {
        write_sdk(&plan.source)?;
        let (rustc, standard, target) = installed::find(plan, tools)?;
        lock_versions(&plan.source, tools)?;
        Ok(Self { rustc, standard, target })
    }

    /// Packages that the module is linked with.
    fn dependencies(&self, plan: &Plan, tools: &Tools<'_>) -> Result<Vec<Dependency>, BuildError> {
        let mut metadata = cargo(&plan.source);
        // Everything is there after a build: nothing needs to be downloaded, and nothing is chosen anew.
        metadata.args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &self.target]);
        let finished = run(&mut metadata, Stdout::Kept, tools.progress)?;
        let listed = finished.stdout.clone();
        finished.or_compiler_error("cargo")?;
        let mut dependencies = dependencies::of_rust(&listed, &plan.source.join("Cargo.toml"));
        dependencies.extend(Dependency::tool(&self.rustc.release()));
        Ok(dependencies)
    }

    fn command(&self, plan: &Plan, tools: &Tools<'_>) -> Command {
        let mut cargo = cargo(&plan.source);
        cargo.args(["build", "--release", "--target", &self.target, "--message-format=json-render-diagnostics"]);
        cargo.env("CARGO_TARGET_DIR", self.target_dir(plan, tools));
        if let Standard::Source { linker } = &self.standard {
            cargo.args(["-Zbuild-std=std,panic_abort", "-Zchecksum-freshness"]);
            cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTC", &self.rustc.program);
            cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo
    }

    /// A library built from source is worth sharing between all scorers. Cargo takes packages of one name in two folders for the
    /// same, so sharing needs checksums instead of modification times; without them each source folder has a directory of its own.
    fn target_dir(&self, plan: &Plan, tools: &Tools<'_>) -> PathBuf {
        let shared = &tools.config.cargo_target_dir;
        match self.standard {
            Standard::Source { .. } => shared.clone(),
            Standard::Installed => shared.join(&of_bytes(plan.source.as_os_str().as_encoded_bytes()).hex()[..16]),
        }
    }
}

fn cargo(source: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(source);
    cargo
}

impl Compiler for Rust {
    fn identity(&self) -> String {
        let way = if matches!(self.standard, Standard::Source { .. }) { ", std from source" } else { "" };
        format!("{} ({}{way})", self.rustc.release(), self.target)
    }

    fn fingerprint(&self, plan: &Plan, fingerprint: &mut Fingerprint) -> Result<(), BuildError> {
        fingerprint.part("rustc", self.rustc.version.as_bytes());
        fingerprint.embedded(embedded::SDK_RUST);
        inputs::add(&plan.source, fingerprint)
    }

    fn compile(&self, plan: &Plan, _files: &[SourceFile], tools: &Tools<'_>) -> Result<Compiled, BuildError> {
        tools.progress.step(&format!("compiling with {}", self.identity()));
        // Held until the module is read: another package of the same name would overwrite it.
        let _lock = lock(&tools.config.cargo_target_dir.join("scorehost.lock"))?;
        let finished = run(&mut self.command(plan, tools), Stdout::Kept, tools.progress)?;
        let messages = finished.stdout.clone();
        let log = finished.or_compiler_error(&self.rustc.release())?;
        let file = module(&messages, &plan.source).ok_or_else(|| BuildError::Configuration {
            file: plan.source.join("Cargo.toml"),
            problem: "the package makes no WebAssembly module".into(),
            hint: Some("a scorer is a library: [lib] crate-type = [\"cdylib\"]".into()),
        })?;
        let module = fs::read(&file).map_err(BuildError::io("read", file))?;
        Ok(Compiled { module, log, dependencies: self.dependencies(plan, tools)? })
    }
}

/// Writes the SDK where the template's `Cargo.toml` expects it.
fn write_sdk(source: &Path) -> Result<(), BuildError> {
    let manifest = fs::read_to_string(source.join("Cargo.toml")).unwrap_or_default();
    let folder = source.join(OWN).join("sdk/rust");
    if !manifest.contains(".scorehost/sdk/rust") {
        return Ok(());
    }
    embedded::write(embedded::SDK_RUST, &folder).map_err(BuildError::io("write", folder))
}

/// Makes `Cargo.lock` where there is none: it is part of the key, so it must exist before the key is made.
fn lock_versions(source: &Path, tools: &Tools<'_>) -> Result<(), BuildError> {
    if inputs::root(source).join("Cargo.lock").exists() {
        return Ok(());
    }
    tools.progress.step("choosing the versions of dependencies");
    let finished = run(cargo(source).arg("generate-lockfile"), Stdout::Shown, tools.progress)?;
    finished.or_compiler_error("cargo").map(drop)
}

/// A line of cargo's JSON messages, as far as it matters here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

/// The module that cargo made of the package in `source`.
fn module(messages: &str, source: &Path) -> Option<PathBuf> {
    let manifest = source.join("Cargo.toml");
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let mut artifacts =
        messages.filter(|message| message.reason == "compiler-artifact" && message.manifest_path == manifest);
    artifacts.find_map(|message| {
        message.filenames.into_iter().find(|file| file.extension().is_some_and(|end| end == "wasm"))
    })
}
