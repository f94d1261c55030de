//! Public keys that tokens are verified with, and which algorithm each of them is for.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

/// RSA keys below this many bits can be broken.
const RSA_BITS: usize = 2048;

/// Keys of one set at most.
const KEYS: usize = 64;

/// One public key.
pub(crate) struct PublicKey {
    pub(crate) kid: Option<String>,
    pub(crate) key: DecodingKey,
    /// What it may verify. The key decides, never the token: a token cannot have its RSA key taken for an HMAC secret.
    pub(crate) algorithms: Vec<Algorithm>,
    /// The key as it was published, to find out whether it still is.
    pub(crate) published: String,
}

/// The keys of one issuer.
#[derive(Default)]
pub(crate) struct KeySet(Vec<PublicKey>);

impl KeySet {
    pub(crate) const fn new(keys: Vec<PublicKey>) -> Self {
        Self(keys)
    }

    /// The keys of a JWKS document (RFC 7517). Keys of kinds that are not offered, for encryption, or too short are left
    /// out: one odd key must not lock out all tokens.
    pub(crate) fn parse(content: &[u8]) -> Result<Self, String> {
        let document: Value = serde_json::from_slice(content).map_err(|error| format!("no JSON: {error}"))?;
        let keys = document.get("keys").and_then(Value::as_array).ok_or("no JWKS: it has no list 'keys'")?;
        let keys: Vec<PublicKey> = keys.iter().take(KEYS).filter_map(public_key).collect();
        if keys.is_empty() {
            Err("no key in it is an RSA, EC or Ed25519 key for signatures".to_owned())
        } else {
            Ok(Self(keys))
        }
    }

    /// The key of a token: the one it names, or the only one where it names none.
    pub(crate) fn find(&self, kid: Option<&str>) -> Option<&PublicKey> {
        match (kid, self.0.as_slice()) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }

    /// Whether a key of this set is missing in `other`.
    pub(crate) fn loses_any_in(&self, other: &Self) -> bool {
        !self.0.iter().all(|mine| other.0.iter().any(|theirs| mine.published == theirs.published))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn public_key(value: &Value) -> Option<PublicKey> {
    let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
    let common = &jwk.common;
    let signs = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let algorithms = algorithms(&jwk).filter(|_| signs)?;
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some(PublicKey { kid: common.key_id.clone(), key, algorithms, published: value.to_string() })
}

/// What a key may verify: all that its kind can, or what it says itself.
fn algorithms(jwk: &Jwk) -> Option<Vec<Algorithm>> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let kind = match &jwk.algorithm {
        AlgorithmParameters::RSA(key) if modulus_bits(&key.n) >= RSA_BITS => {
            vec![RS256, RS384, RS512, PS256, PS384, PS512]
        }
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => vec![ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => vec![ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 && key.x.len() == 43 => {
            vec![EdDSA]
        }
        _ => return None,
    };
    let Some(own) = jwk.common.key_algorithm else { return Some(kind) };
    let own = (own != KeyAlgorithm::UNKNOWN_ALGORITHM).then(|| Algorithm::try_from(own).ok()).flatten()?;
    kind.contains(&own).then(|| vec![own])
}

/// Bits of an RSA modulus in base64url.
fn modulus_bits(n: &str) -> usize {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(n).unwrap_or_default();
    let leading = bytes.iter().take_while(|byte| **byte == 0).count();
    (bytes.len() - leading) * 8
}
