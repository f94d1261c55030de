//! Which browser origins may read answers of the scoring door.

use http::{HeaderMap, HeaderValue, header};

/// The value of `Access-Control-Allow-Origin` for a request, where its origin is configured.
pub(crate) fn allowed(configured: &[String], headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(header::ORIGIN)?;
    if configured.iter().any(|entry| entry == "*") {
        return Some(HeaderValue::from_static("*"));
    }
    configured.iter().any(|entry| entry.as_bytes() == origin.as_bytes()).then(|| origin.clone())
}

pub(crate) fn write(origin: HeaderValue, headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type, *"));
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("*"));
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
