//! Precompiled components on disk.
//!
//! A file holds machine code that the host will run, so its content is only used after its SHA-256 was checked. The check
//! finds damage, not malice: whoever may write the cache folder may run code as the host. The folder is made with mode
//! 0700, and belongs to the host alone.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use scorehost_core::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

const MAGIC: &[u8; 16] = b"scorehost-cwasm1";
const HEADER: usize = MAGIC.len() + 32;

/// The folder of precompiled components for one engine.
pub(crate) struct Cache {
    folder: PathBuf,
    engine: u64,
}

impl Cache {
    /// Opens the folder, making it where there is none.
    pub(crate) fn open(folder: &Path, engine: &wasmtime::Engine) -> io::Result<Self> {
        make_private(folder)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: folder.to_path_buf(), engine: hasher.finish() })
    }

    /// The compiled component, where an undamaged file of this engine is there. A damaged file is deleted.
    pub(crate) fn load(&self, engine: &wasmtime::Engine, component: &Digest) -> Option<Component> {
        let path = self.path(component);
        let bytes = fs::read(&path).ok()?;
        let loaded = verified(&bytes).and_then(|code| deserialize(engine, code));
        if loaded.is_none() {
            tracing::warn!(file = %path.display(), "a precompiled component is damaged and is compiled again");
            let _ = fs::remove_file(&path);
        }
        loaded
    }

    /// Writes a compiled component, whole or not at all.
    pub(crate) fn store(&self, component: &Digest, compiled: &Component) -> wasmtime::Result<()> {
        let code = compiled.serialize()?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC)?;
        file.write_all(&Sha256::digest(&code))?;
        file.write_all(&code)?;
        file.persist(self.path(component))?;
        Ok(())
    }

    fn path(&self, component: &Digest) -> PathBuf {
        self.folder.join(format!("{}-{:016x}.cwasm", component.hex(), self.engine))
    }
}

/// The machine code in `bytes`, where the checksum in front of it is right.
fn verified(bytes: &[u8]) -> Option<&[u8]> {
    let (header, code) = bytes.split_at_checked(HEADER)?;
    let (magic, checksum) = header.split_at(MAGIC.len());
    (magic == MAGIC && checksum == Sha256::digest(code).as_slice()).then_some(code)
}

#[expect(unsafe_code, reason = "loading precompiled code is unsafe by nature; the checks are in this file")]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> Option<Component> {
    // SAFETY: `code` was written by `Cache::store` of an engine with the same compatibility hash, into a folder that
    // only the host may write, and its SHA-256 is right; wasmtime itself checks version and settings once more.
    unsafe { Component::deserialize(engine, code) }.ok()
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}
