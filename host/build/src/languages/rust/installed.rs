//! Which rustc of this machine can make wasm, and how.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::detect::Plan;
use crate::fingerprint::Fingerprint;
use crate::places::variable;
use crate::tools::{Tools, find as find_program};
use crate::{BuildError, Language};

/// Targets in the order of preference: the first imports nothing but what the scorer uses.
const TARGETS: [&str; 2] = ["wasm32-unknown-unknown", "wasm32-wasip2"];

/// A compiler.
pub(super) struct Rustc {
    pub(super) program: PathBuf,
    /// What `rustc -vV` prints.
    pub(super) version: String,
    sysroot: PathBuf,
}

/// Where the standard library for wasm comes from.
pub(super) enum Standard {
    /// Installed for the target.
    Installed,
    /// Built from the compiler's own library source, linked by this linker.
    Source { linker: PathBuf },
}

/// The first compiler that can serve the plan.
pub(super) fn find(plan: &Plan, tools: &Tools<'_>) -> Result<(Rustc, Standard, String), BuildError> {
    let programs = [find_program(variable("RUSTC").unwrap_or_else(|| "rustc".into())), find_program("/usr/bin/rustc")];
    let compilers: Vec<Rustc> =
        programs.into_iter().flatten().filter_map(|program| Rustc::probe(program, &plan.source, tools)).collect();
    if compilers.is_empty() || find_program("cargo").is_none() {
        return Err(missing(
            "there is no rustc and cargo in PATH",
            "install Rust from https://rustup.rs, then: rustup target add wasm32-unknown-unknown",
        ));
    }
    let wanted = |target: &&str| plan.target.as_deref().is_none_or(|wanted| wanted == *target);
    // A compiler named by cargo's own rules comes first; another one would ignore rust-toolchain.toml.
    if let Some(target) = TARGETS.iter().filter(|target| wanted(target)).find(|target| compilers[0].has_target(target))
    {
        let first = compilers.into_iter().next();
        return first.map(|rustc| (rustc, Standard::Installed, (*target).to_owned())).ok_or_else(|| missing("", ""));
    }
    let linker = compilers.iter().find_map(Rustc::linker).or_else(|| find_program("wasm-ld"));
    let from_source = plan.target.as_deref().is_none_or(|target| target == TARGETS[0]);
    match (compilers.into_iter().find(Rustc::has_library_source), linker) {
        (Some(rustc), Some(linker)) if from_source => Ok((rustc, Standard::Source { linker }, TARGETS[0].to_owned())),
        _ => {
            let target = plan.target.as_deref().unwrap_or(TARGETS[0]);
            let install = format!(
                "rustup target add {target}, or where targets cannot be added: rustup component add rust-src (Debian: apt-get install rustc-web rust-web-src)"
            );
            Err(missing(&format!("rustc has no target {target}, and no library source to build it from"), &install))
        }
    }
}

fn missing(missing: &str, install: &str) -> BuildError {
    BuildError::Toolchain { language: Language::Rust, missing: missing.into(), install: install.into() }
}

impl Rustc {
    /// Asks a compiler for its version and folder; remembered until the toolchain changes.
    fn probe(program: PathBuf, source: &Path, tools: &Tools<'_>) -> Option<Self> {
        let ask = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.current_dir(source).args(arguments);
            tools.remembered(basis(&program, source, arguments), &mut command)
        };
        let version = ask(&["-vV"])?;
        let sysroot = ask(&["--print", "sysroot"])?.into();
        Some(Self { program, version, sysroot })
    }

    /// `rustc 1.96.0`.
    pub(super) fn release(&self) -> String {
        self.version.lines().next().unwrap_or_default().split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib/rustlib")
    }

    fn has_target(&self, target: &str) -> bool {
        self.rustlib().join(target).join("lib").is_dir()
    }

    fn has_library_source(&self) -> bool {
        self.rustlib().join("src/rust/library/std/Cargo.toml").is_file()
    }

    fn linker(&self) -> Option<PathBuf> {
        let host = self.version.lines().find_map(|line| line.strip_prefix("host: "))?;
        Some(self.rustlib().join(host).join("bin/rust-lld")).filter(|path| path.is_file())
    }
}

/// What decides which compiler stands behind `program`: for rustup's stand-in that is its settings and overrides.
fn basis(program: &Path, source: &Path, arguments: &[&str]) -> Fingerprint {
    let mut basis = Fingerprint::new("rustc");
    basis.stat(program);
    basis.part("arguments", arguments.join(" ").as_bytes());
    basis.part("toolchain", env::var_os("RUSTUP_TOOLCHAIN").unwrap_or_default().as_encoded_bytes());
    let rustup =
        variable("RUSTUP_HOME").or_else(|| variable("HOME").map(|home| home.join(".rustup"))).unwrap_or_default();
    basis.stat(&rustup.join("settings.toml"));
    basis.stat(&rustup.join("update-hashes"));
    for folder in source.ancestors() {
        basis.stat(&folder.join("rust-toolchain"));
        basis.stat(&folder.join("rust-toolchain.toml"));
    }
    basis
}
