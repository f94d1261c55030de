//! Model data collection: records go where the deployment stores collected data, and nowhere (no error) where it does not.

use crate::Tensor;
use crate::bindings::scorer::scorehost::scoring::collect as host;

/// Whether records are kept; skip costly preparation otherwise.
#[must_use]
pub fn enabled() -> bool {
    host::enabled()
}

/// Records a tensor under a designation such as `inputs` or `outputs`; only the handle travels.
pub fn tensor(designation: &str, name: &str, tensor: &Tensor) {
    host::record_tensor(designation, name, tensor.handle());
}

/// Records a JSON document, as text, under a designation.
pub fn json(designation: &str, document: &str) {
    host::record_json(designation, document);
}
