//! What an operator can set.

use std::path::PathBuf;
use std::time::Duration;

use crate::{AuthError, IssuerConfig};

/// Tokens, issuers and limits.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Folder for credentials and signing keys; made where it does not exist, readable by its owner only.
    pub dir: PathBuf,
    /// How long a token of this host is good; 5 minutes to 7 days. Callers are told to get a new one after 5/6 of it.
    pub token_lifetime: Duration,
    /// How long a key signs tokens before the next one does; at least an hour.
    pub key_rotation: Duration,
    /// Different wrong credentials from one address within [`AuthConfig::window`] after which the address is refused; 0 never
    /// refuses.
    pub failed_attempts: u32,
    /// Time in which wrong credentials are counted, and for which an address is then refused.
    pub window: Duration,
    /// Other issuers whose tokens are accepted.
    pub issuers: Vec<IssuerConfig>,
    /// Certificates (PEM) that issuers' servers are trusted by, instead of the public ones.
    pub issuer_ca: Option<PathBuf>,
    /// File with the credential of an administrator, instead of one that is made on the first start.
    pub admin_token_file: Option<PathBuf>,
}

impl AuthConfig {
    /// Tokens of 12 hours, signing keys of 30 days, 20 wrong credentials in a minute, no other issuer.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            token_lifetime: Duration::from_secs(12 * 3600),
            key_rotation: Duration::from_secs(30 * 86_400),
            failed_attempts: 20,
            window: Duration::from_secs(60),
            issuers: Vec::new(),
            issuer_ca: None,
            admin_token_file: None,
        }
    }

    /// Checks everything that can be checked before a file is touched.
    ///
    /// # Errors
    /// A time outside its range, or an issuer given twice.
    pub fn validate(&self) -> Result<(), AuthError> {
        let lifetime = self.token_lifetime.as_secs();
        if !(300..=7 * 86_400).contains(&lifetime) {
            return Err(AuthError::Setting {
                name: "token lifetime",
                value: lifetime,
                expected: "300 to 604800 seconds",
            });
        }
        let rotation = self.key_rotation.as_secs();
        if rotation < 3600 {
            return Err(AuthError::Setting {
                name: "key rotation",
                value: rotation,
                expected: "at least 3600 seconds",
            });
        }
        if self.window.is_zero() {
            return Err(AuthError::Setting {
                name: "window of failed attempts",
                value: 0,
                expected: "at least 1 second",
            });
        }
        let issuer = |index: usize| &self.issuers[index].issuer;
        for second in 1..self.issuers.len() {
            if (0..second).any(|first| issuer(first) == issuer(second)) {
                return Err(AuthError::Issuer {
                    given: issuer(second).clone(),
                    reason: "it is given twice".to_owned(),
                });
            }
        }
        Ok(())
    }
}
