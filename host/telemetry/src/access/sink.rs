//! Where lines go: standard error, or a file that may be moved away under the writer.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;

/// Where an access log is written to.
pub enum Sink {
    /// A stream, such as standard error.
    Stream(Box<dyn Write + Send>),
    /// A file that is appended to. Where it is moved or deleted (as `logrotate` does), a new one is begun at its path.
    File {
        /// Its path.
        path: PathBuf,
        /// The open file.
        file: File,
    },
}

impl Sink {
    /// Opens a file for appending.
    ///
    /// # Errors
    /// What the system says.
    pub fn file(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(Self::File { path, file })
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Stream(stream) => {
                stream.write_all(lines)?;
                stream.flush()
            }
            Self::File { path, file } => {
                if !is_at(file, path) {
                    *file = open(path)?;
                }
                file.write_all(lines)
            }
        }
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether the open file is still the one at the path.
fn is_at(file: &File, path: &PathBuf) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(open), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}
