//! The files of a program: its manifest beside the graph, and what the manifest names.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Component, Path};

use sha2::{Digest, Sha256};

use super::FpgaError;
use super::manifest::Manifest;

/// Bytes of a manifest at most.
const MAX_MANIFEST: u64 = 1 << 20;
/// Bytes of a program at most; bitstreams of large cards have about 200 MiB.
const MAX_BINARY: u64 = 1 << 30;

/// A program and its manifest, as they lie beside a graph.
pub(super) struct Files {
    /// Name of the manifest's file.
    pub(super) file: String,
    pub(super) manifest: Manifest,
    pub(super) binary: Vec<u8>,
}

impl Files {
    /// Reads `<stem>.fpga.json` beside the graph, and the program that it names.
    pub(super) fn beside(graph: &Path) -> Result<Self, FpgaError> {
        let text_of = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
        let folder = graph.parent().unwrap_or(Path::new("."));
        let file = format!("{}.fpga.json", text_of(graph.file_stem()));
        let path = folder.join(&file);
        if !path.exists() {
            // A graph that was registered alone lies under its digest, which would tell nobody anything.
            let (manifest, graph) = match graph.extension() {
                Some(_) => (file, format!("'{}'", text_of(graph.file_name()))),
                None => ("<graph>.fpga.json".to_owned(), "the graph, which is the model's only file".to_owned()),
            };
            return Err(FpgaError::NoManifest { manifest, graph });
        }
        let text = String::from_utf8(read(folder, Path::new(&file), MAX_MANIFEST)?)
            .map_err(|_| FpgaError::File { file: file.clone(), problem: "is no UTF-8 text".to_owned() })?;
        let manifest =
            Manifest::read(&text).map_err(|problems| FpgaError::Manifest { file: file.clone(), problems })?;
        let binary = read(folder, Path::new(&manifest.binary), MAX_BINARY)?;
        let actual: String = Sha256::digest(&binary).iter().map(|byte| format!("{byte:02x}")).collect();
        if actual != manifest.sha256 {
            let problem = format!(
                "({} bytes) is not the file that '{file}' was written for: its SHA-256 is {actual}, expected {}; it is damaged, or the \
                 manifest is older than it",
                binary.len(),
                manifest.sha256
            );
            return Err(FpgaError::File { file: manifest.binary, problem });
        }
        Ok(Self { file, manifest, binary })
    }
}

/// A file of the folder, which it must not lead out of.
fn read(folder: &Path, name: &Path, limit: u64) -> Result<Vec<u8>, FpgaError> {
    let refused = |problem: String| FpgaError::File { file: name.display().to_string(), problem };
    if name.components().any(|part| !matches!(part, Component::Normal(_))) {
        return Err(refused("is not a plain path below the manifest's folder".to_owned()));
    }
    let path = folder.join(name);
    let real = fs::canonicalize(&path).map_err(|error| refused(format!("cannot be read: {error}")))?;
    let inside = fs::canonicalize(folder).is_ok_and(|folder| real.starts_with(folder));
    if !inside {
        return Err(refused("leads out of the model's folder".to_owned()));
    }
    let file = File::open(&real).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if !file.metadata().is_ok_and(|facts| facts.is_file()) {
        return Err(refused("is no file".to_owned()));
    }
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| refused(format!("cannot be read: {error}")))?;
    if content.len() as u64 > limit {
        return Err(refused(format!("is longer than {limit} bytes")));
    }
    Ok(content)
}
