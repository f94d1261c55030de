//! Python by componentize-py: CPython, the script, the SDK and pure-Python packages in one component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{APP, Compiled, Compiler, stage, world_of};
use crate::dependencies::{self, Dependency};
use crate::detect::Plan;
use crate::embedded;
use crate::fingerprint::Fingerprint;
use crate::places::variable;
use crate::process::{Stdout, run};
use crate::source::SourceFile;
use crate::tools::{Tool, Tools, find};
use crate::{BuildError, Language, World};

/// The CPython inside componentize-py 0.25, for which packages are chosen.
const CPYTHON: &str = "3.14";

/// The module that the component starts from; it wraps the scorer's own.
const GLUE: &str = "scorehost_component";

/// componentize-py, found or to be installed.
pub(super) struct Python {
    /// `None`: the pinned one, installed when it is needed.
    program: Option<PathBuf>,
    identity: String,
}

impl Python {
    /// `$SCOREHOST_COMPONENTIZE_PY`, one of the pinned minor version in `PATH`, or the one to install.
    pub(super) fn find(tools: &Tools<'_>) -> Result<Self, BuildError> {
        if let Some(program) = variable("SCOREHOST_COMPONENTIZE_PY") {
            let identity = version(&program, tools).ok_or_else(|| BuildError::Toolchain {
                language: Language::Python,
                missing: format!("SCOREHOST_COMPONENTIZE_PY is {}, which does not run", program.display()),
                install: format!("pip install {}=={}", Tool::ComponentizePy.package(), Tool::ComponentizePy.version()),
            })?;
            return Ok(Self { program: Some(program), identity });
        }
        let pinned = format!("{} {}", Tool::ComponentizePy.package(), Tool::ComponentizePy.version());
        let installed = tools.folder(Tool::ComponentizePy).join(".complete").exists();
        if !installed
            && let Some(program) = find("componentize-py")
            && version(&program, tools).as_deref() == Some(&pinned)
        {
            return Ok(Self { program: Some(program), identity: pinned });
        }
        if !installed && find("python3").is_none() {
            return Err(BuildError::Toolchain {
                language: Language::Python,
                missing: "there is neither componentize-py nor python3 in PATH".into(),
                install: "install Python 3.10 or later with its venv module (Debian: apt-get install python3-venv)"
                    .into(),
            });
        }
        Ok(Self { program: None, identity: pinned })
    }
}

/// `componentize-py 0.25.1`, asked from the program once per installation.
fn version(program: &Path, tools: &Tools<'_>) -> Option<String> {
    let mut basis = Fingerprint::new("componentize-py");
    basis.stat(program);
    tools.remembered(basis, Command::new(program).arg("--version"))
}

impl Compiler for Python {
    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn fingerprint(&self, plan: &Plan, fingerprint: &mut Fingerprint) -> Result<(), BuildError> {
        fingerprint.embedded(embedded::SDK_PYTHON);
        fingerprint.part("python", CPYTHON.as_bytes());
        for requirement in &plan.packages.requirements {
            fingerprint.part("requirement", requirement.as_bytes());
        }
        Ok(())
    }

    fn compile(&self, plan: &Plan, files: &[SourceFile], tools: &Tools<'_>) -> Result<Compiled, BuildError> {
        for note in &plan.packages.notes {
            tools.progress.output(&format!("note: {note}"));
        }
        let (program, python) = match &self.program {
            Some(program) => (program.clone(), PathBuf::from("python3")),
            None => {
                let venv = tools.install(Tool::ComponentizePy)?;
                (venv.join("bin/componentize-py"), venv.join("bin/python"))
            }
        };
        let stage = stage(plan, files)?;
        let stage = stage.path();
        embedded::write(embedded::SDK_PYTHON, &stage.join("sdk")).map_err(BuildError::io("write", stage))?;
        fs::write(stage.join("sdk").join(format!("{GLUE}.py")), glue(plan)).map_err(BuildError::io("write", stage))?;
        let mut log = install_packages(&python, &plan.packages.requirements, &stage.join("deps"), tools)?;
        tools.progress.step(&format!("compiling with {} (about 15 seconds)", self.identity));
        let mut command = Command::new(program);
        command.current_dir(stage).env_remove("VIRTUAL_ENV").env("PYTHONDONTWRITEBYTECODE", "1");
        command.args(["-d", "wit", "-w", &world_of(plan), "componentize", GLUE, "-o", "app.wasm"]);
        for folder in search_path(&plan.entry) {
            command.arg("-p").arg(folder);
        }
        log.push_str(&run(&mut command, Stdout::Shown, tools.progress)?.or_compiler_error(&self.identity)?);
        let module = fs::read(stage.join("app.wasm")).map_err(BuildError::io("read", "the compiled component"))?;
        let mut dependencies = dependencies::of_python(&stage.join("deps"));
        dependencies.extend(Dependency::tool(&self.identity));
        dependencies.push(Dependency::new("toolchain", "cpython", CPYTHON));
        Ok(Compiled { module, log, dependencies })
    }
}

