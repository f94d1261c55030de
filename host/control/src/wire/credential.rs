//! Management credentials and signing keys.

use serde::{Deserialize, Serialize};

/// Answer of `GET /whoami`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoAmI {
    /// `credential:` and the credential's name.
    pub name: String,
    /// `reader`, `deployer` or `admin`.
    pub role: String,
}

/// Body of `POST /credentials`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// Its name.
    pub name: String,
    /// `reader`, `deployer` or `admin`.
    pub role: String,
}

/// Answer of `POST /credentials`: the only time that the secret is told.
#[derive(Clone, Serialize, Deserialize)]
pub struct MadeCredential {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// What to send.
    pub credential: String,
}

/// A credential without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: String,
    /// Unix time at which it was made, in seconds.
    pub created: u64,
    /// Why it cannot be revoked, where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_to: Option<String>,
}

/// Answer of `GET /credentials`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credentials {
    /// In the order of their making.
    pub credentials: Vec<Credential>,
}

/// Body of `POST /signing-keys/rotate`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rotate {
    /// Whether tokens signed before end at once.
    #[serde(default)]
    pub revoke: bool,
}

/// Answer of `POST /signing-keys/rotate`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningKey {
    /// Id of the key that signs from now on.
    pub key: String,
}
