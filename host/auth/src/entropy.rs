//! Secrets from the system's random numbers.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use scorehost_core::Secret;

use crate::AuthError;

/// Random bytes; injected, so that tests know what they get.
pub(crate) type Entropy = fn(&mut [u8]) -> Result<(), AuthError>;

/// The system's.
pub(crate) fn system(bytes: &mut [u8]) -> Result<(), AuthError> {
    getrandom::fill(bytes).map_err(|error| AuthError::Entropy { reason: error.to_string() })
}

/// 32 random bytes as 43 characters that need no escape anywhere, behind `prefix`.
pub(crate) fn secret(entropy: Entropy, prefix: &str) -> Result<Secret, AuthError> {
    let mut bytes = [0; 32];
    entropy(&mut bytes)?;
    Ok(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// A new key of a service: 256 random bits as 43 characters.
///
/// # Errors
/// Where the system has no random numbers.
pub fn new_key() -> Result<Secret, AuthError> {
    secret(system, "")
}
