//! Which call a request is.

use bytes::Bytes;
use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use scorehost_core::Failure;

use crate::ControlError;
use crate::body::{Body, BodyError};
use crate::services::Control;

/// Where every route starts.
pub(crate) const BASE: &str = "/management/v1";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Blob,
    Models,
    Model,
    Services,
    Service,
    Logs,
    Operations,
    Operation,
    Devices,
    Version,
}

impl Route {
    const ALL: [(&'static str, Self); 10] = [
        ("/blobs/{name}", Self::Blob),
        ("/models", Self::Models),
        ("/models/{name}", Self::Model),
        ("/services", Self::Services),
        ("/services/{name}", Self::Service),
        ("/services/{name}/logs", Self::Logs),
        ("/operations", Self::Operations),
        ("/operations/{name}", Self::Operation),
        ("/devices", Self::Devices),
        ("/version", Self::Version),
    ];

    const fn methods(self) -> &'static str {
        match self {
            Self::Blob => "HEAD, GET, PUT",
            Self::Models => "GET, POST",
            Self::Model | Self::Operation => "GET, DELETE",
            Self::Service => "GET, PUT, DELETE",
            Self::Services | Self::Logs | Self::Operations | Self::Devices | Self::Version => "GET",
        }
    }
}

pub(crate) type Routes = matchit::Router<Route>;

/// The table of routes.
pub(crate) fn routes() -> Routes {
    let mut routes = Routes::new();
    for (path, route) in Route::ALL {
        routes.insert(path, route).expect("the routes above are different and well-formed");
    }
    routes
}

impl Control {
    /// Answers one request below `/management/v1`.
    ///
    /// # Errors
    /// What the caller did wrong or the host cannot do; `ingress` maps the kind to a status and sends it as
    /// [`crate::wire::Refusal`].
    pub async fn handle<B>(&self, request: Request<B>) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError>,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let unknown = || ControlError::NoRoute { path: path.clone() };
        let below = path.strip_prefix(BASE).ok_or_else(unknown)?;
        let matched = self.0.routes.at(below).map_err(|_| unknown())?;
        let route = *matched.value;
        let name = decode(matched.params.get("name").unwrap_or_default()).ok_or_else(unknown)?;
        let query = Query::parse(head.uri.query().unwrap_or_default());
        match (route, head.method.clone()) {
            (Route::Blob, Method::HEAD) => self.head_blob(&name).await,
            (Route::Blob, Method::GET) => self.get_blob(&name).await,
            (Route::Blob, Method::PUT) => self.put_blob(&name, body).await,
            (Route::Models, Method::GET) => self.models(&query).await,
            (Route::Models, Method::POST) => self.register(body).await,
            (Route::Model, Method::GET) => self.model(&name).await,
            (Route::Model, Method::DELETE) => self.delete_model(&name).await,
            (Route::Services, Method::GET) => self.services(),
            (Route::Service, Method::GET) => self.service(&name),
            (Route::Service, Method::PUT) => self.deploy(&name, body).await,
            (Route::Service, Method::DELETE) => self.delete_service(&name),
            (Route::Logs, Method::GET) => self.logs(&name, &query).await,
            (Route::Operations, Method::GET) => self.operations(),
            (Route::Operation, Method::GET) => self.operation(&name, &query).await,
            (Route::Operation, Method::DELETE) => self.cancel(&name),
            (Route::Devices, Method::GET) => self.devices(),
            (Route::Version, Method::GET) => self.version(),
            (_, method) => {
                let method = method.to_string();
                Err(ControlError::Method { path: path.clone(), method, allowed: route.methods() }.into())
            }
        }
    }
}

/// A path or query part without its percent-encoding; `None` where it is not UTF-8.
fn decode(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(Into::into)
}

/// Query parameters.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name).unwrap_or_default(), decode(value).unwrap_or_default())
        });
        Self(pairs.collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number, or `default` where it is not given.
    pub(crate) fn number(&self, name: &str, default: u64) -> Result<u64, ControlError> {
        let Some(value) = self.get(name) else { return Ok(default) };
        value.parse().map_err(|_| wrong(name, value, "a whole number from 0 on"))
    }

    /// `true` or `false`, or false where it is not given.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ControlError> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(value) => Err(wrong(name, value, "true or false")),
        }
    }
}

fn wrong(name: &str, value: &str, expected: &'static str) -> ControlError {
    ControlError::Query { name: name.to_owned(), value: value.to_owned(), expected }
}
