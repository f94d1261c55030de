//! From a core module to a component.

use std::path::Path;

use wasi_preview1_component_adapter_provider as wasi;
use wasmparser::{Parser, Payload, Validator, WasmFeatures};
use wit_component::ComponentEncoder;
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

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

/// The embedded WIT packages, and a world of scorers with operations on tensors at hand.
pub(crate) fn world(world: World) -> Result<(Resolve, WorldId), BuildError> {
    let broken = |error: String| BuildError::Component(format!("the embedded WIT package is broken: {error}"));
    let mut resolve = Resolve::default();
    let mut push = |files: &[File]| {
        let mut sources = wit_parser::SourceMap::new();
        for file in files {
            let text = std::str::from_utf8(file.content).map_err(|error| broken(error.to_string()))?;
            sources.push(Path::new(file.path), text);
        }
        let group: UnresolvedPackageGroup = sources.parse().map_err(|(_, error)| broken(error.to_string()))?;
        resolve.push_group(group).map_err(|error| broken(error.to_string()))
    };
    push(embedded::WIT)?;
    let package = push(embedded::WIT_OPERATIONS)?;
    let world = resolve.select_world(&[package], Some(world.name())).map_err(|error| broken(error.to_string()))?;
    Ok((resolve, world))
}
