//! JavaScript by componentize-qjs: QuickJS, the module and what it imports in one component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{APP, Compiled, Compiler, SCORING, stage, world_of};
use crate::dependencies::{self, Dependency};
use crate::detect::Plan;
use crate::embedded;
use crate::fingerprint::Fingerprint;
use crate::places::variable;
use crate::process::{Stdout, run};
use crate::source::SourceFile;
use crate::tools::{Tool, Tools, find};
use crate::{BuildError, Language, World, component};

/// The module that the component starts from; it exports what the scorer's own exports.
const GLUE: &str = "scorehost-component.js";

/// QuickJS as componentize-qjs links it has a function `init` of its own, so a world's `init` cannot be linked beside it. The
/// component is made for a world that calls it by this name, of the same length, and the export is renamed afterwards.
const STAND_IN: &str = "boot";

/// What the runtime's own `init`, which has done its work when the component is made, is called from then on.
const SPENT: &str = "done";

/// componentize-qjs, installed when it is needed.
pub(super) struct JavaScript {
    /// A node package folder with componentize-qjs in it; `None`: the pinned one.
    folder: Option<PathBuf>,
    version: String,
}

impl JavaScript {
    /// The package folder `$SCOREHOST_COMPONENTIZE_JS`, or the one to install.
    pub(super) fn find() -> Result<Self, BuildError> {
        let missing = |missing: String, install: &str| BuildError::Toolchain {
            language: Language::JavaScript,
            missing,
            install: install.into(),
        };
        if find("node").is_none() {
            return Err(missing(
                "there is no node in PATH".into(),
                "install Node.js 20 or later (Debian: apt-get install nodejs npm)",
            ));
        }
        let Some(folder) = variable("SCOREHOST_COMPONENTIZE_JS") else {
            return Ok(Self { folder: None, version: Tool::ComponentizeQjs.version().to_owned() });
        };
        let version = version(&folder).ok_or_else(|| {
            let problem = format!(
                "SCOREHOST_COMPONENTIZE_JS is {}, which holds no node_modules/componentize-qjs",
                folder.display()
            );
            missing(problem, "npm install componentize-qjs")
        })?;
        Ok(Self { folder: Some(folder), version })
    }
}

fn version(folder: &Path) -> Option<String> {
    let package = fs::read(folder.join("node_modules/componentize-qjs/package.json")).ok()?;
    let package: serde_json::Value = serde_json::from_slice(&package).ok()?;
    package.get("version")?.as_str().map(str::to_owned)
}

impl Compiler for JavaScript {
    fn identity(&self) -> String {
        format!("{} {}", Tool::ComponentizeQjs.package(), self.version)
    }

    fn fingerprint(&self, _plan: &Plan, fingerprint: &mut Fingerprint) -> Result<(), BuildError> {
        fingerprint.embedded(embedded::SDK_JAVASCRIPT);
        Ok(())
    }

    fn compile(&self, plan: &Plan, files: &[SourceFile], tools: &Tools<'_>) -> Result<Compiled, BuildError> {
        let folder = match &self.folder {
            Some(folder) => folder.clone(),
            None => tools.install(Tool::ComponentizeQjs)?,
        };
        let stage = stage(plan, files)?;
        let stage = stage.path();
        let app = stage.join(APP);
        let mut log = install_packages(&app, tools)?;
        let packages = dependencies::of_javascript(&app);
        let sdk = app.join("node_modules/scorehost");
        embedded::write(embedded::SDK_JAVASCRIPT, &sdk).map_err(BuildError::io("write", &sdk))?;
        stand_in_for_init(&stage.join("wit"))?;
        fs::write(app.join(GLUE), glue(plan)).map_err(BuildError::io("write", &app))?;
        tools.progress.step(&format!("compiling with {}", self.identity()));
        let mut command = Command::new(folder.join("node_modules/.bin/componentize-qjs"));
        command.current_dir(&app).args(["--wit", "../wit", "--world", &world_of(plan), "--sync"]);
        command.args(["--module-root", ".", "--js", GLUE, "--output", "../app.wasm"]);
        log.push_str(&run(&mut command, Stdout::Shown, tools.progress)?.or_compiler_error(&self.identity())?);
        let mut module = fs::read(stage.join("app.wasm")).map_err(BuildError::io("read", "the compiled component"))?;
        component::rename_export(&mut module, "init", SPENT)?;
        component::rename_export(&mut module, STAND_IN, "init")?;
        let mut dependencies = packages;
        dependencies.extend(Dependency::tool(&self.identity()));
        Ok(Compiled { module, log, dependencies })
    }
}

fn glue(plan: &Plan) -> String {
    let describe = match plan.world {
        World::EntryScript => "describe",
        World::Scorer => "signature",
    };
    format!("export {{ init as {STAND_IN}, {describe}, run }} from \"./{}\";\n", plan.entry)
}

/// Renames the export `init` in the WIT package.
fn stand_in_for_init(wit: &Path) -> Result<(), BuildError> {
    for file in embedded::WIT {
        let text = String::from_utf8_lossy(file.content).replace("export init:", &format!("export {STAND_IN}:"));
        fs::write(wit.join(SCORING).join(file.path), text).map_err(BuildError::io("write", wit))?;
    }
    Ok(())
}

/// Installs what `package.json` depends on, apart from the SDK, which the builder brings.
fn install_packages(app: &Path, tools: &Tools<'_>) -> Result<String, BuildError> {
    let file = app.join("package.json");
    let Ok(text) = fs::read(&file) else { return Ok(String::new()) };
    let wrong = |error: serde_json::Error| BuildError::Configuration {
        file: "package.json".into(),
        problem: error.to_string(),
        hint: None,
    };
    let mut package: serde_json::Value = serde_json::from_slice(&text).map_err(wrong)?;
    let Some(dependencies) = package.get_mut("dependencies").and_then(|value| value.as_object_mut()) else {
        return Ok(String::new());
    };
    dependencies.remove("scorehost");
    if dependencies.is_empty() {
        return Ok(String::new());
    }
    tools.progress.step("installing JavaScript packages");
    fs::write(&file, package.to_string()).map_err(BuildError::io("write", &file))?;
    let mut npm = Command::new("npm");
    npm.current_dir(app).args(["install", "--silent", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
    let finished = run(&mut npm, Stdout::Shown, tools.progress)?;
    if finished.success {
        return Ok(finished.printed);
    }
    Err(BuildError::Install {
        tool: "JavaScript packages".into(),
        problem: "npm failed".into(),
        output: finished.printed,
    })
}
