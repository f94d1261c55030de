//! Which headers of a request are kept.

use scorehost_core::Headers;

/// Headers kept of one request, and bytes of them.
const MAX_HEADERS: usize = 64;
const MAX_BYTES: usize = 16 << 10;

/// Names that hold credentials, whole.
const SECRET: [&str; 5] = ["authorization", "proxy-authorization", "cookie", "set-cookie", "forwarded"];
/// Parts of names that hold credentials.
const SECRET_PARTS: [&str; 7] = ["token", "secret", "password", "credential", "api-key", "apikey", "subscription-key"];
/// What belongs to the connection, and not to the request.
const OF_CONNECTION: [&str; 6] = ["connection", "content-length", "transfer-encoding", "host", "expect", "te"];

/// Headers in their order, without those that hold credentials or belong to the connection.
pub(super) fn kept(headers: &dyn Headers) -> Vec<(String, String)> {
    let mut bytes = 0;
    let keeps = |name: &str| {
        let name = name.to_ascii_lowercase();
        let secret = SECRET.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part));
        !secret && !OF_CONNECTION.contains(&name.as_str())
    };
    let fits = |(name, value): &(&str, &str)| {
        bytes += name.len() + value.len();
        bytes <= MAX_BYTES
    };
    let kept = headers.all().into_iter().filter(|(name, _)| keeps(name)).take(MAX_HEADERS).take_while(fits);
    kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
