//! Management credentials and signing keys from the caller's side.

use scorehost_core::Failure;

use super::{Client, encode};
use crate::wire;

impl Client {
    /// Who this client is to the server.
    ///
    /// # Errors
    /// Where its credential is missing or wrong.
    pub fn whoami(&self) -> Result<wire::WhoAmI, Failure> {
        self.get("/whoami")
    }

    /// Management credentials without their secrets.
    ///
    /// # Errors
    /// Without the role `admin`.
    pub fn credentials(&self) -> Result<Vec<wire::Credential>, Failure> {
        self.get::<wire::Credentials>("/credentials").map(|answer| answer.credentials)
    }

    /// Makes a credential; its secret is in the answer and nowhere else.
    ///
    /// # Errors
    /// Where the name breaks the rule or is taken; without the role `admin`.
    pub fn create_credential(&self, credential: &wire::NewCredential) -> Result<wire::MadeCredential, Failure> {
        self.send_json("POST", "/credentials", credential)
    }

    /// Ends a credential.
    ///
    /// # Errors
    /// Where there is none of the name; without the role `admin`.
    pub fn revoke_credential(&self, name: &str) -> Result<(), Failure> {
        self.delete(&format!("/credentials/{}", encode(name)))
    }

    /// Lets a new key sign tokens; with `revoke`, tokens signed before end.
    ///
    /// # Errors
    /// Without the role `admin`.
    pub fn rotate_signing_key(&self, revoke: bool) -> Result<wire::SigningKey, Failure> {
        self.send_json("POST", "/signing-keys/rotate", &wire::Rotate { revoke })
    }
}
