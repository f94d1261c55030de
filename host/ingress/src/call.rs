//! Makes the context that travels down with a request.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use scorehost_core::{CallContext, Headers};

use crate::access;
use crate::terms::Terms;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest request id taken from a caller; a longer one is replaced (the scoring door refuses it instead).
pub(crate) const MAX_ID: usize = 100;

/// Names the version of a service: in a request the one that is wanted, in an answer the one that it came from.
pub(crate) const X_SCOREHOST_VERSION: HeaderName = HeaderName::from_static("x-scorehost-version");

/// Headers that are only looked at.
pub(crate) struct Borrowed<'a>(pub(crate) &'a HeaderMap);

impl Headers for Borrowed<'_> {
    fn first(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn all(&self) -> Vec<(&str, &str)> {
        all(self.0)
    }
}

fn all(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect()
}

struct RequestHeaders(HeaderMap);

impl Headers for RequestHeaders {
    fn first(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn all(&self) -> Vec<(&str, &str)> {
        all(&self.0)
    }
}

/// The context of a request with these headers, made on these terms.
pub(crate) fn context(headers: HeaderMap, terms: Terms) -> CallContext {
    let mut call = bare(headers);
    terms.set(&mut call);
    call
}

/// The context of a request with these headers, whose terms are not known yet.
pub(crate) fn bare(mut headers: HeaderMap) -> CallContext {
    keep_credential(&mut headers);
    let request_id = caller_id(&headers).map_or_else(new_id, Arc::from);
    let trace = access::place(&headers);
    let headers: Option<Arc<dyn Headers>> =
        if headers.is_empty() { None } else { Some(Arc::new(RequestHeaders(headers))) };
    CallContext { headers, trace, ..CallContext::new(request_id) }
}

/// Takes out the credential: a scorer is not to learn a key, or whose management credential called it. Other schemes than
/// this host's are the scorer's own business.
fn keep_credential(headers: &mut HeaderMap) {
    let bearer =
        |value: &HeaderValue| value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer"));
    if headers.get_all(header::AUTHORIZATION).iter().any(bearer) {
        headers.remove(header::AUTHORIZATION);
    }
}

/// The id that the caller gave the request.
fn caller_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    (!id.is_empty() && id.len() <= MAX_ID).then_some(id)
}

thread_local! {
    static PREFIX: u64 = RandomState::new().hash_one(std::thread::current().id());
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

/// A request id of 32 hexadecimal digits: a random half per thread and a counted half. Unique, cheap, no secret.
pub(crate) fn new_id() -> Arc<str> {
    let count = COUNT.replace(COUNT.get().wrapping_add(1));
    let value = (u128::from(PREFIX.with(|prefix| *prefix)) << 64) | u128::from(count);
    let mut digits = [b'0'; 32];
    for (place, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(value >> (124 - 4 * place)) as usize & 15];
    }
    std::str::from_utf8(&digits).map_or_else(|_| Arc::from(""), Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_differ_and_are_hexadecimal() {
        let (one, two) = (new_id(), new_id());
        assert_ne!(one, two);
        assert!(one.len() == 32 && one.bytes().all(|b| b.is_ascii_hexdigit()));
    }

    #[test]
    fn callers_id_is_kept_unless_it_is_too_long() {
        let id = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(X_REQUEST_ID, value.try_into().unwrap());
            let terms = Terms::of(&headers).unwrap();
            context(headers, terms).request_id
        };
        assert_eq!(&*id("abc".into()), "abc");
        assert_eq!(id("x".repeat(101)).len(), 32);
    }

    #[test]
    fn a_credential_goes_no_further_and_other_schemes_do() {
        let seen = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-kept", HeaderValue::from_static("yes"));
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
            }
            let call = bare(headers);
            let headers = call.headers.unwrap();
            assert_eq!(headers.first("x-kept"), Some("yes"));
            headers.all().len() - 1
        };
        assert_eq!(seen(&["Bearer secret"]), 0);
        assert_eq!(seen(&["bearer"]), 0);
        assert_eq!(seen(&["Basic YTpi", "BEARER secret"]), 0);
        assert_eq!(seen(&["Basic YTpi"]), 1);
        assert_eq!(seen(&[]), 0);
    }
}
