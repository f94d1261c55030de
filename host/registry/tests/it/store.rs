//! What the tests do with a registry again and again.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use scorehost_core::Digest;
use scorehost_registry::{NewFile, NewModel, Registry, RegistryError};

pub(crate) fn put(registry: &Registry, content: &[u8]) -> Digest {
    let mut writer = registry.blob_writer().unwrap();
    writer.write_all(content).unwrap();
    let (digest, size) = writer.finish(None).unwrap();
    assert_eq!(size, content.len() as u64);
    digest
}

pub(crate) fn new_model(name: &str, files: &[(&str, Digest)]) -> NewModel {
    let file = |(path, digest): &(&str, Digest)| NewFile { path: (*path).to_owned(), digest: *digest };
    NewModel {
        name: name.parse().unwrap(),
        description: String::new(),
        tags: BTreeMap::new(),
        files: files.iter().map(file).collect(),
    }
}

/// Stores one file and registers it as a model.
pub(crate) fn register(registry: &Registry, name: &str, content: &[u8]) -> String {
    let digest = put(registry, content);
    registry.register(new_model(name, &[("model.onnx", digest)])).unwrap().id.to_string()
}

pub(crate) fn ids(registry: &Registry) -> Vec<String> {
    registry.models().unwrap().iter().map(|model| model.id.to_string()).collect()
}

/// All files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

pub(crate) fn open_error(dir: &Path) -> RegistryError {
    Registry::open(dir).err().expect("the directory opened")
}
