//! Doors for the fuzz targets of `fuzz/`: bytes as a caller of the management API or a damaged disk could send them.

use crate::body::json;
use crate::document;
use crate::routes::Query;
use crate::wire;

/// Stored documents of every kind. What is read and written again must be read as the same.
pub fn documents(content: &[u8]) {
    let _ = (document::decode_first_format("fuzzed", content), document::decode_endpoint("fuzzed", content));
    let _ = document::decode_version("fuzzed/v1", content);
    let _ = json::<wire::Operation>(content);
}

/// Bodies of every management call, each as its own kind of request.
pub fn bodies(content: &[u8]) {
    let _ = (json::<wire::Deployment>(content), json::<wire::Update>(content), json::<wire::Scale>(content));
    let _ = (json::<wire::Traffic>(content), json::<wire::Regenerate>(content), json::<wire::NewModel>(content));
    let _ = (json::<wire::NewCredential>(content), json::<wire::Rotate>(content));
}

/// The query of a management call.
pub fn query(text: &str) {
    let query = Query::parse(text);
    let _ = (query.get("after"), query.number("limit", 1));
}
