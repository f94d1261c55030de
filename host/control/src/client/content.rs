//! Contents on their way: counted, and compared with their digest.

use std::io::{self, Read, Write};

use scorehost_core::{Digest, ErrorKind, Failure};
use sha2::{Digest as _, Sha256};

use super::Moved;

/// Bytes moved at a time.
const PART: usize = 256 << 10;

/// A reader that reports what passes.
pub(super) struct Metered<'a> {
    inner: &'a mut dyn Read,
    moved: Moved<'a>,
}

impl<'a> Metered<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, moved: Moved<'a>) -> Self {
        Self { inner, moved }
    }
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        (self.moved)(count as u64);
        Ok(count)
    }
}

/// SHA-256 and length of what a reader gives.
///
/// # Errors
/// Where it cannot be read.
pub fn digest_of(content: &mut dyn Read, moved: Moved<'_>) -> io::Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let size = pass(content, moved, |part| {
        hash.update(part);
        Ok(())
    })?;
    Ok((Digest::from_bytes(hash.finalize().into()), size))
}

/// SHA-256 of bytes.
#[must_use]
pub fn digest_of_bytes(content: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(content).into())
}

/// Copies and compares with the digest at the end.
pub(super) fn copy_verified(
    content: &mut dyn Read,
    into: &mut dyn Write,
    expected: &Digest,
    moved: Moved<'_>,
) -> Result<u64, Failure> {
    let mut hash = Sha256::new();
    let copied = pass(content, moved, |part| {
        hash.update(part);
        into.write_all(part)
    });
    let size =
        copied.map_err(|error| Failure::new(ErrorKind::Unavailable, format!("the download broke off: {error}")))?;
    let actual = Digest::from_bytes(hash.finalize().into());
    if actual != *expected {
        let message = format!("the download has digest {actual}, expected {expected}");
        return Err(Failure::new(ErrorKind::Internal, message).with_hint("download it again"));
    }
    Ok(size)
}

fn pass(content: &mut dyn Read, moved: Moved<'_>, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut buffer = vec![0; PART];
    let mut size = 0;
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok(size),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        each(&buffer[..count])?;
        size += count as u64;
        moved(count as u64);
    }
}
