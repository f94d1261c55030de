//! Other services of the host: those that the deployment lists (`scorehost.grants.services`).
//!
//! ```no_run
//! # fn run(inputs: scorehost::Tensors) -> scorehost::Result<scorehost::Tensors> {
//! // Handles go to the other service and come back; the elements stay in the host.
//! let embedded = scorehost::services::call("embed", &inputs)?;
//! # Ok(embedded) }
//! ```
//!
//! A call ends with the request that makes it, at the latest by its deadline, and belongs to its trace. It takes no key: the other
//! service sees who sent the request, and its access log names this service. A service that is not listed, or that the request went
//! through before, is an error that says so.

use crate::bindings::services::scorehost::services::services as host;
use crate::{Error, ErrorKind, Result, Tensor, Tensors};

/// Names of the services that the deployment lists.
#[must_use]
pub fn granted() -> Vec<String> {
    host::granted()
}

/// Calls a service that takes tensors, and returns all its outputs.
///
/// # Errors
/// `NotFound` where there is no such service, `Internal` where it is not granted or was called on the way here; the service's own.
pub fn call(service: &str, inputs: &Tensors) -> Result<Tensors> {
    call_for(service, inputs.iter(), &[])
}

/// Calls a service with borrowed tensors, and returns the outputs named in `outputs`, all when it is empty.
///
/// # Errors
/// As for [`call`].
pub fn call_for<'a>(
    service: &str,
    inputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
    outputs: &[&str],
) -> Result<Tensors> {
    let inputs: Vec<_> = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.handle())).collect();
    let outputs: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
    host::call_tensors(service, &inputs, &outputs).map(Tensors::from_host).map_err(Error::from_host)
}

/// What a service answered to a body.
#[derive(Clone, Debug)]
pub struct Response {
    /// The service that answered.
    pub service: String,
    /// HTTP status; 400 and above is an answer too.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The response where its status is 200 to 299.
    ///
    /// # Errors
    /// `Unavailable`, with the service, the status and the beginning of the body.
    pub fn successful(self) -> Result<Self> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let message = format!("service '{}' answered {}{}", self.service, self.status, excerpt(&self.body));
        Err(Error::new(ErrorKind::Unavailable, message))
    }

    /// The body as text.
    ///
    /// # Errors
    /// Where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        Ok(std::str::from_utf8(&self.body)?)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Where it is not JSON, or not of this form.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// As much of a body as a message shows.
fn excerpt(body: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(body).chars().take(200).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Posts a body to a service: what `POST /api/v1/service/<name>/score` would answer.
///
/// # Errors
/// As for [`call`].
pub fn post(service: &str, body: impl Into<Vec<u8>>, content_type: &str) -> Result<Response> {
    let request = host::HttpRequest {
        method: "POST".to_owned(),
        query: String::new(),
        content_type: Some(content_type.to_owned()),
        body: body.into(),
    };
    let answer = host::call(service, &request).map_err(Error::from_host)?;
    Ok(Response { service: service.to_owned(), status: answer.status, headers: answer.headers, body: answer.body })
}
