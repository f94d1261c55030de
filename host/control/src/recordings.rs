//! Recorded requests of a service, and asking a version the same again.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use scorehost_core::{BoxFuture, Failure, Grants, ServiceName, VersionName};

use crate::body::{self, Body, BodyError};
use crate::models::known;
use crate::routes::Query;
use crate::services::Control;
use crate::{ControlError, respond, wire};

/// Recordings listed where nothing is said, and at most.
const LISTED: u64 = 100;
const MOST: u64 = 10_000;

/// Requests replayed where nothing is said, and at most.
const REPLAYED: u32 = 100;

/// Recorded requests. The assembly implements it over telemetry's recorder; all calls but `replay` block.
pub trait Recordings: Send + Sync {
    /// How many there are, and the newest of them.
    ///
    /// # Errors
    /// Where a file cannot be read.
    fn list(&self, service: &ServiceName, limit: usize) -> Result<wire::Recordings, Failure>;

    /// One of them with its content; `None` where it is gone.
    ///
    /// # Errors
    /// Where its file cannot be read.
    fn show(&self, service: &ServiceName, id: &str) -> Result<Option<wire::RecordingShown>, Failure>;

    /// Removes one, or all; how many there were.
    ///
    /// # Errors
    /// Where a file cannot be removed.
    fn remove(&self, service: &ServiceName, id: Option<&str>) -> Result<usize, Failure>;

    /// Asks a version again.
    ///
    /// # Errors
    /// Where the version does not answer requests.
    fn replay(
        &self,
        service: ServiceName,
        version: VersionName,
        limit: usize,
        replay: wire::Replay,
    ) -> BoxFuture<'static, Result<wire::ReplayReport, Failure>>;
}

impl Control {
    /// Shows recorded requests from now on. Without them every service has none.
    pub fn keep_recordings(&self, recordings: Arc<dyn Recordings>) {
        // The first stay.
        let _ = self.0.recordings.set(recordings);
    }

    pub(crate) async fn recordings(&self, name: &str, query: &Query) -> Result<Response<Body>, Failure> {
        let limit = query.number("limit", LISTED)?.min(MOST) as usize;
        let listed = self.of_recordings(name, move |recordings, service| recordings.list(service, limit)).await?;
        Ok(respond::json(StatusCode::OK, &listed))
    }

    pub(crate) async fn recording(&self, name: &str, id: &str) -> Result<Response<Body>, Failure> {
        let asked = id.to_owned();
        let shown = self.of_recordings(name, move |recordings, service| recordings.show(service, &asked)).await?;
        let shown = shown.ok_or_else(|| no_recording(name, id))?;
        Ok(respond::json(StatusCode::OK, &shown))
    }

    pub(crate) async fn remove_recordings(&self, name: &str, id: Option<&str>) -> Result<Response<Body>, Failure> {
        let asked = id.map(str::to_owned);
        let removed =
            self.of_recordings(name, move |recordings, service| recordings.remove(service, asked.as_deref())).await?;
        match id.filter(|_| removed == 0) {
            Some(id) => Err(no_recording(name, id)),
            None => Ok(respond::json(StatusCode::OK, &wire::Removed { removed })),
        }
    }

    pub(crate) async fn replay<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let replay: wire::Replay = body::json(&body::read(content, self.0.config.max_json_bytes).await?)?;
        if replay.tolerance.is_some_and(|tolerance| !tolerance.is_finite() || tolerance < 0.0) {
            return Err(Failure::invalid("tolerance must be a number from 0 on"));
        }
        let (service, _) = self.known_service(&name.parse()?)?;
        let version: VersionName = replay.version.parse()?;
        let Some(spec) = service.versions.get(&version).map(|version| Arc::clone(&version.spec)) else {
            let known = known(service.versions.keys().map(ToString::to_string));
            let (service, version) = (service.name().clone(), version.to_string());
            return Err(ControlError::NoVersion { service, version, known }.into());
        };
        let recordings = self.recorded()?;
        let limit = if replay.ids.is_empty() {
            replay.limit.unwrap_or(REPLAYED).min(MOST as u32) as usize
        } else {
            replay.ids.len()
        };
        let mut report = recordings.replay(spec.name.clone(), version, limit, replay).await?;
        report.notes.extend(notes(&spec.grants));
        Ok(respond::json(StatusCode::OK, &report))
    }

    fn recorded(&self) -> Result<Arc<dyn Recordings>, Failure> {
        let recordings = self.0.recordings.get().cloned();
        recordings.ok_or_else(|| Failure::internal("nobody keeps recorded requests"))
    }

    /// Asks for recordings of a known service, off this thread.
    async fn of_recordings<T: Send + 'static>(
        &self,
        name: &str,
        question: impl FnOnce(&dyn Recordings, &ServiceName) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let name: ServiceName = name.parse()?;
        self.known_service(&name)?;
        let recordings = self.recorded()?;
        self.0.runtime.spawn_blocking(move || question(&*recordings, &name)).await.map_err(Failure::internal)?
    }
}

fn no_recording(service: &str, id: &str) -> Failure {
    let id: String = id.chars().take(64).collect();
    Failure::not_found(format!("service '{service}' has no recorded request '{id}'"))
        .with_hint(format!("scorehost endpoint recordings {service}; the oldest go when there are too many"))
}

/// What a scorer sees that is not in the request, and so may be different each time.
fn notes(grants: &Grants) -> Vec<String> {
    let rows = [
        (grants.clock, "the scorer sees the machine's clock: answers may depend on the time"),
        (grants.random, "the scorer gets real randomness: answers may differ each time"),
        (
            !grants.outbound.is_empty(),
            "the scorer sends requests to other hosts: answers may depend on theirs, and they are sent again",
        ),
    ];
    rows.into_iter().filter(|(granted, _)| *granted).map(|(_, note)| note.to_owned()).collect()
}