/// Folders in which modules are looked for: the main file's, the source folder, the packages, the SDK.
fn search_path(entry: &str) -> Vec<PathBuf> {
    let app = PathBuf::from(APP);
    let main = app.join(Path::new(entry).parent().unwrap_or(Path::new("")));
    let mut folders = vec![main.clone(), PathBuf::from("deps"), PathBuf::from("sdk")];
    if main != app && main.as_os_str() != "app/" {
        folders.insert(1, app);
    }
    folders
}

/// The module that binds the world's exports to the scorer's module.
fn glue(plan: &Plan) -> String {
    let module = Path::new(&plan.entry).file_stem().unwrap_or_default().to_string_lossy();
    let adapter = match plan.world {
        World::EntryScript => "entry_script",
        World::Scorer => "scorer",
    };
    format!(
        "import importlib\n\nfrom scorehost import _{adapter}\nfrom scorehost._preload import preload\n\n\
         module = importlib.import_module({module:?})\npreload(module)\nWitWorld = _{adapter}.export(module)\n"
    )
}

/// Installs pure-Python packages into `target`.
fn install_packages(
    python: &Path,
    requirements: &[String],
    target: &Path,
    tools: &Tools<'_>,
) -> Result<String, BuildError> {
    fs::create_dir_all(target).map_err(BuildError::io("make", target))?;
    if requirements.is_empty() {
        return Ok(String::new());
    }
    tools.progress.step(&format!("installing Python packages: {}", requirements.join(", ")));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "--target"])
        .arg(target);
    // Only wheels for any platform: those hold no native code.
    pip.args([
        "--only-binary=:all:",
        "--platform",
        "any",
        "--abi",
        "none",
        "--implementation",
        "py",
        "--python-version",
        CPYTHON,
    ]);
    let finished = run(pip.args(requirements), Stdout::Shown, tools.progress)?;
    match rejected(&finished.printed) {
        _ if finished.success => Ok(finished.printed),
        Some(package) => {
            let problem = format!(
                "has no pure-Python wheel for CPython {CPYTHON}: it is native code, or does not exist in that version"
            );
            Err(BuildError::Package { package, problem })
        }
        None => Err(BuildError::Install {
            tool: "Python packages".into(),
            problem: "pip failed".into(),
            output: finished.printed,
        }),
    }
}

/// The requirement for which pip found nothing.
fn rejected(printed: &str) -> Option<String> {
    let after = printed.split("No matching distribution found for ").nth(1)?;
    Some(after.split(['\n', '(']).next()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{rejected, search_path};

    #[test]
    fn modules_are_looked_for_beside_the_main_file_first() {
        let check = |entry: &str, folders: &[&str]| {
            assert_eq!(search_path(entry), folders.iter().map(PathBuf::from).collect::<Vec<_>>());
        };
        check("score.py", &["app/", "deps", "sdk"]);
        check("src/score.py", &["app/src", "app", "deps", "sdk"]);
    }

    #[test]
    fn the_package_that_pip_cannot_find_is_named() {
        let printed = "ERROR: Could not find a version that satisfies the requirement numpy (from versions: none)\n\
                       ERROR: No matching distribution found for numpy\n";
        assert_eq!(rejected(printed).as_deref(), Some("numpy"));
        assert_eq!(rejected("ERROR: no network"), None);
    }
}
