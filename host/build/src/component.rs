//! From a core module to a component.

use std::path::Path;

use wasi_preview1_component_adapter_provider as wasi;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::ComponentEncoder;
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup, WorldId};

use crate::embedded::File;
use crate::{BuildError, World, embedded};

/// The first eight bytes of a component, where a core module has layer 0.
const COMPONENT: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Makes a component of a core module that carries its world (as linked by wit-bindgen); a component is returned as it is.
pub(crate) fn encode(module: Vec<u8>) -> Result<Vec<u8>, BuildError> {
    if module.starts_with(&COMPONENT) {
        return Ok(module);
    }
    let wrong = |error| BuildError::Component(format!("{error:#}"));
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).map_err(wrong)?;
    encoder
        .adapter(wasi::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, wasi::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER)
        .map_err(wrong)?;
    encoder.validate(true).encode().map_err(wrong)
}

/// Checks that bytes are a valid component.
pub(crate) fn validate(component: &[u8]) -> Result<(), BuildError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    validator.validate_all(component).map(drop).map_err(|error| BuildError::Component(error.to_string()))
}

/// Renames an export of a component to a name of the same length, in place.
pub(crate) fn rename_export(component: &mut [u8], from: &str, to: &str) -> Result<(), BuildError> {
    let wrong = |error: wasmparser::BinaryReaderError| BuildError::Component(error.to_string());
    let mut depth = 0_u32;
    let mut at = None::<usize>;
    for payload in Parser::new(0).parse_all(component) {
        match payload.map_err(wrong)? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.into_iter_with_offsets() {
                    let (offset, export) = export.map_err(wrong)?;
                    if export.name.name == from {
                        // An export starts with its name: a kind byte and the length, here below 128, in one byte.
                        at = usize::try_from(offset + 2).ok();
                    }
                }
            }
            _ => {}
        }
    }
    let name = at.and_then(|at| component.get_mut(at..at + from.len()));
    match name.filter(|name| *name == from.as_bytes()) {
        Some(name) if from.len() == to.len() => name.copy_from_slice(to.as_bytes()),
        _ => return Err(BuildError::Component(format!("it does not export '{from}'"))),
    }
    Ok(())
}

/// The embedded WIT packages, and a world of scorers with operations on tensors at hand; other services beside where asked for.
pub(crate) fn world(world: World, services: bool) -> Result<(Resolve, WorldId), BuildError> {
    let mut resolve = Resolve::default();
    push(&mut resolve, embedded::WIT)?;
    let mut package = push(&mut resolve, embedded::WIT_OPERATIONS)?;
    if services {
        push(&mut resolve, embedded::SERVICES)?;
        // A world of the same name, so that everything generated from it is called the same.
        let text = world_with_services(world.name(), world, "");
        package = push_text(&mut resolve, [("build.wit", text.as_str())])?;
    }
    let world = resolve.select_world(&[package], Some(world.name())).map_err(|error| broken(error.to_string()))?;
    Ok((resolve, world))
}

/// A package of its own whose world is the scorer's with what it imports beside: the packages that `scorehost:services`
/// uses cannot hold it.
pub(crate) fn world_with_services(name: &str, world: World, imports: &str) -> String {
    let world = world.name();
    format!(
        "package scorehost:build;\n\nworld {name} {{\n  include scorehost:operations/{world}@0.1.0;\n  \
         import scorehost:services/services@0.1.0;\n{imports}}}\n"
    )
}

fn push(resolve: &mut Resolve, files: &[File]) -> Result<PackageId, BuildError> {
    let mut texts = Vec::with_capacity(files.len());
    for file in files {
        texts.push((file.path, std::str::from_utf8(file.content).map_err(|error| broken(error.to_string()))?));
    }
    push_text(resolve, texts)
}

fn push_text<'a>(
    resolve: &mut Resolve,
    files: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<PackageId, BuildError> {
    let mut sources = wit_parser::SourceMap::new();
    for (path, text) in files {
        sources.push(Path::new(path), text);
    }
    let group: UnresolvedPackageGroup = sources.parse().map_err(|(_, error)| broken(error.to_string()))?;
    resolve.push_group(group).map_err(|error| broken(error.to_string()))
}

fn broken(error: String) -> BuildError {
    BuildError::Component(format!("the embedded WIT package is broken: {error}"))
}
