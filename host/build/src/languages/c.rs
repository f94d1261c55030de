//! C by `zig cc`: bindings generated from the world, the sources, and the preview 1 adapter around them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{APP, Compiled, Compiler, stage};
use crate::dependencies::Dependency;
use crate::detect::Plan;
use crate::fingerprint::Fingerprint;
use crate::places::variable;
use crate::process::{Stdout, run};
use crate::source::SourceFile;
use crate::tools::{Tool, Tools, find};
use crate::{BuildError, Language, World, component, embedded};

/// zig, found or to be installed.
pub(super) struct C {
    /// `None`: the pinned one, installed when it is needed.
    program: Option<PathBuf>,
    identity: String,
}

impl C {
    /// `$SCOREHOST_ZIG`, or the one to install.
    pub(super) fn find(tools: &Tools<'_>) -> Result<Self, BuildError> {
        let missing = |missing: String, install: &str| BuildError::Toolchain {
            language: Language::C,
            missing,
            install: install.into(),
        };
        if let Some(program) = variable("SCOREHOST_ZIG") {
            let mut basis = Fingerprint::new("zig");
            basis.stat(&program);
            let version = tools.remembered(basis, Command::new(&program).arg("version")).ok_or_else(|| {
                missing(format!("SCOREHOST_ZIG is {}, which does not run", program.display()), "pip install ziglang")
            })?;
            return Ok(Self { program: Some(program), identity: format!("zig {version}") });
        }
        if !tools.folder(Tool::Zig).join(".complete").exists() && find("python3").is_none() {
            return Err(missing(
                "there is no python3 in PATH, with which the builder installs zig".into(),
                "install Python 3.10 or later, or set SCOREHOST_ZIG to a zig executable",
            ));
        }
        Ok(Self { program: None, identity: format!("zig {}", Tool::Zig.version()) })
    }

    fn zig(&self, tools: &Tools<'_>) -> Result<Command, BuildError> {
        Ok(match &self.program {
            Some(program) => Command::new(program),
            None => {
                let mut command = Command::new(tools.install(Tool::Zig)?.join("bin/python"));
                command.args(["-m", "ziglang"]);
                command
            }
        })
    }
}

impl Compiler for C {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fingerprint(&self, _plan: &Plan, fingerprint: &mut Fingerprint) -> Result<(), BuildError> {
        fingerprint.embedded(embedded::SDK_C);
        Ok(())
    }

    fn compile(&self, plan: &Plan, files: &[SourceFile], tools: &Tools<'_>) -> Result<Compiled, BuildError> {
        let mut zig = self.zig(tools)?;
        let stage = stage(plan, files)?;
        let stage = stage.path();
        let sdk = stage.join("sdk");
        write_sdk(plan.world, plan.services, &sdk)?;
        tools.progress.step(&format!("compiling with {}", self.identity));
        zig.current_dir(stage.join(APP)).env("ZIG_GLOBAL_CACHE_DIR", tools.config.toolchains_dir.join("zig-cache"));
        zig.args([
            "cc",
            "--target=wasm32-wasi",
            "-O2",
            "-mexec-model=reactor",
            // The C library is compiled with its debug data, 40 times its code; names of functions stay, for backtraces.
            "-Wl,--strip-debug",
            "-Wall",
            "-I../sdk",
            "-o",
            "../app.wasm",
        ]);
        if plan.world == World::Scorer {
            zig.arg("-DSCOREHOST_WORLD_SCORER");
        }
        if plan.services {
            zig.arg("-DSCOREHOST_SERVICES");
        }
        zig.args(files.iter().map(|file| &file.path).filter(|path| path.ends_with(".c")));
        zig.args(bindings(&sdk)?);
        let log = run(&mut zig, Stdout::Shown, tools.progress)?.or_compiler_error(&self.identity)?;
        let module = fs::read(stage.join("app.wasm")).map_err(BuildError::io("read", "the compiled module"))?;
        let dependencies = Dependency::tool(&self.identity).into_iter().collect();
        Ok(Compiled { module, log, dependencies })
    }
}

/// Writes the SDK's header and the generated bindings of a world, those of other services with it where they are asked for.
pub(crate) fn write_sdk(world: World, services: bool, folder: &Path) -> Result<(), BuildError> {
    embedded::write(embedded::SDK_C, folder).map_err(BuildError::io("write", folder))?;
    let (mut resolve, id) = component::world(world, services)?;
    let mut files = wit_bindgen_core::Files::default();
    let generated = wit_bindgen_c::Opts::default().build().generate(&mut resolve, id, &mut files);
    generated.map_err(|error| BuildError::Component(format!("no C bindings: {error:#}")))?;
    for (name, content) in files.iter() {
        let path = folder.join(name);
        fs::write(&path, content).map_err(BuildError::io("write", &path))?;
    }
    Ok(())
}

/// The generated sources and objects to link.
fn bindings(sdk: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(sdk).map_err(BuildError::io("list", sdk))?.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "c" || extension == "o"));
    files.sort();
    Ok(files.into_iter().filter_map(|path| Some(Path::new("../sdk").join(path.file_name()?))).collect())
}
