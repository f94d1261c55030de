//! What all versions of a service share: who may call, and which version answers.

use std::fmt;
use std::sync::Arc;

use crate::{ServiceName, VersionName};

/// A service's front: who may call it, and how its requests are divided between versions.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointSpec {
    /// The service.
    pub name: ServiceName,
    /// Who may call.
    pub access: Access,
    /// Which version answers.
    pub traffic: Traffic,
}

impl EndpointSpec {
    /// A front whose only version is `default`.
    #[must_use]
    pub const fn new(name: ServiceName, access: Access, default: VersionName) -> Self {
        Self { name, access, traffic: Traffic::all_to(default) }
    }
}

/// Who may call a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everyone.
    Open,
    /// Who has one of two keys; two, so that one can be changed while the other is used.
    Keys {
        /// First key.
        primary: Secret,
        /// Second key.
        secondary: Secret,
    },
    /// Who has a signed token for this service: of this host, or of an issuer that the host trusts.
    Tokens,
}

/// Text that must not be seen: its `Debug` shows nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Takes the text.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The text, for comparing, storing, and showing it to who may see it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How requests are divided between the versions of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Answers what no other version is to answer.
    pub default: VersionName,
    /// Percent of the requests for a version, 0-100 each and together; the rest goes to the default.
    pub split: Vec<(VersionName, f64)>,
    /// The version that all others are compared with; `None` is the default.
    pub control: Option<VersionName>,
    /// What keeps a caller on one version; `None` chooses anew for every request.
    pub sticky: Option<Sticky>,
    /// A version that gets a copy of requests, whose answers nobody waits for.
    pub shadow: Option<Shadow>,
}

impl Traffic {
    /// Everything to one version.
    #[must_use]
    pub const fn all_to(default: VersionName) -> Self {
        Self { default, split: Vec::new(), control: None, sticky: None, shadow: None }
    }
}

/// What keeps a caller on one version while the split does not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// The value of a request header; requests without it are divided freely.
    Header(String),
    /// Who calls: the key or token used.
    Caller,
}

/// A version that gets copies.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// The version.
    pub version: VersionName,
    /// Percent of the requests that are copied, 0-100.
    pub percent: f64,
}
