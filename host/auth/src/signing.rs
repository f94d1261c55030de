//! The keys that this host signs its tokens with: one signs, those before it still verify until their last token has ended.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use arc_swap::ArcSwap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use parking_lot::Mutex;
use scorehost_core::Clock;
use serde::{Deserialize, Serialize};

use crate::AuthError;
use crate::credentials::hash;
use crate::entropy::Entropy;
use crate::files::{read, write_private};
use crate::keyset::{KeySet, PublicKey};
use crate::token::{OwnClaims, SKEW};

/// Layout of the file.
const FORMAT: u32 = 1;

/// What stands before the 32 secret bytes in a PKCS #8 document of an Ed25519 key (RFC 8410).
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// How the keys are used.
pub(crate) struct SigningConfig {
    pub(crate) lifetime: Duration,
    pub(crate) rotation: Duration,
}

/// The signing keys of one host.
pub(crate) struct SigningKeys {
    path: PathBuf,
    config: SigningConfig,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    ring: ArcSwap<Ring>,
    change: Mutex<()>,
}

/// Keys, the one that signs first.
struct Ring {
    keys: Vec<Arc<Key>>,
    verifying: KeySet,
    jwks: Arc<str>,
}

pub(crate) struct Key {
    kid: String,
    secret: [u8; 32],
    encoding: EncodingKey,
    public: Jwk,
    created: u64,
    /// Unix seconds since which another key signs.
    retired: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    keys: Vec<KeyDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyDocument {
    kid: String,
    ed25519: String,
    created: u64,
    retired: Option<u64>,
}

impl SigningKeys {
    /// Reads the keys, or makes the first one.
    pub(crate) fn open(
        folder: &Path,
        config: SigningConfig,
        clock: Arc<dyn Clock>,
        entropy: Entropy,
    ) -> Result<Self, AuthError> {
        let path = folder.join("signing-keys.json");
        let keys = read(&path)?.map(|content| decode(&path, &content)).transpose()?.unwrap_or_default();
        let first = keys.is_empty();
        let signing =
            Self { path, config, clock, entropy, ring: ArcSwap::from_pointee(ring(keys)?), change: Mutex::new(()) };
        if first {
            signing.rotate(false)?;
        }
        Ok(signing)
    }

    /// Signs; makes a new key first where the present one has signed long enough.
    pub(crate) fn sign(&self, claims: &OwnClaims<'_>) -> Result<String, AuthError> {
        if self.is_due()
            && let Err(error) = self.rotate_if(false, true)
        {
            tracing::warn!(%error, "tokens are signed with the former key, because no new one could be made");
        }
        let ring = self.ring.load();
        let key = ring.keys.first().ok_or(AuthError::Signing { reason: "there is no key".to_owned() })?;
        let head = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&head, claims, &key.encoding).map_err(signing)
    }

    /// Lets a new key sign. The former ones verify until the last token they signed has ended, or no longer where tokens are
    /// revoked. Returns the new key's id.
    pub(crate) fn rotate(&self, revoke: bool) -> Result<String, AuthError> {
        self.rotate_if(revoke, false)
    }

    fn rotate_if(&self, revoke: bool, only_due: bool) -> Result<String, AuthError> {
        let _one_at_a_time = self.change.lock();
        let former = self.ring.load_full();
        if let (true, false, Some(first)) = (only_due, self.is_due(), former.keys.first()) {
            return Ok(first.kid.clone());
        }
        let now = self.now();
        let mut secret = [0; 32];
        (self.entropy)(&mut secret)?;
        let new = Arc::new(Key::new(secret, now, None)?);
        let kid = new.kid.clone();
        let kept = former
            .keys
            .iter()
            .filter(|key| !revoke && self.still_verifies(key, now))
            .map(|key| Key::new(key.secret, key.created, key.retired.or(Some(now))).map(Arc::new));
        let keys = std::iter::once(Ok(new)).chain(kept).collect::<Result<Vec<_>, _>>()?;
        write_private(&self.path, &encode(&keys))?;
        self.ring.store(Arc::new(ring(keys)?));
        tracing::info!(key = kid, revoked = revoke, "tokens are signed with a new key");
        Ok(kid)
    }

