//! From a core module to a component.

use std::path::Path;

use wasi_preview1_component_adapter_provider as wasi;
use wit_component::ComponentEncoder;
use wit_parser::{Resolve, UnresolvedPackageGroup, WorldId};

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

/// The embedded WIT package, and one of its worlds.
pub(crate) fn world(world: World) -> Result<(Resolve, WorldId), BuildError> {
    let broken = |error: String| BuildError::Component(format!("the embedded WIT package is broken: {error}"));
    let mut sources = wit_parser::SourceMap::new();
    for file in embedded::WIT {
        let text = std::str::from_utf8(file.content).map_err(|error| broken(error.to_string()))?;
        sources.push(Path::new(file.path), text);
    }
    let group: UnresolvedPackageGroup = sources.parse().map_err(|(_, error)| broken(error.to_string()))?;
    let mut resolve = Resolve::default();
    let package = resolve.push_group(group).map_err(|error| broken(error.to_string()))?;
    let world = resolve.select_world(&[package], Some(world.name())).map_err(|error| broken(error.to_string()))?;
    Ok((resolve, world))
}
