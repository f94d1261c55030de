//! A certificate for development, made once and kept.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};

use super::certificate::Certificate;
use super::load::Loaded;
use super::{TlsError, files};
use crate::config::TlsConfig;

/// Browsers refuse certificates of more than 825 days.
const LIFE: Duration = Duration::from_secs(800 * 24 * 3600);

/// Clocks of callers may be behind.
const BEFORE: Duration = Duration::from_secs(24 * 3600);

/// A certificate that this host made for itself.
#[derive(Clone, Debug)]
pub struct SelfSigned {
    /// PEM file of the certificate, which callers trust by naming it.
    pub certificate: PathBuf,
    /// PEM file of its key, readable by its owner only.
    pub key: PathBuf,
    /// What the certificate says.
    pub described: Certificate,
}

/// The certificate kept in `directory`; makes one for `localhost`, the loopback addresses and `names` where there is
/// none or it is about to end.
///
/// # Errors
/// Where the files cannot be written.
pub fn self_signed(directory: &Path, names: &[String], now: SystemTime) -> Result<SelfSigned, TlsError> {
    let (certificate, key) = (directory.join("self-signed-cert.pem"), directory.join("self-signed-key.pem"));
    if let Some(described) = kept(&certificate, &key, now) {
        return Ok(SelfSigned { certificate, key, described });
    }
    let failed = |reason: String| TlsError::SelfSigned { directory: directory.to_owned(), reason };
    let (pem, key_pem) = made(names, now).map_err(|error| failed(error.to_string()))?;
    fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
    write_secret(&key, &key_pem).map_err(|error| failed(error.to_string()))?;
    write_secret(&certificate, &pem).map_err(|error| failed(error.to_string()))?;
    let der = files::certificates("certificate", &certificate, pem.as_bytes())?;
    let described = der.first().map(|der| Certificate::read(der)).unwrap_or_else(|| Err("it is empty".to_owned()));
    Ok(SelfSigned { certificate, key, described: described.map_err(failed)? })
}

/// What was made earlier, where it still works for a while.
fn kept(certificate: &Path, key: &Path, now: SystemTime) -> Option<Certificate> {
    let config = TlsConfig::new(certificate.to_owned(), key.to_owned());
    let loaded = Loaded::new(&config, now).ok()?;
    loaded.chain.into_iter().next().filter(|own| !own.ends_soon(now))
}

fn made(names: &[String], now: SystemTime) -> Result<(String, String), rcgen::Error> {
    let mut all = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    all.extend(names.iter().filter(|name| is_host_name(name)).cloned());
    all.dedup();
    let mut params = CertificateParams::new(all)?;
    params.not_before = (now - BEFORE).into();
    params.not_after = (now + LIFE).into();
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "scorehost, self-signed");
    let key = KeyPair::generate()?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn is_host_name(name: &str) -> bool {
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    name != "localhost" && name.len() < 254 && name.split('.').all(label)
}

/// Replaces a file in one step; only its owner can read it.
fn write_secret(path: &Path, content: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    let _ = fs::remove_file(&draft);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}
