//! Scorers that take the body of a request and return a response.

use crate::bindings::entry_script as host;
use crate::{Error, Result};

/// A scorer of request bodies, in the shape of an Azure ML entry script. Export it with
/// [`entry_script!`](crate::entry_script!).
pub trait EntryScript: Sized {
    /// Makes the scorer, once per replica before any request.
    ///
    /// # Errors
    /// Any error keeps the replica out of service.
    fn init() -> Result<Self>;

    /// How it wants its input; by default UTF-8 text of `POST` requests, with no schema.
    fn describe(&self) -> Description {
        Description::default()
    }

    /// Handles one request.
    ///
    /// # Errors
    /// `InvalidInput` where the caller is at fault; anything else is a fault of the scorer.
    fn run(&mut self, request: Request) -> Result<Response>;
}

/// What an entry script says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// True: [`EntryScript::run`] sees every method, query and body itself. False: the host checks that bodies are UTF-8.
    pub raw_http: bool,
    /// JSON Schema of the request body, as text; with one, bodies must be JSON.
    pub input_schema: Option<String>,
    /// JSON Schema of the response body, as text.
    pub output_schema: Option<String>,
}

impl Description {
    /// A script that handles methods, queries and any bytes itself.
    #[must_use]
    pub fn raw_http() -> Self {
        Self { raw_http: true, ..Self::default() }
    }

    pub(crate) fn into_host(self) -> host::Description {
        host::Description {
            raw_http: self.raw_http,
            input_schema: self.input_schema,
            output_schema: self.output_schema,
        }
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, upper case.
    pub method: String,
    /// The part of the URL after `?`, still encoded; empty when there is none.
    pub query: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The body as text.
    ///
    /// # Errors
    /// `InvalidInput` where it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|error| Error::invalid(format!("the body is not UTF-8 text: {error}")))
    }

    /// The body, parsed as JSON.
    ///
    /// # Errors
    /// `InvalidInput` where it is not JSON of that type.
    #[cfg(feature = "json")]
    pub fn json<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Error::invalid(format!("the body does not fit: {error}")))
    }

    pub(crate) fn from_host(request: host::HttpRequest) -> Self {
        Self { method: request.method, query: request.query, body: request.body }
    }
}

/// A response; `content-type` defaults to `application/json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// Status 200 with a body.
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    /// Status 200 with a value as JSON.
    ///
    /// # Errors
    /// `Internal` where the value has no JSON form.
    #[cfg(feature = "json")]
    pub fn json(value: &impl serde::Serialize) -> Result<Self> {
        Ok(Self::new(serde_json::to_vec(value)?))
    }

    /// The same response with another status.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The same response with another header.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn into_host(self) -> host::HttpResponse {
        host::HttpResponse { status: self.status, headers: self.headers, body: self.body }
    }
}

/// Exports a type that implements [`EntryScript`] as this component's entry script.
#[macro_export]
macro_rules! entry_script {
    ($script:ty) => {
        const _: () = {
            use $crate::export::entry_script as host;

            ::std::thread_local! {
                static STATE: $crate::export::State<$script> = const { $crate::export::State::new() };
            }

            struct Export;

            impl host::Guest for Export {
                fn init() -> Result<(), host::Failure> {
                    STATE.with(|state| state.init_script())
                }

                fn describe() -> host::Description {
                    STATE.with(|state| state.describe())
                }

                fn run(request: host::HttpRequest) -> Result<host::HttpResponse, host::Failure> {
                    STATE.with(|state| state.run_script(request))
                }
            }

    host::export_entry_script!(Export with_types_in $crate::export::entry_script);
        };
    };
}
