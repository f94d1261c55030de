//! The folders of recorded requests: which there are, and which go when there are too many.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use scorehost_core::ServiceName;

use super::{Known, Recorded};

/// Bytes of one service's recorded requests.
const MAX_BYTES: u64 = 1 << 30;

const EXTENSION: &str = ".recording";
/// What stands behind the name of a file that is not complete.
const UNFINISHED: &str = ".unfinished";

/// Recorded requests on disk.
pub(super) struct Shelf {
    folder: PathBuf,
    known: Known,
}

impl Shelf {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, known: Known::new() }
    }

    /// Writes a request and removes the oldest of its service beyond `limit`.
    pub(super) fn put(&mut self, recorded: &Recorded, limit: usize) -> io::Result<()> {
        let folder = self.folder.join(recorded.service.as_str());
        make_private(&folder)?;
        // Looked up before the file is there, so that it is not counted twice.
        self.entries(&recorded.service);
        let unfinished = folder.join(format!("{}{UNFINISHED}", recorded.id));
        let content = recorded.encode();
        let mut file = std::fs::File::create(&unfinished)?;
        file.write_all(&content)?;
        drop(file);
        std::fs::rename(&unfinished, folder.join(format!("{}{EXTENSION}", recorded.id)))?;
        self.entries(&recorded.service).push_back((recorded.id.clone(), content.len() as u64));
        self.remove_oldest(&recorded.service, limit)
    }

    fn remove_oldest(&mut self, service: &ServiceName, limit: usize) -> io::Result<()> {
        loop {
            let entries = self.entries(service);
            let bytes: u64 =
                if entries.len() > limit { u64::MAX } else { entries.iter().map(|(_, bytes)| bytes).sum() };
            if bytes <= MAX_BYTES {
                return Ok(());
            }
            let Some((oldest, _)) = entries.pop_front() else { return Ok(()) };
            remove(&self.file(service, &oldest))?;
        }
    }

    /// Newest first.
    pub(super) fn ids(&mut self, service: &ServiceName) -> Vec<String> {
        self.entries(service).iter().rev().map(|(id, _)| id.clone()).collect()
    }

    /// The file of an id that is one.
    pub(super) fn path(&mut self, service: &ServiceName, id: &str) -> Option<PathBuf> {
        let known = self.entries(service).iter().any(|(known, _)| known == id);
        known.then(|| self.file(service, id))
    }

    pub(super) fn remove(&mut self, service: &ServiceName, id: Option<&str>) -> io::Result<usize> {
        let chosen: Vec<String> =
            self.ids(service).into_iter().filter(|known| id.is_none_or(|id| id == known)).collect();
        for id in &chosen {
            remove(&self.file(service, id))?;
            self.entries(service).retain(|(known, _)| known != id);
        }
        if self.entries(service).is_empty() {
            self.known.remove(service);
            // A folder that is not empty, or not there, stays as it is.
            let _ = std::fs::remove_dir(self.folder.join(service.as_str()));
        }
        Ok(chosen.len())
    }

    fn file(&self, service: &ServiceName, id: &str) -> PathBuf {
        self.folder.join(service.as_str()).join(format!("{id}{EXTENSION}"))
    }

    fn entries(&mut self, service: &ServiceName) -> &mut VecDeque<(String, u64)> {
        let folder = self.folder.join(service.as_str());
        self.known.entry(service.clone()).or_insert_with(|| found(&folder))
    }
}

/// The files of a folder by age. What a crash left unfinished is removed.
fn found(folder: &Path) -> VecDeque<(String, u64)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(UNFINISHED) {
            // It never was a recording; tried again after the next start.
            let _ = std::fs::remove_file(entry.path());
        } else if let Some(id) = name.strip_suffix(EXTENSION) {
            found.push((id.to_owned(), entry.metadata().map_or(0, |metadata| metadata.len())));
        }
    }
    found.sort();
    found.into()
}

/// Reads a file; `None` where it has gone meanwhile.
pub(super) fn read(path: Option<PathBuf>) -> io::Result<Option<Recorded>> {
    let Some(path) = path else { return Ok(None) };
    let content = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    Recorded::decode(&content.into()).map(Some).map_err(|flaw| io::Error::other(format!("{}: {flaw}", path.display())))
}

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A folder that only its owner can look into.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
