//! Which call a request is.

use bytes::Bytes;
use http::{Method, Request, Response};
use percent_encoding::percent_decode_str;
use scorehost_auth::{Principal, Role};
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
    Versions,
    Version,
    Promote,
    Scale,
    Traffic,
    Keys,
    Regenerate,
    Token,
    Report,
    Recordings,
    Recording,
    Replay,
    Logs,
    Operations,
    Operation,
    Devices,
    Memory,
    About,
    Whoami,
    Credentials,
    Credential,
    RotateSigningKey,
}

impl Route {
    pub(crate) const ALL: [(&'static str, Self); 27] = [
        ("/blobs/{name}", Self::Blob),
        ("/models", Self::Models),
        ("/models/{name}", Self::Model),
        ("/services", Self::Services),
        ("/services/{name}", Self::Service),
        ("/services/{name}/versions", Self::Versions),
        ("/services/{name}/versions/{version}", Self::Version),
        ("/services/{name}/versions/{version}/promote", Self::Promote),
        ("/services/{name}/scale", Self::Scale),
        ("/services/{name}/traffic", Self::Traffic),
        ("/services/{name}/keys", Self::Keys),
        ("/services/{name}/keys/regenerate", Self::Regenerate),
        ("/services/{name}/token", Self::Token),
        ("/services/{name}/report", Self::Report),
        ("/services/{name}/recordings", Self::Recordings),
        ("/services/{name}/recordings/{id}", Self::Recording),
        ("/services/{name}/replay", Self::Replay),
        ("/services/{name}/logs", Self::Logs),
        ("/operations", Self::Operations),
        ("/operations/{name}", Self::Operation),
        ("/devices", Self::Devices),
        ("/memory", Self::Memory),
        ("/version", Self::About),
        ("/whoami", Self::Whoami),
        ("/credentials", Self::Credentials),
        ("/credentials/{name}", Self::Credential),
        ("/signing-keys/rotate", Self::RotateSigningKey),
    ];

    pub(crate) const fn methods(self) -> &'static str {
        match self {
            Self::Blob => "HEAD, GET, PUT",
            Self::Models | Self::Credentials => "GET, POST",
            Self::Model | Self::Operation | Self::Recordings | Self::Recording => "GET, DELETE",
            Self::Service => "GET, PUT, PATCH, DELETE",
            Self::Version | Self::Credential => "DELETE",
            Self::Promote | Self::Scale | Self::Regenerate | Self::Token | Self::Replay | Self::RotateSigningKey => {
                "POST"
            }
            Self::Traffic => "GET, PUT, PATCH",
            Self::Services
            | Self::Versions
            | Self::Keys
            | Self::Report
            | Self::Logs
            | Self::Operations
            | Self::Devices
            | Self::Memory
            | Self::Whoami
            | Self::About => "GET",
        }
    }

    /// What a caller must be allowed to: to look, unless something changes or a secret is shown.
    pub(crate) fn role(self, method: &Method) -> Role {
        match self {
            Self::Credentials | Self::Credential | Self::RotateSigningKey => Role::Admin,
            // A recorded request holds what a caller sent.
            Self::Keys | Self::Regenerate | Self::Token | Self::Recording => Role::Deployer,
            _ if [Method::GET, Method::HEAD].contains(method) => Role::Reader,
            _ => Role::Deployer,
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
        let caller = head.extensions.get::<Principal>().ok_or(ControlError::NoPrincipal)?;
        caller.may(route.role(&head.method))?;
        let part = |name| decode(matched.params.get(name).unwrap_or_default()).ok_or_else(unknown);
        let (name, version, id) = (part("name")?, part("version")?, part("id")?);
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
            (Route::Service, Method::GET) => self.service(&name).await,
            (Route::Service, Method::PUT) => self.deploy(&name, body).await,
            (Route::Service, Method::PATCH) => self.update(&name, body).await,
            (Route::Service, Method::DELETE) => self.delete_service(&name).await,
            (Route::Versions, Method::GET) => self.versions(&name),
            (Route::Version, Method::DELETE) => self.delete_version(&name, &version).await,
            (Route::Promote, Method::POST) => self.promote(&name, &version).await,
            (Route::Scale, Method::POST) => self.scale(&name, body).await,
            (Route::Traffic, Method::GET) => self.traffic(&name),
            (Route::Traffic, Method::PUT) => self.put_traffic(&name, body).await,
            (Route::Traffic, Method::PATCH) => self.patch_traffic(&name, body).await,
            (Route::Keys, Method::GET) => self.keys(&name),
            (Route::Regenerate, Method::POST) => self.regenerate(&name, body).await,
            (Route::Token, Method::POST) => self.token(&name, caller),
            (Route::Report, Method::GET) => self.report(&name),
            (Route::Recordings, Method::GET) => self.recordings(&name, &query).await,
            (Route::Recordings, Method::DELETE) => self.remove_recordings(&name, None).await,
            (Route::Recording, Method::GET) => self.recording(&name, &id).await,
            (Route::Recording, Method::DELETE) => self.remove_recordings(&name, Some(&id)).await,
            (Route::Replay, Method::POST) => self.replay(&name, body).await,
            (Route::Logs, Method::GET) => self.logs(&name, &query).await,
            (Route::Operations, Method::GET) => self.operations(&query),
            (Route::Operation, Method::GET) => self.operation(&name, &query).await,
            (Route::Operation, Method::DELETE) => self.cancel(&name),
            (Route::Devices, Method::GET) => self.devices(),
            (Route::Memory, Method::GET) => self.memory(),
            (Route::About, Method::GET) => self.version(),
            (Route::Whoami, Method::GET) => self.whoami(caller),
            (Route::Credentials, Method::GET) => self.credentials(),
            (Route::Credentials, Method::POST) => self.create_credential(body).await,
            (Route::Credential, Method::DELETE) => self.revoke_credential(&name).await,
            (Route::RotateSigningKey, Method::POST) => self.rotate_signing_key(body).await,
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
    pub(crate) fn parse(query: &str) -> Self {
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