    /// Uses the keys that verify.
    pub(crate) fn verifying<T>(&self, verify: impl FnOnce(&KeySet) -> T) -> T {
        verify(&self.ring.load().verifying)
    }

    /// The public keys as JWKS (RFC 7517).
    pub(crate) fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.ring.load().jwks)
    }

    fn is_due(&self) -> bool {
        let age = |key: &Arc<Key>| self.now().saturating_sub(key.created);
        self.ring.load().keys.first().is_none_or(|key| age(key) >= self.config.rotation.as_secs())
    }

    fn still_verifies(&self, key: &Key, now: u64) -> bool {
        key.retired.is_none_or(|retired| retired + self.config.lifetime.as_secs() + SKEW > now)
    }

    fn now(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

impl Key {
    fn new(secret: [u8; 32], created: u64, retired: Option<u64>) -> Result<Self, AuthError> {
        let encoding = EncodingKey::from_ed_der(&[PKCS8.as_slice(), &secret].concat());
        let mut public = Jwk::from_encoding_key(&encoding, Algorithm::EdDSA).map_err(signing)?;
        let AlgorithmParameters::OctetKeyPair(pair) = &public.algorithm else {
            return Err(AuthError::Signing { reason: "the new key is of another kind".to_owned() });
        };
        let kid = URL_SAFE_NO_PAD.encode(&hash(&pair.x)[..12]);
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        Ok(Self { kid, secret, encoding, public, created, retired })
    }
}

fn ring(keys: Vec<Arc<Key>>) -> Result<Ring, AuthError> {
    let public = |key: &Arc<Key>| {
        let decoding = DecodingKey::from_jwk(&key.public).map_err(signing)?;
        let published = key.kid.clone();
        Ok(PublicKey { kid: Some(key.kid.clone()), key: decoding, algorithms: vec![Algorithm::EdDSA], published })
    };
    let verifying = KeySet::new(keys.iter().map(public).collect::<Result<_, AuthError>>()?);
    let jwks = serde_json::json!({ "keys": keys.iter().map(|key| &key.public).collect::<Vec<_>>() });
    Ok(Ring { verifying, jwks: jwks.to_string().into(), keys })
}

fn encode(keys: &[Arc<Key>]) -> Vec<u8> {
    let key = |key: &Arc<Key>| KeyDocument {
        kid: key.kid.clone(),
        ed25519: URL_SAFE_NO_PAD.encode(key.secret),
        created: key.created,
        retired: key.retired,
    };
    let document = Document { format: FORMAT, keys: keys.iter().map(key).collect() };
    serde_json::to_vec_pretty(&document).unwrap_or_default()
}

pub(crate) fn decode(path: &Path, content: &[u8]) -> Result<Vec<Arc<Key>>, AuthError> {
    let damaged = |reason: String| AuthError::Damaged { path: path.to_owned(), reason };
    let document: Document = serde_json::from_slice(content).map_err(|error| damaged(error.to_string()))?;
    if document.format != FORMAT {
        return Err(damaged(format!("it has format {}, this version reads {FORMAT}", document.format)));
    }
    let key = |key: KeyDocument| {
        let secret = URL_SAFE_NO_PAD.decode(&key.ed25519).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let secret = secret.ok_or_else(|| damaged(format!("key {} is not 32 bytes", key.kid)))?;
        let made = Key::new(secret, key.created, key.retired)?;
        if made.kid == key.kid { Ok(Arc::new(made)) } else { Err(damaged(format!("key {} is another key", key.kid))) }
    };
    document.keys.into_iter().map(key).collect()
}

fn signing(error: jsonwebtoken::errors::Error) -> AuthError {
    AuthError::Signing { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
