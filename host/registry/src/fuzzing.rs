//! A door for the fuzz targets of `fuzz/`: bytes as a damaged disk could send them.

use crate::RegisteredModel;

/// A stored record of a model. What is read is written again, and read as the same.
pub fn record(content: &[u8]) {
    let Ok(model) = RegisteredModel::decode("fuzzed", 1, content) else { return };
    let again = RegisteredModel::decode("fuzzed", 1, &model.encode());
    assert_eq!(again.ok(), Some(model), "what was written is read again");
}
