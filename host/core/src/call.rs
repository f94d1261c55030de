//! One request on its way down: who it is for, until when, and what it carries.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Deadline, TraceContext};

mod chain;

pub use chain::Chain;

/// Request headers (HTTP headers or gRPC metadata) as the layers below `ingress` may read them.
pub trait Headers: Send + Sync {
    /// First value of a header; `name` is compared without case.
    fn first(&self, name: &str) -> Option<&str>;
    /// All headers whose values are text.
    fn all(&self) -> Vec<(&str, &str)>;
}

/// What travels with a request through every layer.
#[derive(Clone)]
pub struct CallContext {
    /// The caller's request id, or one made by `ingress`.
    pub request_id: Arc<str>,
    /// The request's headers; `None` where there are none (warm-up, local runs).
    pub headers: Option<Arc<dyn Headers>>,
    /// By when the answer must be out; `None` where the caller set none (the service's scoring timeout still holds).
    pub deadline: Option<Deadline>,
    /// Who goes first when requests wait.
    pub priority: Priority,
    /// Who calls, as the credential says; `None` where nobody was asked.
    pub caller: Option<Arc<str>>,
    /// The trace that this request is part of; `None` where it is not traced.
    pub trace: Option<TraceContext>,
    /// Services of this host that the request went through on its way here.
    pub chain: Chain,
}

impl CallContext {
    /// A context with nothing but an id.
    #[must_use]
    pub fn new(request_id: impl Into<Arc<str>>) -> Self {
        Self {
            request_id: request_id.into(),
            headers: None,
            deadline: None,
            priority: Priority::default(),
            caller: None,
            trace: None,
            chain: Chain::default(),
        }
    }
}

/// Who goes first when requests of one service wait. Declared in the order in which they are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all others.
    High,
    /// Where nothing is said.
    #[default]
    Normal,
    /// Served when nothing else waits, and refused first.
    Low,
}

impl fmt::Debug for CallContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Headers hold credentials and stay out of logs.
        f.debug_struct("CallContext").field("request_id", &self.request_id).field("deadline", &self.deadline).finish()
    }
}

/// A header of a [`RawResponse`]: name and value.
pub type Header = (String, String);

/// A request as an entry script sees it.
#[derive(Clone, Debug)]
pub struct RawRequest {
    /// Method, upper case.
    pub method: String,
    /// The part of the URL's path below the scoring path, still percent-encoded; `/` where there is none. Only a standard
    /// HTTP handler has others.
    pub path: String,
    /// The part of the URL after `?`, still percent-encoded; empty when there is none.
    pub query: String,
    /// The body, content encodings undone.
    pub body: Bytes,
    /// Value of `content-type`, where there is one.
    pub content_type: Option<String>,
}

/// An entry script's answer.
#[derive(Clone, Debug)]
pub struct RawResponse {
    /// HTTP status, 100-599.
    pub status: u16,
    /// Headers that the script set; `ingress` adds its own.
    pub headers: Vec<Header>,
    /// The body.
    pub body: Bytes,
}
