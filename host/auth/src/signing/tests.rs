use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::entropy::system;
use crate::gatekeeper::tests::FakeClock;

const DAY: u64 = 86_400;

fn open(folder: &Path, clock: &Arc<FakeClock>) -> Result<SigningKeys, AuthError> {
    let config = SigningConfig { lifetime: Duration::from_secs(DAY / 2), rotation: Duration::from_secs(30 * DAY) };
    SigningKeys::open(folder, config, clock.clone(), system)
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    let jwks: serde_json::Value = serde_json::from_str(&keys.jwks()).unwrap();
    jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn sign(keys: &SigningKeys) -> String {
    let claims = OwnClaims { iss: "i", sub: "s", aud: "a", iat: 0, exp: 1, jti: "j" };
    let token = keys.sign(&claims).unwrap();
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[test]
fn keys_are_private_and_stay_over_restarts() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
    let keys = open(dir.path(), &clock).unwrap();
    let kid = sign(&keys);
    assert_eq!(kids(&keys), [kid.as_str()]);
    let mode = std::fs::metadata(dir.path().join("signing-keys.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(sign(&open(dir.path(), &clock).unwrap()), kid);
}

#[test]
fn what_is_published_holds_no_secret() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
    let keys = open(dir.path(), &clock).unwrap();
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("signing-keys.json")).unwrap()).unwrap();
    let secret = kept["keys"][0]["ed25519"].as_str().unwrap();
    let jwks: serde_json::Value = serde_json::from_str(&keys.jwks()).unwrap();
    assert!(!keys.jwks().contains(secret));
    let key = jwks["keys"][0].as_object().unwrap();
    let mut names: Vec<&str> = key.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
}

#[test]
fn a_key_signs_for_its_period_and_verifies_until_its_last_token_has_ended() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
    let keys = open(dir.path(), &clock).unwrap();
    let first = sign(&keys);
    clock.advance(Duration::from_secs(30 * DAY - 1));
    assert_eq!(sign(&keys), first);
    clock.advance(Duration::from_secs(1));
    let second = sign(&keys);
    assert_ne!(second, first);
    assert_eq!(kids(&keys), [second.as_str(), first.as_str()]);
    // Half a day of the last token, and the minute for clocks that differ.
    clock.advance(Duration::from_secs(DAY / 2 + 59));
    let third = keys.rotate(false).unwrap();
    assert_eq!(kids(&keys), [third.as_str(), second.as_str(), first.as_str()]);
    clock.advance(Duration::from_secs(1));
    let fourth = keys.rotate(false).unwrap();
    assert_eq!(kids(&keys), [fourth.as_str(), third.as_str(), second.as_str()]);
    let fifth = keys.rotate(true).unwrap();
    assert_eq!(kids(&keys), [fifth.as_str()]);
}

#[test]
fn a_key_that_cannot_be_kept_does_not_sign() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
    let folder = dir.path().join("auth");
    std::fs::create_dir(&folder).unwrap();
    let keys = open(&folder, &clock).unwrap();
    let first = sign(&keys);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(keys.rotate(false).is_err());
    assert_eq!(sign(&keys), first);
}

#[test]
fn damaged_keys_are_named_and_not_replaced() {
    let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
    let path = dir.path().join("signing-keys.json");
    for content in [
        "",
        "{}",
        r#"{"format":9,"keys":[]}"#,
        r#"{"format":1,"keys":[{"kid":"k","ed25519":"AA","created":1,"retired":null}]}"#,
    ] {
        std::fs::write(&path, content).unwrap();
        assert!(matches!(open(dir.path(), &clock), Err(AuthError::Damaged { .. })), "{content}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
}
