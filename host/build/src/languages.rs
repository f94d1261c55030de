//! One compiler for each language, found on this machine.

mod c;
mod javascript;
mod python;
mod rust;

pub(crate) use c::write_sdk as write_c_sdk;

use crate::detect::Plan;
use crate::fingerprint::Fingerprint;
use crate::source::SourceFile;
use crate::tools::Tools;
use crate::{BuildError, Language};

/// What a compiler made.
pub(crate) struct Compiled {
    /// A component, or a core module that carries its world.
    pub(crate) module: Vec<u8>,
    /// What the tools printed.
    pub(crate) log: String,
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

/// A temporary folder with the source in `app/` and the WIT package in `wit/`.
fn stage(files: &[SourceFile]) -> Result<tempfile::TempDir, BuildError> {
    let stage = tempfile::Builder::new()
        .prefix("scorehost-build-")
        .tempdir()
        .map_err(BuildError::io("make", "a temporary folder"))?;
    crate::source::stage(files, &stage.path().join(APP))?;
    crate::embedded::write(crate::embedded::WIT, &stage.path().join("wit"))
        .map_err(BuildError::io("write", stage.path()))?;
    Ok(stage)
}
