//! Doors for the fuzz targets of `fuzz/`: each takes bytes as a stranger, an issuer or a damaged disk could send them.

use std::path::Path;

use crate::keyset::KeySet;
use crate::token::Unverified;
use crate::{credentials, issuer, signing};

/// A published key (RFC 8037, appendix A.2) that every token is tried against.
const JWKS: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// A token; none of which the key above did not sign is good.
pub fn token(text: &str) {
    let (Ok(token), Ok(keys)) = (Unverified::read(text), KeySet::parse(JWKS)) else { return };
    let _ = token.issuer();
    if let Ok(verified) = token.verify(&keys, None) {
        let _ = (verified.check_time(0), verified.check_time(u64::MAX));
    }
}

/// An issuer's published keys.
pub fn jwks(content: &[u8]) {
    if let Ok(keys) = KeySet::parse(content) {
        assert!(keys.find(None).is_none() || keys.len() == 1, "only an only key needs no name");
    }
}

/// An issuer as the command line gives it.
pub fn issuer(text: &str) {
    let _ = text.parse::<issuer::IssuerConfig>();
}

/// The files of management credentials and of signing keys.
pub fn files(content: &[u8]) {
    let path = Path::new("fuzzed.json");
    let _ = (credentials::decode(path, content), signing::decode(path, content));
}
