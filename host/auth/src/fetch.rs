//! Documents of issuers, fetched over HTTPS.

use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{PemItem, RootCerts, TlsConfig};

use crate::AuthError;

/// Bytes of a document at most.
const LARGEST: u64 = 1 << 20;

/// Longest time of one document.
const PATIENCE: Duration = Duration::from_secs(10);

/// A document, and for how long its server says that it holds.
pub(crate) struct Fetched {
    pub(crate) content: Vec<u8>,
    pub(crate) max_age: Option<Duration>,
}

/// Where documents of issuers come from.
pub(crate) trait Fetch: Send + Sync {
    /// Blocks; the error is for the log.
    fn get(&self, url: &str) -> Result<Fetched, String>;
}

/// Over the network.
pub(crate) struct Web(Agent);

impl Web {
    /// Trusts the public certificate authorities, or those of a PEM file.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, AuthError> {
        let roots = ca.map_or(Ok(RootCerts::WebPki), roots)?;
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Self(config.into()))
    }
}

fn roots(path: &Path) -> Result<RootCerts, AuthError> {
    let content =
        std::fs::read(path).map_err(|cause| AuthError::File { action: "read", path: path.to_owned(), cause })?;
    let certificates: Vec<_> = ureq::tls::parse_pem(&content)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        let reason = "it has no certificate in PEM form".to_owned();
        return Err(AuthError::Damaged { path: path.to_owned(), reason });
    }
    Ok(certificates.into())
}

impl Fetch for Web {
    fn get(&self, url: &str) -> Result<Fetched, String> {
        let answer = self.0.get(url).call().map_err(|error| error.to_string())?;
        let status = answer.status();
        if status != 200 {
            return Err(format!("it answered {status}"));
        }
        let max_age = answer.headers().get("cache-control").and_then(|value| max_age(value.to_str().ok()?));
        let content = answer.into_body().into_with_config().limit(LARGEST).read_to_vec();
        Ok(Fetched { content: content.map_err(|error| error.to_string())?, max_age })
    }
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let seconds = cache_control.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok())?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_how_long_a_document_holds() {
        for (header, expected) in
            [("public, max-age=600", Some(600)), ("max-age=0", Some(0)), ("no-store", None), ("max-age=x", None)]
        {
            assert_eq!(max_age(header), expected.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        assert!(matches!(Web::new(Some(&path)), Err(AuthError::File { .. })));
        std::fs::write(&path, "no certificate").unwrap();
        assert!(matches!(Web::new(Some(&path)), Err(AuthError::Damaged { .. })));
    }
}
