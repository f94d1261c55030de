//! The management API from the caller's side: blocking calls, streaming uploads and downloads.
//!
//! Every error is a [`Failure`] with the server's kind, message and hint.

mod agent;
mod content;
mod credentials;
mod management;
mod services;
mod tls;

use std::io::Read;

use scorehost_core::{Digest, Failure, ModelId, ServiceName, VersionName};

pub use agent::{Client, ScoreAnswer};
pub use content::{digest_of, digest_of_bytes};
pub use credentials::{CredentialStore, Lent};
pub use tls::ClientTls;

use crate::wire;

/// What an upload or a download reports: bytes moved since the last call.
pub type Moved<'a> = &'a mut dyn FnMut(u64);

/// Seconds that one request for an operation's next change waits.
const WAIT_SECONDS: u64 = 10;

impl Client {
    /// Version and addresses of the server.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn version(&self) -> Result<wire::Version, Failure> {
        self.get("/version")
    }

    /// Devices of the server.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn devices(&self) -> Result<Vec<wire::Device>, Failure> {
        self.get::<wire::Devices>("/devices").map(|answer| answer.devices)
    }

    /// The memory that loaded models take.
    ///
    /// # Errors
    /// Where the server cannot be reached or refuses.
    pub fn memory(&self) -> Result<wire::ModelMemory, Failure> {
        self.get("/memory")
    }

    /// Registers uploaded files as the next version of a model.
    ///
    /// # Errors
    /// Where the description breaks a rule, or a content is missing.
    pub fn register(&self, model: &wire::NewModel) -> Result<wire::Model, Failure> {
        self.send_json("POST", "/models", model)
    }

    /// Registered models; those of one name where it is given.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn models(&self, name: Option<&str>) -> Result<Vec<wire::Model>, Failure> {
        let query = name.map(|name| format!("?name={}", encode(name))).unwrap_or_default();
        self.get::<wire::Models>(&format!("/models{query}")).map(|answer| answer.models)
    }

    /// A model by `name:version`, or the newest of a `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn model(&self, name: &str) -> Result<wire::Model, Failure> {
        self.get(&format!("/models/{}", encode(name)))
    }

    /// Deletes one version of a model.
    ///
    /// # Errors
    /// Where there is none, or a service uses it.
    pub fn delete_model(&self, id: &ModelId) -> Result<(), Failure> {
        self.delete(&format!("/models/{}", encode(&id.to_string())))
    }

    /// Begins to deploy a service.
    ///
    /// # Errors
    /// Where the deployment breaks a rule, names what does not exist, or another operation is under way.
    pub fn deploy(&self, name: &ServiceName, deployment: &wire::Deployment) -> Result<wire::Operation, Failure> {
        self.send_json("PUT", &format!("/services/{name}"), deployment)
    }

    /// All services.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn services(&self) -> Result<Vec<wire::Service>, Failure> {
        self.get::<wire::Services>("/services").map(|answer| answer.services)
    }

    /// One service.
    ///
    /// # Errors
    /// Where there is none.
    pub fn service(&self, name: &ServiceName) -> Result<wire::Service, Failure> {
        self.get(&format!("/services/{name}"))
    }

    /// Begins to delete a service.
    ///
    /// # Errors
    /// Where there is none, or another operation is under way.
    pub fn delete_service(&self, name: &ServiceName) -> Result<wire::Operation, Failure> {
        self.delete_json(&format!("/services/{name}"))
    }

    /// The last `tail` lines of a service's log, of one version where it is given, and with `follow` those that come; ends when
    /// the server ends it.
    ///
    /// # Errors
    /// Where there is no such service.
    pub fn logs(
        &self,
        name: &ServiceName,
        version: Option<&VersionName>,
        tail: u64,
        follow: bool,
    ) -> Result<Box<dyn Read + Send>, Failure> {
        let version = version.map_or_else(String::new, |version| format!("&version={version}"));
        self.stream(&format!("/services/{name}/logs?tail={tail}&follow={follow}{version}"))
    }

    /// Operations that the server remembers, newest first.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn operations(&self) -> Result<Vec<wire::Operation>, Failure> {
        self.get::<wire::Operations>("/operations").map(|answer| answer.operations)
    }

    /// An operation as it is now.
    ///
    /// # Errors
    /// Where there is none.
    pub fn operation(&self, id: &str) -> Result<wire::Operation, Failure> {
        self.get(&format!("/operations/{}", encode(id)))
    }

    /// Asks an operation to stop.
    ///
    /// # Errors
    /// Where there is none, or it is over.
    pub fn cancel(&self, id: &str) -> Result<wire::Operation, Failure> {
        self.delete_json(&format!("/operations/{}", encode(id)))
    }

    /// Waits for an operation's end and reports every change. How it ended is in the answer.
    ///
    /// # Errors
    /// Where the server cannot be reached any more.
    pub fn wait(
        &self,
        operation: wire::Operation,
        changed: &mut dyn FnMut(&wire::Operation),
    ) -> Result<wire::Operation, Failure> {
        let mut current = operation;
        changed(&current);
        while !current.state.finished() {
            let path = format!("/operations/{}?after={}&wait={WAIT_SECONDS}", encode(&current.id), current.revision);
            let next: wire::Operation = self.get(&path)?;
            if next.revision != current.revision {
                changed(&next);
            }
            current = next;
        }
        Ok(current)
    }

    /// Uploads content unless the server has it; whether it was sent.
    ///
    /// # Errors
    /// Where the content cannot be read, or the server refuses it.
    pub fn upload(
        &self,
        digest: &Digest,
        size: u64,
        content: &mut dyn Read,
        moved: Moved<'_>,
    ) -> Result<bool, Failure> {
        if self.has_blob(digest)? {
            moved(size);
            return Ok(false);
        }
        self.put_blob(digest, size, &mut content::Metered::new(content, moved))?;
        Ok(true)
    }

    /// Downloads content and checks it against its digest.
    ///
    /// # Errors
    /// Where there is none, it arrives damaged, or `into` cannot be written.
    pub fn download(&self, digest: &Digest, into: &mut dyn std::io::Write, moved: Moved<'_>) -> Result<u64, Failure> {
        let mut content = self.stream(&format!("/blobs/{digest}"))?;
        content::copy_verified(&mut content, into, digest, moved)
    }
}

/// A path segment with everything but unreserved characters percent-encoded.
fn encode(segment: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b':');
    percent_encoding::utf8_percent_encode(segment, KEPT).to_string()
}

#[cfg(test)]
mod tests;
