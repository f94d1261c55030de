use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How a service's requests are divided between its versions. Body of `PUT /services/{name}/traffic`, where what is left
/// out is none; of `PATCH`, where it stays (JSON Merge Patch); and answer of `GET`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// Version that answers what no other is to answer; stays where none is named.
    #[serde(default)]
    pub default: Option<String>,
    /// Percent of the requests by version, 0-100 each and together.
    #[serde(default)]
    pub split: BTreeMap<String, f64>,
    /// Version that the others are compared with; the default one where none is named.
    #[serde(default)]
    pub control: Option<String>,
    /// What keeps a caller on one version.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// Version that gets copies of requests.
    #[serde(default)]
    pub shadow: Option<Shadow>,
}

/// What keeps a caller on one version: `"caller"` or `{"header": "x-user"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sticky {
    /// The value of a request header.
    Header(String),
    /// Who calls.
    Caller,
}

/// A version that gets copies of requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadow {
    /// The version.
    pub version: String,
    /// Percent of the requests that are copied.
    pub percent: f64,
}

/// Answer of `GET /services/{name}/keys` and of a regeneration.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// First key.
    pub primary_key: String,
    /// Second key.
    pub secondary_key: String,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

/// One of a service's two keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// The first.
    Primary,
    /// The second.
    Secondary,
}

/// Body of `POST /services/{name}/keys/regenerate`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Regenerate {
    /// Which key.
    pub key_type: KeyType,
    /// Its new value; a random one where none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_value: Option<String>,
}

/// Answer of `POST /services/{name}/token`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: String,
    /// Unix time from which on a new one should be fetched, in seconds.
    pub refresh_after: u64,
    /// Unix time from which on it is refused, in seconds.
    pub expiry_on: u64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("expiry_on", &self.expiry_on).finish_non_exhaustive()
    }
}
