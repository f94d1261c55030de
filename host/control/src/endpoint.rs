//! What all versions of a service share: traffic between them, keys and tokens of callers, and the report that compares them.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use scorehost_auth::Principal;
use scorehost_core::{Access, Failure, Secret, ServiceName, Traffic, VersionName};
use serde::de::DeserializeOwned;

use crate::access::{auth, check_key, replace_key};
use crate::body::{self, Body, BodyError};
use crate::catalog::Service;
use crate::desired::{Board, Observed};
use crate::merge::merge;
use crate::operations::Progress;
use crate::plan::Plan;
use crate::services::{Control, accepted};
use crate::{ControlError, respond, traffic, wire};

impl Control {
    pub(crate) fn traffic(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (service, _) = self.known_service(&name.parse()?)?;
        Ok(respond::json(StatusCode::OK, &traffic::shown(&service.front.traffic)))
    }

    /// Replaces the traffic: what is left out is none, but for the default version.
    pub(crate) async fn put_traffic<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let asked: wire::Traffic = self.read_json(content).await?;
        self.change_traffic(name, |_| Ok(asked)).await
    }

    /// Changes a part of the traffic.
    pub(crate) async fn patch_traffic<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let patch: serde_json::Value = self.read_json(content).await?;
        self.change_traffic(name, |current| {
            let mut merged = serde_json::to_value(traffic::shown(current)).map_err(Failure::internal)?;
            // A choice of one of several forms is a value of its own: merged, it would have two.
            if let Some(fields) = merged.as_object_mut().filter(|_| patch.get("sticky").is_some()) {
                fields.remove("sticky");
            }
            merge(&mut merged, &patch);
            serde_json::from_value(merged).map_err(|error| ControlError::Json { reason: error.to_string() }.into())
        })
        .await
    }

    async fn change_traffic(
        &self,
        name: &str,
        asked: impl FnOnce(&Traffic) -> Result<wire::Traffic, Failure>,
    ) -> Result<Response<Body>, Failure> {
        let name: ServiceName = name.parse()?;
        let board = &self.0.board;
        let progress = self.launch_existing("traffic", &name, Vec::new(), |service, context| {
            let current = &service.front.traffic;
            let asked = traffic::read(asked(current)?, &current.default)?;
            let plan = Plan::traffic(service, asked, context)?;
            check_ready(board, service, &plan)?;
            Ok(plan)
        })?;
        Ok(accepted(&progress).await)
    }

    pub(crate) async fn promote(&self, name: &str, version: &str) -> Result<Response<Body>, Failure> {
        let (name, version): (ServiceName, VersionName) = (name.parse()?, version.parse()?);
        let board = &self.0.board;
        let progress = self.launch_existing("promote", &name, Vec::new(), |service, context| {
            let plan = Plan::promote(service, &version, context)?;
            check_ready(board, service, &plan)?;
            Ok(plan)
        })?;
        Ok(accepted(&progress).await)
    }

    pub(crate) async fn delete_version(&self, name: &str, version: &str) -> Result<Response<Body>, Failure> {
        let (name, version): (ServiceName, VersionName) = (name.parse()?, version.parse()?);
        let progress = self.launch_existing("delete version", &name, Vec::new(), |service, context| {
            Plan::delete_version(service, &version, context)
        })?;
        Ok(accepted(&progress).await)
    }

    pub(crate) fn keys(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (service, _) = self.known_service(&name.parse()?)?;
        Ok(respond::json(StatusCode::OK, &keys_shown(&service)?))
    }

    /// Replaces one key; the other goes on working, and no version is touched.
    pub(crate) async fn regenerate<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let name: ServiceName = name.parse()?;
        let asked: wire::Regenerate = self.read_json(content).await?;
        let key = asked.key_value.map(Secret::new);
        key.iter().try_for_each(check_key)?;
        let progress = self.launch_existing("regenerate key", &name, Vec::new(), |service, context| {
            let key = key.map_or_else(context.new_key, Ok)?;
            let access = replace_key(&service.front.access, asked.key_type, key);
            Plan::access(service, access.ok_or_else(|| no_keys(service))?, context)
        })?;
        succeeded(&progress).await?;
        let (service, _) = self.known_service(&name)?;
        Ok(respond::json(StatusCode::OK, &keys_shown(&service)?))
    }

    /// A token for a service that asks for tokens.
    pub(crate) fn token(&self, name: &str, caller: &Principal) -> Result<Response<Body>, Failure> {
        let (service, _) = self.known_service(&name.parse()?)?;
        if service.front.access != Access::Tokens {
            return Err(ControlError::NoTokens {
                service: service.name().clone(),
                auth: auth(&service.front.access).name(),
            }
            .into());
        }
        let token = self.0.gatekeeper.token(service.name(), &caller.name)?;
        let token = wire::Token {
            access_token: token.access_token.reveal().to_owned(),
            token_type: "Bearer".to_owned(),
            refresh_after: token.refresh_after,
            expiry_on: token.expiry_on,
        };
        Ok(respond::json(StatusCode::OK, &token))
    }

    pub(crate) fn report(&self, name: &str) -> Result<Response<Body>, Failure> {
        let (service, _) = self.known_service(&name.parse()?)?;
        let did = self.0.reports.versions(service.name());
        Ok(respond::json(StatusCode::OK, &crate::comparison::compare(&service, did)))
    }

    async fn read_json<T: DeserializeOwned, B>(&self, content: B) -> Result<T, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        Ok(body::json(&body::read(content, self.0.config.max_json_bytes).await?)?)
    }
}

/// Refuses to send requests to a version that got none so far and that does not answer.
fn check_ready(board: &Board, before: &Service, plan: &Plan) -> Result<(), ControlError> {
    let Some(after) = &plan.after else { return Ok(()) };
    for (version, _) in after.running() {
        let share = |service: &Service| traffic::percent(&service.front.traffic, version);
        let begins = share(before) == 0.0 && share(after) > 0.0;
        if begins && !matches!(board.observed(&after.key(version)), Some(Observed::Ready)) {
            return Err(ControlError::NotReady { service: after.name().clone(), version: version.clone() });
        }
    }
    Ok(())
}

fn keys_shown(service: &Service) -> Result<wire::Keys, ControlError> {
    let Access::Keys { primary, secondary } = &service.front.access else { return Err(no_keys(service)) };
    Ok(wire::Keys { primary_key: primary.reveal().to_owned(), secondary_key: secondary.reveal().to_owned() })
}

fn no_keys(service: &Service) -> ControlError {
    ControlError::NoKeys { service: service.name().clone(), auth: auth(&service.front.access).name() }
}

/// Waits for the end of an operation.
pub(crate) async fn succeeded(progress: &Arc<Progress>) -> Result<(), Failure> {
    match progress.finished().await.error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
