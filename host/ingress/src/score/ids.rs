//! Request ids, trace fields, and the rules of the reference server for them.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::call::{MAX_ID, X_REQUEST_ID, new_id};

const X_MS_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const X_MS_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const TRACE_ID: HeaderName = HeaderName::from_static("traceid");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The ids of one request.
pub(crate) struct Ids {
    /// `x-request-id`, the caller's or made here.
    pub(crate) request: String,
    /// `x-ms-request-id`: the caller's, else the client's id, else the request's.
    legacy: String,
    /// `x-ms-client-request-id`, where there is one; `x-ms-request-id` stands in.
    client: Option<String>,
    trace_id: Option<HeaderValue>,
    traceparent: Option<HeaderValue>,
}

impl Ids {
    /// Reads the ids; an error is the message of a 431.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, String> {
        let text =
            |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).filter(|id| !id.is_empty());
        for name in [&X_REQUEST_ID, &X_MS_REQUEST_ID, &X_MS_CLIENT_REQUEST_ID] {
            if headers.get(name).is_some_and(|value| value.len() > MAX_ID) {
                return Err(format!("{name} must not exceed {MAX_ID} characters"));
            }
        }
        let request = text(&X_REQUEST_ID).map_or_else(|| new_id().to_string(), str::to_owned);
        let client = text(&X_MS_CLIENT_REQUEST_ID).or(text(&X_MS_REQUEST_ID)).map(str::to_owned);
        let legacy = text(&X_MS_REQUEST_ID).map(str::to_owned).or_else(|| client.clone());
        Ok(Self {
            legacy: legacy.unwrap_or_else(|| request.clone()),
            request,
            client,
            trace_id: headers.get(&TRACE_ID).cloned(),
            traceparent: headers.get(&TRACEPARENT).cloned(),
        })
    }

    /// The request's headers with the request id in them, so that every layer below uses the same.
    pub(crate) fn name_in(&self, mut headers: HeaderMap) -> HeaderMap {
        if let Ok(id) = HeaderValue::from_str(&self.request) {
            headers.insert(X_REQUEST_ID, id);
        }
        headers
    }

    pub(crate) fn write(self, headers: &mut HeaderMap) {
        let ids = [
            (X_REQUEST_ID, Some(self.request)),
            (X_MS_REQUEST_ID, Some(self.legacy)),
            (X_MS_CLIENT_REQUEST_ID, self.client),
        ];
        for (name, id) in ids {
            if let Some(value) = id.and_then(|id| HeaderValue::try_from(id).ok()) {
                headers.insert(name, value);
            }
        }
        for (name, value) in [(TRACE_ID, self.trace_id), (TRACEPARENT, self.traceparent)] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
    }
}
