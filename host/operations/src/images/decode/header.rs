use super::{jpeg, png, undecodable};
use crate::OperationError;

/// What a file says of itself before its pixels.
pub(super) struct Header {
    pub(super) width: u64,
    pub(super) height: u64,
    pub(super) jpeg: bool,
    /// Whether all of it is kept in another form until its last byte.
    pub(super) staged: bool,
}

impl Header {
    pub(super) fn read(file: &[u8]) -> Result<Self, OperationError> {
        match file {
            [0xFF, 0xD8, ..] => jpeg::header(file),
            [0x89, b'P', b'N', b'G', ..] => png::header(file),
            [] => Err(undecodable("there are no bytes")),
            _ => Err(undecodable("it begins like neither a JPEG nor a PNG file")),
        }
    }
}
