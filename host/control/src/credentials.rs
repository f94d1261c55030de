//! Management credentials and signing keys: the calls of administrators.

use bytes::Bytes;
use http::{Response, StatusCode};
use scorehost_auth::{AuthError, Credentials, Principal, Role};
use scorehost_core::{ErrorKind, Failure};

use crate::body::{self, Body, BodyError};
use crate::services::Control;
use crate::{respond, wire};

impl Control {
    pub(crate) fn whoami(&self, caller: &Principal) -> Result<Response<Body>, Failure> {
        let role = caller.role.map_or("none", Role::name).to_owned();
        Ok(respond::json(StatusCode::OK, &wire::WhoAmI { name: caller.name.to_string(), role }))
    }

    pub(crate) fn credentials(&self) -> Result<Response<Body>, Failure> {
        let kept = self.0.gatekeeper.credentials().ok_or_else(no_credentials)?.list();
        let credentials = kept.into_iter().map(|kept| wire::Credential {
            name: kept.name,
            role: kept.role.name().to_owned(),
            created: kept.created,
            bound_to: kept.bound_to.map(str::to_owned),
        });
        Ok(respond::json(StatusCode::OK, &wire::Credentials { credentials: credentials.collect() }))
    }

    pub(crate) async fn create_credential<B>(&self, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let content = body::read(content, self.0.config.max_json_bytes).await?;
        let wire::NewCredential { name, role } = body::json(&content)?;
        let kept: Role = role.parse()?;
        let named = name.clone();
        let secret = self.with_credentials(move |credentials| credentials.create(&named, kept)).await?;
        tracing::info!(credential = name, role, "a management credential was made");
        let made = wire::MadeCredential { name, role, credential: secret.reveal().to_owned() };
        Ok(respond::json(StatusCode::CREATED, &made))
    }

    pub(crate) async fn revoke_credential(&self, name: &str) -> Result<Response<Body>, Failure> {
        let named = name.to_owned();
        self.with_credentials(move |credentials| credentials.revoke(&named)).await?;
        tracing::info!(credential = name, "a management credential was revoked");
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }

    pub(crate) async fn rotate_signing_key<B>(&self, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let content = body::read(content, self.0.config.max_json_bytes).await?;
        let wire::Rotate { revoke } = if content.is_empty() { wire::Rotate::default() } else { body::json(&content)? };
        let gatekeeper = self.0.gatekeeper.clone();
        let rotated = self.0.runtime.spawn_blocking(move || gatekeeper.rotate(revoke)).await;
        let key = rotated.map_err(Failure::internal)??;
        Ok(respond::json(StatusCode::OK, &wire::SigningKey { key }))
    }

    /// Changes credentials, which writes a file, off this thread.
    async fn with_credentials<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Credentials) -> Result<T, AuthError> + Send + 'static,
    ) -> Result<T, Failure> {
        let gatekeeper = self.0.gatekeeper.clone();
        let changed = self.0.runtime.spawn_blocking(move || {
            let credentials = gatekeeper.credentials().ok_or_else(no_credentials)?;
            change(credentials).map_err(Failure::from)
        });
        changed.await.map_err(Failure::internal)?
    }
}

fn no_credentials() -> Failure {
    Failure::new(ErrorKind::Unsupported, "this host runs without authentication and has no credentials")
}
