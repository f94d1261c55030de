use super::*;
use crate::entropy::system;
use crate::gatekeeper::tests::FakeClock;

fn open(folder: &Path) -> Credentials {
    Credentials::open(folder, Arc::new(FakeClock::default()), system).unwrap().0
}

fn who(credentials: &Credentials, secret: &str) -> Option<String> {
    credentials.of(&hash(secret)).map(|principal| principal.name.to_string())
}

#[test]
fn a_credential_works_until_it_is_revoked_and_over_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = open(dir.path());
    let secret = credentials.create("ci", Role::Deployer).unwrap();
    assert_eq!(who(&credentials, secret.reveal()).as_deref(), Some("credential:ci"));
    assert_eq!(who(&credentials, &secret.reveal()[1..]), None);
    let credentials = open(dir.path());
    assert_eq!(credentials.of(&hash(secret.reveal())).unwrap().role, Some(Role::Deployer));
    credentials.revoke("ci").unwrap();
    assert_eq!(who(&credentials, secret.reveal()), None);
    assert_eq!(who(&open(dir.path()), secret.reveal()), None);
}

#[test]
fn no_secret_is_kept_or_shown() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = open(dir.path());
    let secrets = [
        credentials.create("one", Role::Admin).unwrap(),
        credentials.lend("local", Role::Admin, "this process").unwrap(),
    ];
    let shown = format!("{secrets:?} {:?}", credentials.list());
    let kept = std::fs::read_to_string(dir.path().join("credentials.json")).unwrap();
    for secret in &secrets {
        assert!(secret.reveal().len() > 40 && secret.reveal().starts_with(PREFIX));
        assert!(!kept.contains(secret.reveal()) && !shown.contains(secret.reveal()));
    }
    assert!(!kept.contains("local"), "{kept}");
}

#[test]
fn names_are_checked_and_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = open(dir.path());
    for name in ["", "a b", "a/b", "ä", &"x".repeat(65)] {
        assert!(matches!(credentials.create(name, Role::Reader), Err(AuthError::CredentialName(_))), "{name}");
    }
    credentials.create("ci@example.org", Role::Reader).unwrap();
    assert!(matches!(credentials.create("ci@example.org", Role::Admin), Err(AuthError::CredentialExists(_))));
    let error = credentials.revoke("cj").unwrap_err().to_string();
    assert!(error.contains("'cj'") && error.contains("ci@example.org"), "{error}");
}

#[test]
fn what_lives_elsewhere_is_not_revoked_here() {
    let dir = tempfile::tempdir().unwrap();
    let credentials = open(dir.path());
    credentials.create("local", Role::Reader).unwrap();
    let lent = credentials.lend("local", Role::Admin, "this process").unwrap();
    assert_eq!(who(&credentials, lent.reveal()).as_deref(), Some("credential:local-2"));
    assert!(matches!(credentials.revoke("local-2"), Err(AuthError::NotRevocable { .. })));
}

#[test]
fn a_write_that_fails_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("auth");
    std::fs::create_dir(&folder).unwrap();
    let credentials = open(&folder);
    let secret = credentials.create("one", Role::Reader).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(credentials.create("two", Role::Reader).is_err());
    assert!(credentials.revoke("one").is_err());
    assert_eq!(credentials.list().len(), 1);
    assert!(who(&credentials, secret.reveal()).is_some());
}

#[test]
fn a_damaged_file_is_not_taken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    for content in [
        "",
        "{}",
        r#"{"format":2,"credentials":[]}"#,
        r#"{"format":1,"credentials":[{"name":"a","role":"x","sha256":"00","created":1}]}"#,
    ] {
        std::fs::write(dir.path().join("credentials.json"), content).unwrap();
        assert!(Credentials::open(dir.path(), Arc::new(FakeClock::default()), system).is_err(), "{content}");
    }
}
