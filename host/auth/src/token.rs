//! Tokens: what is in one, and whether it is good.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation};
use scorehost_core::Secret;
use serde::{Deserialize, Serialize};

use crate::keyset::KeySet;

/// Clocks of issuers and of this host may differ by so many seconds.
pub(crate) const SKEW: u64 = 60;

/// Longest token that is looked at, in bytes.
const LONGEST: usize = 8 << 10;

/// A token as its caller gets it. Its type is `Bearer`.
#[derive(Clone, Debug)]
pub struct Token {
    /// What to send.
    pub access_token: Secret,
    /// Unix time after which the caller should get a new one, in seconds.
    pub refresh_after: u64,
    /// Unix time at which it ends, in seconds.
    pub expiry_on: u64,
}

/// The claims of this host's own tokens.
#[derive(Serialize)]
pub(crate) struct OwnClaims<'a> {
    pub(crate) iss: &'a str,
    pub(crate) sub: &'a str,
    pub(crate) aud: &'a str,
    pub(crate) iat: u64,
    pub(crate) exp: u64,
    pub(crate) jti: &'a str,
}

/// Why a token is not good, as its caller reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// No token at all.
    Form(&'static str),
    /// Of an issuer that this host does not know.
    Issuer(String),
    /// Signed with a key that the issuer does not publish.
    Key,
    /// With an algorithm that its key is not for.
    Algorithm,
    /// The signature is another's, or of other content.
    Signature,
    /// A claim that it must have is missing or of another type.
    Claim(&'static str),
    Expired {
        ago: u64,
    },
    /// Good only in the future.
    Early {
        seconds: u64,
    },
    /// For someone else.
    Audience,
    /// The issuer's keys could not be had.
    NoKeys(String),
}

impl Flaw {
    /// Whether whoever made the token had no key: only these count as guesses.
    pub(crate) const fn is_forged(&self) -> bool {
        matches!(self, Self::Form(_) | Self::Issuer(_) | Self::Key | Self::Algorithm | Self::Signature)
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(what) => write!(f, "it is no signed JSON Web Token ({what})"),
            Self::Issuer(issuer) => write!(f, "this host does not accept tokens of issuer '{issuer}'"),
            Self::Key => f.write_str("the key that signed it is not, or no longer, published by its issuer"),
            Self::Algorithm => f.write_str("its algorithm is not one that its issuer's key is for"),
            Self::Signature => f.write_str("its signature is wrong"),
            Self::Claim(claim) => write!(f, "its claim '{claim}' is missing or has another type than expected"),
            Self::Expired { ago } => write!(f, "it expired {ago} s ago"),
            Self::Early { seconds } => write!(f, "it is good only from {seconds} s on"),
            Self::Audience => f.write_str("it is for another audience"),
            Self::NoKeys(issuer) => write!(f, "the keys of issuer '{issuer}' cannot be had at the moment"),
        }
    }
}

/// A token that is good, for whichever of its audiences.
#[derive(Debug)]
pub(crate) struct Verified {
    /// `token:<subject>`
    pub(crate) name: Arc<str>,
    pub(crate) audiences: Vec<String>,
    /// Unix seconds.
    pub(crate) expires: u64,
    /// Unix seconds before which it is not good yet.
    pub(crate) from: u64,
    /// Place of its issuer; `None` is this host.
    pub(crate) issuer: Option<usize>,
}

impl Verified {
    /// Whether it is good now.
    pub(crate) fn check_time(&self, now: u64) -> Result<(), Flaw> {
        if now >= self.expires.saturating_add(SKEW) {
            return Err(Flaw::Expired { ago: now - self.expires });
        }
        if self.from > now.saturating_add(SKEW) {
            return Err(Flaw::Early { seconds: self.from - now });
        }
        Ok(())
    }
}

/// A token taken apart, nothing of it believed yet.
pub(crate) struct Unverified<'a> {
    text: &'a str,
    pub(crate) kid: Option<String>,
    algorithm: Algorithm,
    claims: Claims,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood; this host understands none.
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Deserialize)]
struct Claims {
    iss: Option<String>,
    sub: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl<'a> Unverified<'a> {
    /// Takes a token apart.
    pub(crate) fn read(text: &'a str) -> Result<Self, Flaw> {
        if text.len() > LONGEST {
            return Err(Flaw::Form("it is longer than 8 KiB"));
        }
        let mut parts = text.split('.');
        let (Some(head), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(Flaw::Form("it has not three parts"));
        };
        let head: Head = part(head).ok_or(Flaw::Form("its head cannot be read"))?;
        if head.crit.is_some() {
            return Err(Flaw::Form("it has critical extensions"));
        }
        // "none" is no algorithm of the library either: an unsigned token ends here.
        let algorithm = head.alg.parse().map_err(|_| Flaw::Algorithm)?;
        let claims = part(claims).ok_or(Flaw::Form("its claims cannot be read"))?;
        Ok(Self { text, kid: head.kid, algorithm, claims })
    }

    /// Who says to have issued it.
    pub(crate) fn issuer(&self) -> &str {
        self.claims.iss.as_deref().unwrap_or_default()
    }

    /// Verifies the signature with the issuer's keys, and reads the claims.
    pub(crate) fn verify(&self, keys: &KeySet, issuer: Option<usize>) -> Result<Verified, Flaw> {
        let key = keys.find(self.kid.as_deref()).ok_or(Flaw::Key)?;
        if !key.algorithms.contains(&self.algorithm) {
            return Err(Flaw::Algorithm);
        }
        let mut validation = Validation::new(self.algorithm);
        // Only the signature is checked there: times and audience are checked here, with the host's own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        let verified = jsonwebtoken::decode::<Claims>(self.text, &key.key, &validation);
        self.claimed(verified.map_err(|_| Flaw::Signature)?.claims, issuer)
    }

    fn claimed(&self, claims: Claims, issuer: Option<usize>) -> Result<Verified, Flaw> {
        let subject = claims.sub.filter(|sub| !sub.is_empty() && sub.len() <= 255).ok_or(Flaw::Claim("sub"))?;
        let audiences = match claims.aud.ok_or(Flaw::Claim("aud"))? {
            Audience::One(audience) => vec![audience],
            Audience::Many(audiences) => audiences,
        };
        Ok(Verified {
            name: format!("token:{subject}").into(),
            audiences,
            expires: seconds(claims.exp.ok_or(Flaw::Claim("exp"))?).ok_or(Flaw::Claim("exp"))?,
            from: claims.nbf.map_or(Some(0), seconds).ok_or(Flaw::Claim("nbf"))?,
            issuer,
        })
    }
}

/// JSON in base64url.
fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// A NumericDate (RFC 7519): seconds, which may have a fraction.
fn seconds(date: f64) -> Option<u64> {
    (date.is_finite() && (0.0..1e15).contains(&date)).then_some(date as u64)
}
