//! Validated names. A value of these types is well-formed, so no room checks it again.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Why a name is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A service or version name outside the rule.
    #[error("service name '{0}' must be 3-32 characters of a-z, 0-9 and '-', start with a letter and not end with '-'")]
    Service(String),
    /// A version name outside the rule.
    #[error(
        "version '{0}' must be a whole number from 1 on, or 1-32 characters of a-z, 0-9 and '-' that start with a letter and do not end with '-'"
    )]
    VersionName(String),
    /// A model name outside the rule.
    #[error(
        "model name '{0}' must be 1-255 characters of A-Z, a-z, 0-9, '-', '_' and '.', and start with a letter or a digit"
    )]
    Model(String),
    /// A model version that is not a positive number.
    #[error("model '{0}' needs the form NAME:VERSION with a version from 1 on")]
    Version(String),
    /// A digest that is not 64 lower-case hexadecimal characters.
    #[error("digest '{0}' must be 'sha256:' followed by 64 lower-case hexadecimal characters")]
    Digest(String),
}

impl From<IdError> for crate::Failure {
    fn from(error: IdError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Name of a service: `^[a-z]([-a-z0-9]*[a-z0-9])?$`, 3-32 characters (the Azure rule).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Equal, ordered and hashed as its text, so that a table of names is looked up by text.
impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        if fits_name(name) { Ok(Self(name.into())) } else { Err(IdError::Service(name.chars().take(64).collect())) }
    }
}

/// The Azure rule for services.
fn fits_name(name: &str) -> bool {
    name.len() >= 3 && fits_version(name)
}

/// The Azure rule for versions, without its shortest length: `v2` is what people call them.
fn fits_version(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a version of a service: as a service's but possibly shorter, or a whole number from 1 on (the habit of the Open
/// Inference Protocol).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionName(Arc<str>);

impl VersionName {
    /// "1": the version of a service that has only one.
    #[must_use]
    pub fn first() -> Self {
        Self("1".into())
    }

    /// The name as text.
    #[must_use]
    pub const fn as_str(&self) -> &Arc<str> {
        &self.0
    }
}

impl FromStr for VersionName {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        let number =
            (1..=9).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_digit()) && !name.starts_with('0');
        if number || fits_version(name) {
            return Ok(Self(name.into()));
        }
        Err(IdError::VersionName(name.chars().take(64).collect()))
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Name of a registered model: 1-255 characters of letters, digits, `-`, `_`, `.`; first a letter or a digit, so
/// that it can never be a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(Arc<str>);

impl ModelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModelName {
    type Err = IdError;

    fn from_str(name: &str) -> Result<Self, IdError> {
        let fits = (1..=255).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if fits { Ok(Self(name.into())) } else { Err(IdError::Model(name.chars().take(64).collect())) }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `name:version` of a registered model; versions count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId {
    /// The model's name.
    pub name: ModelName,
    /// The version, from 1 on.
    pub version: u32,
}

impl FromStr for ModelId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Version(text.chars().take(64).collect());
        let (name, version) = text.split_once(':').ok_or_else(wrong)?;
        let version = version.parse().ok().filter(|version| *version > 0).ok_or_else(wrong)?;
        Ok(Self { name: name.parse()?, version })
    }
}

impl fmt::Display for ModelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.version)
    }
}

/// SHA-256 of stored content; shown as `sha256:` and 64 hexadecimal characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal characters, without the prefix.
    #[must_use]
    pub fn hex(&self) -> String {
        use fmt::Write;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl FromStr for Digest {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Digest(text.chars().take(80).collect());
        let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or_else(wrong)?.as_bytes();
        let nibble = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(wrong()),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
