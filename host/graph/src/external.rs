//! Weights in files beside the model.

use std::path::{Component, Path, PathBuf};

use crate::GraphError;
use crate::onnx::TensorProto;

/// The folder that external data may come from; `None` where a model is bytes alone.
pub(crate) type Folder<'a> = Option<&'a Path>;

/// The file and first byte of a tensor's external data, checked: a relative path that stays in the folder, also
/// through links, to a file that is long enough for `length` bytes.
pub(crate) fn locate(proto: &TensorProto, length: u64, folder: Folder<'_>) -> Result<(PathBuf, u64), GraphError> {
    let entry = |key: &str| proto.external_data.iter().rfind(|entry| entry.key == key).map(|entry| &*entry.value);
    let location = entry("location").unwrap_or_default();
    let refuse = |problem| GraphError::External { tensor: proto.name.clone(), location: location.to_owned(), problem };
    let number = |key| match entry(key) {
        None => Ok(None),
        Some(text) => text.parse::<u64>().map(Some).map_err(|_| refuse("has an offset or length that is no number")),
    };
    let offset = number("offset")?.unwrap_or(0);
    if number("length")?.is_some_and(|declared| declared != length) {
        return Err(refuse("is declared with another length than the tensor has"));
    }
    let inside = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if location.is_empty() || !Path::new(location).components().all(inside) {
        return Err(refuse("is not a path inside the model's folder"));
    }
    let folder = folder.ok_or_else(|| refuse("is not there: this model is one file without a folder"))?;
    let missing = |_| refuse("is not in the model's folder");
    let folder = folder.canonicalize().map_err(missing)?;
    let path = folder.join(location).canonicalize().map_err(missing)?;
    if !path.starts_with(&folder) {
        return Err(refuse("is a link out of the model's folder"));
    }
    let size = path.metadata().ok().filter(|data| data.is_file()).ok_or_else(|| refuse("is not a file"))?.len();
    if offset.checked_add(length).is_none_or(|end| end > size) {
        return Err(refuse("is shorter than the tensor needs"));
    }
    Ok((path, offset))
}
