//! From files to what a handshake needs.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};

use super::certificate::{self, Certificate};
use super::{TlsError, files};
use crate::config::{ClientCertificates, TlsConfig, TlsVersion};

/// Sessions of TLS 1.2 callers that cannot keep a ticket.
const SESSIONS: usize = 4096;

/// What a handshake needs, made of one state of the files.
pub(super) struct Loaded {
    pub(super) config: Arc<ServerConfig>,
    /// The chain, the host's own certificate first.
    pub(super) chain: Vec<Certificate>,
    contents: Contents,
    resumption: Resumption,
}

/// Digests of the files' contents.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Contents {
    certificate: [u8; 32],
    key: [u8; 32],
    authorities: Option<[u8; 32]>,
}

/// What lets callers come back without a whole handshake.
#[derive(Clone)]
struct Resumption {
    tickets: Arc<dyn ProducesTickets>,
    sessions: Arc<dyn StoresServerSessions>,
}

struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authorities: Option<Vec<u8>>,
}

impl Files {
    fn read(config: &TlsConfig) -> Result<Self, TlsError> {
        let authorities = config.clients.as_ref();
        Ok(Self {
            certificate: files::read("certificate", &config.certificate)?,
            key: files::read("private key", &config.key)?,
            authorities: authorities.map(|clients| files::read(AUTHORITIES, &clients.authorities)).transpose()?,
        })
    }

    fn contents(&self) -> Contents {
        let digest = |content: &Vec<u8>| Sha256::digest(content).into();
        Contents {
            certificate: digest(&self.certificate),
            key: digest(&self.key),
            authorities: self.authorities.as_ref().map(digest),
        }
    }
}

const AUTHORITIES: &str = "file of client authorities";

impl Loaded {
    /// Reads and checks everything.
    pub(super) fn new(config: &TlsConfig, now: SystemTime) -> Result<Self, TlsError> {
        Self::of(config, &Files::read(config)?, None, now)
    }

    /// What the files hold now; `None` where they did not change.
    pub(super) fn renewed(&self, config: &TlsConfig, now: SystemTime) -> Result<Option<Self>, TlsError> {
        let files = Files::read(config)?;
        if files.contents() == self.contents {
            return Ok(None);
        }
        Self::of(config, &files, Some(self), now).map(Some)
    }

    fn of(config: &TlsConfig, files: &Files, former: Option<&Self>, now: SystemTime) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let der = files::certificates("certificate", &config.certificate, &files.certificate)?;
        let key = files::private_key(&config.key, &files.key)?;
        let chain = certificate::valid(&config.certificate, &der, now)?;
        let certified = CertifiedKey::from_der(der, key, &provider).map_err(|error| unusable_key(config, error))?;
        let contents = files.contents();
        // A ticket vouches for the client certificate of its first handshake, so other authorities need other tickets.
        let kept = former.filter(|former| former.contents.authorities == contents.authorities);
        let resumption = match kept {
            Some(former) => former.resumption.clone(),
            None => Resumption::new(config)?,
        };
        let unusable = |error: rustls::Error| unusable(&config.certificate, &error);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions(config.minimum)).map_err(unusable)?;
        let builder = match (&config.clients, &files.authorities) {
            (Some(clients), Some(content)) => builder.with_client_cert_verifier(verifier(clients, content, provider)?),
            _ => builder.with_no_client_auth(),
        };
        let mut made = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        made.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        made.ticketer = Arc::clone(&resumption.tickets);
        made.session_storage = Arc::clone(&resumption.sessions);
        Ok(Self { config: Arc::new(made), chain, contents, resumption })
    }
}

impl Resumption {
    fn new(config: &TlsConfig) -> Result<Self, TlsError> {
        let tickets = ring::Ticketer::new().map_err(|error| unusable(&config.key, &error))?;
        Ok(Self { tickets, sessions: ServerSessionMemoryCache::new(SESSIONS) })
    }
}

fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
    match minimum {
        TlsVersion::V12 => &BOTH,
        TlsVersion::V13 => &BOTH[..1],
    }
}

fn verifier(
    clients: &ClientCertificates,
    content: &[u8],
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let path = &clients.authorities;
    let roots = Arc::new(roots(path, files::certificates(AUTHORITIES, path, content)?)?);
    let builder = WebPkiClientVerifier::builder_with_provider(roots, provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| TlsError::Unusable { path: path.clone(), reason: error.to_string() })
}

fn roots(path: &Path, certificates: Vec<CertificateDer<'static>>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        let damaged = |error: rustls::Error| TlsError::Damaged {
            what: AUTHORITIES,
            path: path.to_owned(),
            reason: error.to_string(),
        };
        roots.add(certificate).map_err(damaged)?;
    }
    Ok(roots)
}

fn unusable_key(config: &TlsConfig, error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            TlsError::Mismatch { certificate: config.certificate.clone(), key: config.key.clone() }
        }
        error => unusable(&config.key, &error),
    }
}

fn unusable(path: &Path, error: &rustls::Error) -> TlsError {
    TlsError::Unusable { path: path.to_owned(), reason: error.to_string() }
}
