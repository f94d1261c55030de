//! Signatures of components: ed25519 (RFC 8032) over the component's digest.
//!
//! Keys are PEM files as OpenSSL reads and writes them (PKCS #8, SubjectPublicKeyInfo). What is signed is two lines of text,
//! `scorehost component 1` and `sha256:…`, each with a line feed, so that any ed25519 tool can check it. A signature file is one line:
//! `scorehost-signature-1 sha256:… ed25519:<key id> <64 bytes in base64>`.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use scorehost_core::{Digest, ErrorKind, Failure};

use crate::inspect::digest;

const FORMAT: &str = "scorehost-signature-1";
const ALGORITHM: &str = "ed25519:";

/// Why a signature is not accepted, or a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature where one is required.
    #[error("component {0} has no signature, and this host takes only components signed by a trusted key")]
    Missing(Digest),
    /// Signed by somebody else.
    #[error("component {digest} is signed by key {key}, which this host does not trust; it trusts: [{}]", .trusted.join(", "))]
    NotTrusted {
        /// The component.
        digest: Digest,
        /// Id of the key.
        key: String,
        /// Ids of the trusted keys.
        trusted: Vec<String>,
    },
    /// Made for another component.
    #[error("the signature is for component {signed}, this is component {digest}")]
    Other {
        /// What was signed.
        signed: Digest,
        /// What is here.
        digest: Digest,
    },
    /// The key did not sign this.
    #[error("the signature of component {digest} is wrong: key {key} did not make it")]
    Wrong {
        /// The component.
        digest: Digest,
        /// Id of the key that it names.
        key: String,
    },
    /// Not a signature file.
    #[error("this is no signature: {0}")]
    Format(&'static str),
    /// Not a key file.
    #[error("this is no {kind} in PEM: {reason}")]
    Key {
        /// `private key` or `public key`, of ed25519.
        kind: &'static str,
        /// What the parser says.
        reason: String,
    },
}

impl From<SignatureError> for Failure {
    fn from(error: SignatureError) -> Self {
        let refused = !matches!(error, SignatureError::Format(_) | SignatureError::Key { .. });
        let kind = if refused { ErrorKind::Forbidden } else { ErrorKind::InvalidInput };
        let hint = match &error {
            SignatureError::Missing(_) => {
                "sign it with `scorehost scorer sign COMPONENT --key KEY -o COMPONENT.sig`, then deploy with --signature"
            }
            SignatureError::NotTrusted { .. } => {
                "have it signed with a trusted key, or start the host with --trusted-key PUBLIC_KEY"
            }
            SignatureError::Other { .. } | SignatureError::Wrong { .. } => {
                "sign the component again, and deploy the very bytes that were signed"
            }
            SignatureError::Format(_) => {
                "`scorehost scorer sign` makes signatures; docs/reference/capabilities.md has the form"
            }
            SignatureError::Key { .. } => {
                "`scorehost scorer keygen -o KEY` makes a pair; `openssl genpkey -algorithm ed25519`, too"
            }
        };
        Self::new(kind, error.to_string()).with_hint(hint)
    }
}

/// A private key.
pub struct PrivateKey(SigningKey);

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// A signature of one component by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    digest: Digest,
    key: String,
    bytes: [u8; 64],
}

impl PrivateKey {
    /// A new key of the machine's randomness.
    #[must_use]
    pub fn generate() -> Self {
        Self(SigningKey::from_bytes(&rand::random()))
    }

    /// Reads a PKCS #8 PEM file.
    ///
    /// # Errors
    /// [`SignatureError::Key`].
    pub fn from_pem(text: &str) -> Result<Self, SignatureError> {
        let key = SigningKey::from_pkcs8_pem(text);
        key.map(Self).map_err(|error| SignatureError::Key { kind: "ed25519 private key", reason: error.to_string() })
    }

    /// The PKCS #8 PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_pkcs8_pem(LineEnding::LF).map(|text| text.to_string()).unwrap_or_default()
    }

    /// Its other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a component.
    #[must_use]
    pub fn sign(&self, component: &[u8]) -> Signature {
        let digest = digest(component);
        Signature { digest, key: self.public().id(), bytes: self.0.sign(&message(&digest)).to_bytes() }
    }
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo PEM file.
    ///
    /// # Errors
    /// [`SignatureError::Key`].
    pub fn from_pem(text: &str) -> Result<Self, SignatureError> {
        let key = VerifyingKey::from_public_key_pem(text);
        key.map(Self).map_err(|error| SignatureError::Key { kind: "ed25519 public key", reason: error.to_string() })
    }

    /// The SubjectPublicKeyInfo PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).unwrap_or_default()
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the key's 32 bytes.
    #[must_use]
    pub fn id(&self) -> String {
        digest(self.0.as_bytes()).hex()[..16].to_owned()
    }

    /// Checks that this key signed a component of this digest.
    ///
    /// # Errors
    /// [`SignatureError::Other`], [`SignatureError::NotTrusted`] or [`SignatureError::Wrong`].
    pub fn verify(&self, component: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        verify(std::slice::from_ref(self), component, Some(signature)).map(drop)
    }
}

impl Signature {
    /// What it was made for.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Id of the key that it names.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// Checks that one of the trusted keys signed a component; gives that key's id.
///
/// # Errors
/// [`SignatureError`], saying what is missing or wrong.
pub fn verify(
    trusted: &[PublicKey],
    component: &Digest,
    signature: Option<&Signature>,
) -> Result<String, SignatureError> {
    let signature = signature.ok_or(SignatureError::Missing(*component))?;
    if signature.digest != *component {
        return Err(SignatureError::Other { signed: signature.digest, digest: *component });
    }
    let key = trusted.iter().find(|key| key.id() == signature.key).ok_or_else(|| SignatureError::NotTrusted {
        digest: *component,
        key: signature.key.clone(),
        trusted: trusted.iter().map(PublicKey::id).collect(),
    })?;
    let bytes = ed25519_dalek::Signature::from_bytes(&signature.bytes);
    match key.0.verify_strict(&message(component), &bytes) {
        Ok(()) => Ok(signature.key.clone()),
        Err(_) => Err(SignatureError::Wrong { digest: *component, key: signature.key.clone() }),
    }
}

fn message(digest: &Digest) -> Vec<u8> {
    format!("scorehost component 1\n{digest}\n").into_bytes()
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT} {} {ALGORITHM}{} {}", self.digest, self.key, STANDARD.encode(self.bytes))
    }
}

impl FromStr for Signature {
    type Err = SignatureError;

    fn from_str(text: &str) -> Result<Self, SignatureError> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [format, digest, key, bytes] = parts[..] else {
            return Err(SignatureError::Format("expected one line of four words"));
        };
        if format != FORMAT {
            return Err(SignatureError::Format("it does not begin with scorehost-signature-1"));
        }
        let key = key.strip_prefix(ALGORITHM).ok_or(SignatureError::Format("the key is not ed25519"))?;
        let bytes = STANDARD.decode(bytes).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(Self {
            digest: digest.parse().map_err(|_| SignatureError::Format("the second word is no digest"))?,
            key: key.to_owned(),
            bytes: bytes.ok_or(SignatureError::Format("the last word is not 64 bytes in base64"))?,
        })
    }
}

#[cfg(test)]
mod tests;
