//! One compiler for each language, found on this machine.

mod c;
mod javascript;
mod python;
mod rust;

pub(crate) use c::write_sdk as write_c_sdk;

use std::path::Path;

use crate::dependencies::Dependency;
use crate::detect::Plan;
use crate::fingerprint::Fingerprint;
use crate::source::SourceFile;
use crate::tools::Tools;
use crate::{BuildError, Language, component, embedded};

/// What a compiler made.
pub(crate) struct Compiled {
    /// A component, or a core module that carries its world.
    pub(crate) module: Vec<u8>,
    /// What the tools printed.
    pub(crate) log: String,
    /// Packages that went in.
    pub(crate) dependencies: Vec<Dependency>,
}

/// A compiler that was found, or can be installed.
pub(crate) trait Compiler {
    /// Name and version, such as `componentize-py 0.25.1`. Part of the build's key.
    fn identity(&self) -> String;

    /// Adds what decides the result apart from the source folder, the world and the identity.
    fn fingerprint(&self, plan: &Plan, fingerprint: &mut Fingerprint) -> Result<(), BuildError>;

    /// Compiles.
    fn compile(&self, plan: &Plan, files: &[SourceFile], tools: &Tools<'_>) -> Result<Compiled, BuildError>;
}

/// Finds the compiler for a plan.
pub(crate) fn compiler(plan: &Plan, tools: &Tools<'_>) -> Result<Box<dyn Compiler>, BuildError> {
    Ok(match plan.language {
        Language::Rust => Box::new(rust::Rust::find(plan, tools)?),
        Language::Python => Box::new(python::Python::find(tools)?),
        Language::JavaScript => Box::new(javascript::JavaScript::find()?),
        Language::C => Box::new(c::C::find(tools)?),
    })
}

/// Name of the temporary folder's part that holds the copied source.
const APP: &str = "app";

/// Where the scoring package is below the folder of a stage that holds WIT.
const SCORING: &str = "deps/scorehost-scoring";

/// A temporary folder with the source in `app/` and the WIT packages in `wit/`, with [`world_of`] the plan in it.
fn stage(plan: &Plan, files: &[SourceFile]) -> Result<tempfile::TempDir, BuildError> {
    let stage = tempfile::Builder::new()
        .prefix("scorehost-build-")
        .tempdir()
        .map_err(BuildError::io("make", "a temporary folder"))?;
    crate::source::stage(files, &stage.path().join(APP))?;
    let wit = stage.path().join("wit");
    let written = if plan.services {
        write_with_services(plan, &wit)
    } else {
        embedded::write(embedded::WIT_OPERATIONS, &wit)
            .and_then(|()| embedded::write(embedded::WIT, &wit.join(SCORING)))
            .and_then(|()| if plan.http { write_http(plan, &wit) } else { Ok(()) })
    };
    written.map_err(BuildError::io("write", stage.path()))?;
    Ok(stage)
}

/// The world that a plan is compiled for: the scorer's own, or one that imports outgoing HTTP beside.
fn world_of(plan: &Plan) -> String {
    match plan {
        Plan { services: true, .. } => "caller".to_owned(),
        Plan { http: true, .. } => format!("{}-with-http", plan.world.name()),
        _ => plan.world.name().to_owned(),
    }
}

fn write_with_services(plan: &Plan, wit: &Path) -> std::io::Result<()> {
    embedded::write(embedded::WIT, &wit.join(SCORING))?;
    embedded::write(embedded::WIT_OPERATIONS, &wit.join("deps/scorehost-operations"))?;
    embedded::write(embedded::SERVICES, &wit.join("deps/scorehost-services"))?;
    let mut imports = "";
    if plan.http {
        write_http_packages(wit)?;
        imports = "  import wasi:http/outgoing-handler@0.2.12;\n";
    }
    std::fs::write(wit.join("build.wit"), component::world_with_services(&world_of(plan), plan.world, imports))
}

fn write_http_packages(wit: &Path) -> std::io::Result<()> {
    for file in embedded::WASI_HTTP {
        let folder = file.path.strip_prefix("deps/").unwrap_or(file.path).trim_end_matches(".wit");
        let folder = wit.join("deps").join(folder);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("package.wit"), file.content)?;
    }
    Ok(())
}

/// Adds the packages of wasi:http, and the world that imports it.
fn write_http(plan: &Plan, wit: &Path) -> std::io::Result<()> {
    write_http_packages(wit)?;
    let text = format!(
        "package scorehost:operations@0.1.0;\n\nworld {} {{\n  include {};\n  import wasi:http/outgoing-handler@0.2.12;\n}}\n",
        world_of(plan),
        plan.world.name(),
    );
    std::fs::write(wit.join("with-http.wit"), text)
}
