use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::*;
use crate::token::{Flaw, Unverified};

/// What stands before the 32 secret bytes of a P-256 key in PKCS #8.
const EC: &[u8] = b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
const ED: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// An issuer in memory: signs with one key at a time, and publishes the present ones.
pub(crate) struct Idp {
    issuer: String,
    generation: AtomicUsize,
    fetches: AtomicUsize,
    failing: AtomicBool,
}

pub(crate) fn claims(issuer: &str, audience: &str, expires: u64) -> Value {
    json!({ "iss": issuer, "sub": "bob", "aud": audience, "exp": expires })
}

impl Idp {
    pub(crate) fn new(issuer: &str) -> Self {
        let (generation, fetches, failing) = (AtomicUsize::new(1), AtomicUsize::default(), AtomicBool::default());
        Self { issuer: issuer.to_owned(), generation, fetches, failing }
    }

    pub(crate) fn rotate(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self) {
        self.failing.store(true, Ordering::SeqCst);
    }

    /// How often the keys were fetched.
    pub(crate) fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn secret(&self) -> [u8; 32] {
        [u8::try_from(self.generation.load(Ordering::SeqCst)).unwrap(); 32]
    }

    fn kid(&self, kind: &str) -> String {
        format!("{kind}-{}", self.generation.load(Ordering::SeqCst))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        let head = Header { kid: Some(self.kid("ec")), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&head, claims, &EncodingKey::from_ec_der(&[EC, &self.secret()].concat())).unwrap()
    }

