//! Which paths a model's files may have, so that no download can write outside its folder.

use std::collections::BTreeSet;

/// Longest path, in bytes.
const MAX_PATH: usize = 1024;
/// Longest segment, in bytes: the limit of the usual file systems.
const MAX_SEGMENT: usize = 255;

/// Why the path of a model file is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// No characters at all.
    #[error("the path of a model file is empty")]
    Empty,
    /// The path or a segment of it is too long.
    #[error("the path '{start}…' is too long; a path has at most 1024 bytes, a name in it at most 255")]
    TooLong {
        /// The first characters.
        start: String,
    },
    /// Starts with `/`.
    #[error("the path '{0}' is absolute; paths are relative to the model's folder")]
    Absolute(String),
    /// Two `/` in a row, or one at the end.
    #[error("the path '{0}' has an empty segment")]
    EmptySegment(String),
    /// A segment is `.` or `..`.
    #[error("the path '{0}' has a segment '.' or '..'")]
    Dots(String),
    /// A backslash, NUL or other control character.
    #[error("the path {path:?} has the character {character:?}; '/' separates, control characters are not allowed")]
    Character {
        /// The path.
        path: String,
        /// The first such character.
        character: char,
    },
    /// Listed twice.
    #[error("the path '{0}' is listed twice")]
    Duplicate(String),
    /// The path is a file, and another path needs it to be a folder.
    #[error("the path '{0}' is a file and also the folder of other files")]
    FileAndFolder(String),
}

/// Checks one path: relative, `/`-separated, at most 1024 bytes, no segment empty, `.`, `..` or above 255 bytes, no
/// backslash and no control character.
///
/// # Errors
/// The first rule that the path breaks.
pub fn check_path(path: &str) -> Result<(), PathError> {
    if path.is_empty() {
        return Err(PathError::Empty);
    }
    if path.len() > MAX_PATH || path.split('/').any(|segment| segment.len() > MAX_SEGMENT) {
        return Err(PathError::TooLong { start: path.chars().take(64).collect() });
    }
    if let Some(character) = path.chars().find(|c| *c == '\\' || c.is_control()) {
        return Err(PathError::Character { path: path.to_owned(), character });
    }
    if path.starts_with('/') {
        return Err(PathError::Absolute(path.to_owned()));
    }
    path.split('/').try_for_each(|segment| match segment {
        "" => Err(PathError::EmptySegment(path.to_owned())),
        "." | ".." => Err(PathError::Dots(path.to_owned())),
        _ => Ok(()),
    })
}

/// Checks each path, and that together they can be a folder: none twice, none both file and folder.
///
/// # Errors
/// The first rule that is broken.
pub fn check_paths<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<(), PathError> {
    let mut files = BTreeSet::new();
    for path in paths {
        check_path(path)?;
        if !files.insert(path) {
            return Err(PathError::Duplicate(path.to_owned()));
        }
    }
    let folders = files.iter().flat_map(|path| path.match_indices('/').map(|(end, _)| &path[..end]));
    let conflict = folders.into_iter().find(|folder| files.contains(folder));
    conflict.map_or(Ok(()), |folder| Err(PathError::FileAndFolder(folder.to_owned())))
}

#[cfg(test)]
mod tests;
