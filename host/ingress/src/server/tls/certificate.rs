//! What a certificate says: whose it is, for which names, and until when.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

use super::TlsError;

/// A warning comes this long before the end, or when a third of a short life is left.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// A certificate in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The subject's distinguished name.
    pub subject: String,
    /// DNS names and addresses that it is valid for.
    pub names: Vec<String>,
    /// Valid from.
    pub not_before: SystemTime,
    /// Valid until.
    pub not_after: SystemTime,
    /// SHA-256 of its DER form, in pairs of hexadecimal digits.
    pub fingerprint: String,
}

impl Certificate {
    /// Reads a certificate's own statements.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let validity = parsed.validity();
        Ok(Self {
            subject: parsed.subject().to_string(),
            names: names(&parsed),
            not_before: system_time(validity.not_before),
            not_after: system_time(validity.not_after),
            fingerprint: fingerprint(der),
        })
    }

    /// Whether its end is near enough that somebody should act.
    #[must_use]
    pub fn ends_soon(&self, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.left(now) < SOON.min(life / 3)
    }

    /// Time until it ends; zero when it is over.
    #[must_use]
    pub fn left(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Its first name, or its subject where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.names.first().unwrap_or(&self.subject)
    }
}

/// The certificates of a chain, each valid now.
pub(super) fn valid(path: &Path, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<Vec<Certificate>, TlsError> {
    chain.iter().map(|der| in_time(path, der, now)).collect()
}

fn in_time(path: &Path, der: &[u8], now: SystemTime) -> Result<Certificate, TlsError> {
    let path = || path.to_owned();
    let damaged = |reason| TlsError::Damaged { what: "certificate", path: path(), reason };
    let certificate = Certificate::read(der).map_err(damaged)?;
    let subject = certificate.subject.clone();
    if now < certificate.not_before {
        return Err(TlsError::NotYet { path: path(), subject, from: shown(certificate.not_before) });
    }
    if now > certificate.not_after {
        return Err(TlsError::Expired { path: path(), subject, at: shown(certificate.not_after) });
    }
    Ok(certificate)
}

/// The distinguished name of a certificate's subject.
pub(super) fn subject(der: &[u8]) -> Option<String> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate.subject().to_string())
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some((*name).to_owned()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four: Result<[u8; 4], _> = bytes.try_into();
    let sixteen: Result<[u8; 16], _> = bytes.try_into();
    match (four, sixteen) {
        (Ok(four), _) => Some(std::net::Ipv4Addr::from(four).to_string()),
        (_, Ok(sixteen)) => Some(std::net::Ipv6Addr::from(sixteen).to_string()),
        _ => None,
    }
}

fn fingerprint(der: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    moved.unwrap_or(UNIX_EPOCH)
}

/// A moment as people read it.
pub(super) fn shown(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = ASN1Time::from_timestamp(i64::try_from(seconds).unwrap_or(i64::MAX));
    time.map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}
