//! Contents of files and components: streamed in and out, never whole in memory.

use std::io::{Read, Write};

use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::BodyExt;
use scorehost_core::{Digest, Failure};
use scorehost_registry::Registry;
use tokio::sync::mpsc;

use crate::ControlError;
use crate::body::{Body, BodyError, Fed};
use crate::respond;
use crate::services::Control;

/// Parts of a stream that wait between network and disk.
const AHEAD: usize = 8;

/// Bytes read from disk at a time.
const PART: usize = 256 << 10;

impl Control {
    pub(crate) async fn head_blob(&self, name: &str) -> Result<Response<Body>, Failure> {
        let digest: Digest = name.parse()?;
        let size = self.0.store(move |registry| registry.blob_size(&digest)).await?;
        let size = size.ok_or(ControlError::NoBlob { digest })?;
        let mut response = respond::empty(StatusCode::OK);
        response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
        Ok(response)
    }

    pub(crate) async fn get_blob(&self, name: &str) -> Result<Response<Body>, Failure> {
        let digest: Digest = name.parse()?;
        let size = self.0.store(move |registry| registry.blob_size(&digest)).await?;
        let size = size.ok_or(ControlError::NoBlob { digest })?;
        let (parts, body) = mpsc::channel(AHEAD);
        let registry = std::sync::Arc::clone(&self.0.registry);
        self.0.runtime.spawn_blocking(move || send(&registry, &digest, &parts));
        let mut response = Response::new(Fed(body).boxed_unsync());
        response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
        let kind = header::HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Ok(response)
    }

    pub(crate) async fn put_blob<B>(&self, name: &str, mut body: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BodyError>,
    {
        let digest: Digest = name.parse()?;
        if self.0.store(move |registry| registry.blob_size(&digest)).await?.is_some() {
            // Content is what its digest says: there is nothing to write again.
            return Ok(respond::empty(StatusCode::OK));
        }
        let (parts, received) = mpsc::channel(AHEAD);
        let registry = std::sync::Arc::clone(&self.0.registry);
        let written = self.0.runtime.spawn_blocking(move || receive(&registry, digest, received));
        let result = self.pass_on(&mut body, &parts).await;
        if result.is_ok() {
            // Without this last word the writer forgets what it has: a broken upload must not look complete.
            let _ = parts.send(Part::End).await;
        }
        drop(parts);
        let written = written.await.map_err(Failure::internal)?;
        result?;
        written?;
        Ok(respond::empty(StatusCode::CREATED))
    }

    /// Moves the body's parts to the writer until the end of either.
    async fn pass_on<B>(&self, body: &mut B, parts: &mpsc::Sender<Part>) -> Result<(), ControlError>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let limit = self.0.config.max_blob_bytes;
        let mut size = 0u64;
        loop {
            let frame = tokio::time::timeout(self.0.config.upload_idle, body.frame()).await;
            let stalled = |_| ControlError::Upload { reason: "no data came for too long".to_owned() };
            let Some(frame) = frame.map_err(stalled)? else { return Ok(()) };
            let frame = frame.map_err(|error| ControlError::Upload { reason: error.into().to_string() })?;
            let Ok(part) = frame.into_data() else { continue };
            size += part.len() as u64;
            if size > limit {
                return Err(ControlError::TooLarge { limit });
            }
            if parts.send(Part::Data(part)).await.is_err() {
                // The writer has failed and says why itself.
                return Ok(());
            }
        }
    }
}

enum Part {
    Data(Bytes),
    End,
}

/// Writes parts as they come; keeps nothing unless the end was reached and the digest is right.
fn receive(registry: &Registry, digest: Digest, mut parts: mpsc::Receiver<Part>) -> Result<(), Failure> {
    let mut writer = registry.blob_writer()?;
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Data(data) => writer.write_all(&data).map_err(scorehost_registry::RegistryError::from)?,
            Part::End => {
                writer.finish(Some(digest))?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Reads a blob into a response; a damaged one breaks the connection instead of ending the body.
fn send(registry: &Registry, digest: &Digest, parts: &mpsc::Sender<Result<Bytes, BodyError>>) {
    let mut reader = match registry.open_blob(digest) {
        Ok(reader) => reader,
        Err(error) => return drop(parts.blocking_send(Err(error.into()))),
    };
    loop {
        let mut part = vec![0; PART];
        let sent = match reader.read(&mut part) {
            Ok(0) => return,
            Ok(count) => {
                part.truncate(count);
                parts.blocking_send(Ok(part.into()))
            }
            Err(error) => {
                tracing::error!(%digest, %error, "stored content cannot be read");
                return drop(parts.blocking_send(Err(error.into())));
            }
        };
        if sent.is_err() {
            return;
        }
    }
}
