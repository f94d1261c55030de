//! Services and their endpoints from the caller's side.

use scorehost_core::{Failure, ServiceName, VersionName};
use serde_json::Value;

use super::{Client, encode};
use crate::wire;

impl Client {
    /// Begins to change a part of a version.
    ///
    /// # Errors
    /// Where the change breaks a rule, or another operation is under way.
    pub fn update(&self, name: &ServiceName, update: &wire::Update) -> Result<wire::Operation, Failure> {
        self.send_json("PATCH", &format!("/services/{name}"), update)
    }

    /// Begins to change how many replicas a version has.
    ///
    /// # Errors
    /// Where the numbers break a rule, or another operation is under way.
    pub fn scale(&self, name: &ServiceName, scale: &wire::Scale) -> Result<wire::Operation, Failure> {
        self.send_json("POST", &format!("/services/{name}/scale"), scale)
    }

    /// How a service's requests are divided.
    ///
    /// # Errors
    /// Where there is no such service.
    pub fn traffic(&self, name: &ServiceName) -> Result<wire::Traffic, Failure> {
        self.get(&format!("/services/{name}/traffic"))
    }

    /// Begins to change a part of how requests are divided: a JSON Merge Patch of [`wire::Traffic`].
    ///
    /// # Errors
    /// Where the change breaks a rule, or another operation is under way.
    pub fn change_traffic(&self, name: &ServiceName, patch: &Value) -> Result<wire::Operation, Failure> {
        self.send_json("PATCH", &format!("/services/{name}/traffic"), patch)
    }

    /// Begins to make a version the default.
    ///
    /// # Errors
    /// Where it is not ready, or another operation is under way.
    pub fn promote(&self, name: &ServiceName, version: &VersionName) -> Result<wire::Operation, Failure> {
        self.send_json("POST", &format!("/services/{name}/versions/{version}/promote"), &Value::Null)
    }

    /// Begins to delete a version.
    ///
    /// # Errors
    /// Where it is the default and others exist, or another operation is under way.
    pub fn delete_version(&self, name: &ServiceName, version: &VersionName) -> Result<wire::Operation, Failure> {
        self.delete_json(&format!("/services/{name}/versions/{version}"))
    }

    /// The keys of a service.
    ///
    /// # Errors
    /// Where it has none, or the caller may not see them.
    pub fn keys(&self, name: &ServiceName) -> Result<wire::Keys, Failure> {
        self.get(&format!("/services/{name}/keys"))
    }

    /// Replaces one key and tells both. The other goes on working.
    ///
    /// # Errors
    /// Where the service has no keys, or another operation is under way.
    pub fn regenerate_key(&self, name: &ServiceName, regenerate: &wire::Regenerate) -> Result<wire::Keys, Failure> {
        self.send_json("POST", &format!("/services/{name}/keys/regenerate"), regenerate)
    }

    /// A token for a service.
    ///
    /// # Errors
    /// Where it takes none, or the caller may not have one.
    pub fn token(&self, name: &ServiceName) -> Result<wire::Token, Failure> {
        self.send_json("POST", &format!("/services/{name}/token"), &Value::Null)
    }

    /// What the versions of a service did since the server started.
    ///
    /// # Errors
    /// Where there is no such service.
    pub fn report(&self, name: &ServiceName) -> Result<wire::Report, Failure> {
        self.get(&format!("/services/{name}/report"))
    }

    /// Recorded requests of a service, newest first.
    ///
    /// # Errors
    /// Where there is no such service.
    pub fn recordings(&self, name: &ServiceName, limit: u32) -> Result<wire::Recordings, Failure> {
        self.get(&format!("/services/{name}/recordings?limit={limit}"))
    }

    /// One recorded request with its content.
    ///
    /// # Errors
    /// Where there is none, or the caller may not see it.
    pub fn recording(&self, name: &ServiceName, id: &str) -> Result<wire::RecordingShown, Failure> {
        self.get(&format!("/services/{name}/recordings/{}", encode(id)))
    }

    /// Removes one recorded request, or all of a service.
    ///
    /// # Errors
    /// Where there is none.
    pub fn remove_recordings(&self, name: &ServiceName, id: Option<&str>) -> Result<wire::Removed, Failure> {
        let id = id.map(|id| format!("/{}", encode(id))).unwrap_or_default();
        self.delete_json(&format!("/services/{name}/recordings{id}"))
    }

    /// Asks a version recorded requests again and compares its answers.
    ///
    /// # Errors
    /// Where there is no such version, or it answers nothing.
    pub fn replay(&self, name: &ServiceName, replay: &wire::Replay) -> Result<wire::ReplayReport, Failure> {
        self.send_json("POST", &format!("/services/{name}/replay"), replay)
    }

    /// Operations that the server remembers of one service, newest first.
    ///
    /// # Errors
    /// Where the server cannot be reached.
    pub fn operations_of(&self, name: &ServiceName) -> Result<Vec<wire::Operation>, Failure> {
        let path = format!("/operations?service={}", encode(name.as_str()));
        self.get::<wire::Operations>(&path).map(|answer| answer.operations)
    }
}
