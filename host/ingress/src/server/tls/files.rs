//! Reads the files of TLS and says exactly what is wrong with them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// Bytes of a file at most: chains are a few kilobytes, bundles of authorities a few hundred.
const LARGEST: u64 = 4 << 20;

/// Reads a whole file of bounded size.
pub(super) fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |cause| TlsError::Read { what, path: path.to_owned(), cause };
    let mut content = Vec::new();
    File::open(path).map_err(failed)?.take(LARGEST + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > LARGEST {
        return Err(failed(io::Error::other(format!("it is larger than {} MiB", LARGEST >> 20))));
    }
    Ok(content)
}

/// All certificates of a PEM file; at least one.
pub(crate) fn certificates(
    what: &'static str,
    path: &Path,
    content: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(content).collect();
    let parsed =
        parsed.map_err(|error| TlsError::Damaged { what, path: path.to_owned(), reason: error.to_string() })?;
    if parsed.is_empty() {
        let found = sections(content).iter().any(|kind| is_key(*kind)).then_some("a private key");
        let found = found.or_else(|| looks_like_der(content).then_some("DER"));
        return Err(TlsError::Missing { what, path: path.to_owned(), wanted: "certificate", found });
    }
    Ok(parsed)
}

/// The first private key of a PEM file.
pub(crate) fn private_key(path: &Path, content: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    const WHAT: &str = "private key";
    if is_encrypted(content) {
        return Err(TlsError::Encrypted { path: path.to_owned() });
    }
    match PrivateKeyDer::from_pem_slice(content) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => {
            let found = sections(content).contains(&SectionKind::Certificate).then_some("a certificate");
            let found = found.or_else(|| looks_like_der(content).then_some("DER"));
            Err(TlsError::Missing { what: WHAT, path: path.to_owned(), wanted: WHAT, found })
        }
        Err(error) => Err(TlsError::Damaged { what: WHAT, path: path.to_owned(), reason: error.to_string() }),
    }
}

fn sections(content: &[u8]) -> Vec<SectionKind> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(content).filter_map(|section| Some(section.ok()?.0)).collect()
}

const fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

/// A key behind a password, in the form of PKCS#8 or in OpenSSL's older one.
fn is_encrypted(content: &[u8]) -> bool {
    let contains = |needle: &[u8]| memchr::memmem::find(content, needle).is_some();
    contains(b"BEGIN ENCRYPTED PRIVATE KEY") || contains(b"Proc-Type: 4,ENCRYPTED")
}

/// A DER sequence with a length of two bytes, as certificates and keys begin.
fn looks_like_der(content: &[u8]) -> bool {
    content.starts_with(&[0x30, 0x82]) || content.starts_with(&[0x30, 0x81])
}