    /// Tokens whose algorithm is not their key's: the public key as an HMAC secret, and another key's signature.
    pub(crate) fn confused(&self, claims: &Value) -> Vec<String> {
        let public = self.jwks()["keys"][0].clone();
        let hmac = |secret: &[u8]| {
            let head = Header { kid: Some(self.kid("ec")), ..Header::new(Algorithm::HS256) };
            jsonwebtoken::encode(&head, claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        let x = URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
        let head = Header { kid: Some(self.kid("ec")), ..Header::new(Algorithm::EdDSA) };
        let ed = EncodingKey::from_ed_der(&[ED, &self.secret()].concat());
        vec![hmac(&x), hmac(public.to_string().as_bytes()), jsonwebtoken::encode(&head, claims, &ed).unwrap()]
    }

    fn jwks(&self) -> Value {
        let ec = EncodingKey::from_ec_der(&[EC, &self.secret()].concat());
        let mut key = serde_json::to_value(Jwk::from_encoding_key(&ec, Algorithm::ES256).unwrap()).unwrap();
        key["kid"] = self.kid("ec").into();
        key["use"] = "sig".into();
        json!({ "keys": [key, { "kty": "unheard-of", "kid": "odd" }] })
    }
}

impl Fetch for Idp {
    fn get(&self, url: &str) -> Result<Fetched, String> {
        if self.failing.load(Ordering::SeqCst) {
            return Err("it is down".to_owned());
        }
        let document = match url.strip_prefix(&self.issuer) {
            Some("/.well-known/openid-configuration") => {
                json!({ "issuer": self.issuer, "jwks_uri": format!("{}/keys", self.issuer) })
            }
            Some("/keys") => {
                self.fetches.fetch_add(1, Ordering::SeqCst);
                self.jwks()
            }
            _ => return Err(format!("nothing at {url}")),
        };
        Ok(Fetched { content: document.to_string().into_bytes(), max_age: None })
    }
}

#[test]
fn issuers_are_read_and_unsafe_addresses_refused() {
    let parsed: IssuerConfig = "https://a.example/t, api://x ,y:{service},jwks=https://a.example/k".parse().unwrap();
    assert_eq!(parsed.issuer, "https://a.example/t");
    assert_eq!(parsed.audiences, ["api://x", "y:{service}"]);
    assert_eq!(parsed.jwks.as_deref(), Some("https://a.example/k"));
    assert_eq!("https://a".parse::<IssuerConfig>().unwrap().audiences, ["{service}"]);
    for good in ["http://127.0.0.1:9/x", "http://localhost/x", "http://[::1]:9"] {
        assert!(good.parse::<IssuerConfig>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "a.example",
        "https://",
        "http://a.example",
        "http://localhost.a.example",
        "http://127.0.0.1@a.example",
        "https://a,,b",
        "https://a,jwks=http://a.example/k",
        "https://a,jwks=https://a/k,jwks=https://b/k",
    ] {
        assert!(matches!(bad.parse::<IssuerConfig>(), Err(AuthError::Issuer { .. })), "{bad}");
    }
}

#[test]
fn audiences_name_the_service_where_the_pattern_does() {
    let check = |accepted: &str, audience: &str, expected: bool| {
        assert_eq!(is_for(accepted, audience, "digits"), expected, "{accepted} {audience}");
    };
    check("api://x", "api://x", true);
    check("api://x", "api://xy", false);
    check("{service}", "digits", true);
    check("{service}", "digit", false);
    check("a/{service}/b", "a/digits/b", true);
    check("a/{service}/b", "a/other/b", false);
    check("a/{service}/b", "a/b", false);
}

#[test]
fn keys_of_other_kinds_uses_and_lengths_are_left_out() {
    let idp = Idp::new("https://idp.example");
    let ec = idp.jwks()["keys"][0].clone();
    let rsa =
        |bytes: usize| json!({ "kty": "RSA", "kid": "r", "n": URL_SAFE_NO_PAD.encode(vec![255; bytes]), "e": "AQAB" });
    let with = |name: &str, value: &str| {
        let mut key = ec.clone();
        key[name] = value.into();
        key
    };
    let rows = [
        (ec.clone(), true),
        (rsa(256), true),
        (rsa(255), false),
        (with("use", "enc"), false),
        (with("alg", "RS256"), false),
        (with("alg", "ECDH-ES"), false),
        (json!({ "kty": "oct", "kid": "o", "k": "c2VjcmV0" }), false),
        (json!({ "kty": "OKP", "crv": "Ed25519", "x": "c2hvcnQ" }), false),
        (json!("key"), false),
    ];
    for (key, taken) in rows {
        let parsed = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes());
        assert_eq!(parsed.is_ok(), taken, "{key}");
    }
    for document in ["", "[]", "{}", r#"{"keys":{}}"#] {
        assert!(KeySet::parse(document.as_bytes()).is_err(), "{document}");
    }
}

/// The RS256 example of RFC 7515, appendix A.2.
#[test]
fn a_known_rsa_signature_is_verified() {
    let key = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
    let keys = KeySet::parse(json!({ "keys": [key] }).to_string().as_bytes()).unwrap();
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let unverified = Unverified::read(token).unwrap();
    assert_eq!(unverified.issuer(), "joe");
    // The signature is right, and the example has no subject.
    assert_eq!(unverified.verify(&keys, Some(0)).unwrap_err(), Flaw::Claim("sub"));
    let changed = token.replace("Rw", "Rg").replace(".cC4h", ".cC5h");
    assert_eq!(Unverified::read(&changed).unwrap().verify(&keys, Some(0)).unwrap_err(), Flaw::Signature);
}

#[test]
fn the_document_of_another_issuer_is_not_believed() {
    let fetching = |issuer: &str, answers: &'static str| {
        struct One(&'static str);
        impl Fetch for One {
            fn get(&self, _: &str) -> Result<Fetched, String> {
                Ok(Fetched { content: self.0.into(), max_age: None })
            }
        }
        let shared = Shared { keys: ArcSwapOption::empty(), ended: watch::Sender::new(0), lost: Box::new(|| ()) };
        let config = issuer.parse().unwrap();
        Fetching { config, fetch: Arc::new(One(answers)), shared: Arc::new(shared) }.discover()
    };
    let document = r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/keys"}"#;
    assert_eq!(fetching("https://a.example", document).unwrap(), "https://a.example/keys");
    assert!(fetching("https://b.example", document).unwrap_err().contains("https://a.example"));
    let unsafe_keys = r#"{"issuer":"https://a.example","jwks_uri":"http://a.example/keys"}"#;
    assert!(fetching("https://a.example", unsafe_keys).unwrap_err().contains("not safe"));
}
