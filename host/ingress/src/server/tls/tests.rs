use std::path::PathBuf;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::watch::Watcher;
use super::*;

/// A folder with a certificate and its key.
struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.issue("one.test", days(-1), days(365));
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> TlsConfig {
        TlsConfig::new(self.path("cert.pem"), self.path("key.pem"))
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    fn issue(&self, name: &str, from: SystemTime, until: SystemTime) {
        let (certificate, key) = issued(name, from, until);
        self.write("cert.pem", &certificate);
        self.write("key.pem", &key);
    }

    fn tls(&self) -> Tls {
        Tls::load(self.config(), now()).unwrap()
    }

    fn refusal(&self) -> String {
        let error = Tls::load(self.config(), now()).err().unwrap();
        assert!(!error.hint().is_empty());
        error.to_string().replace(&self.folder.path().display().to_string(), "")
    }
}

fn issued(name: &str, from: SystemTime, until: SystemTime) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (from.into(), until.into());
    let key = KeyPair::generate().unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A fixed day, so that no test depends on today.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn days(count: i64) -> SystemTime {
    let distance = Duration::from_secs(count.unsigned_abs() * 24 * 3600);
    if count < 0 { now() - distance } else { now() + distance }
}

fn in_use(tls: &Tls) -> Vec<String> {
    tls.loaded().chain[0].names.clone()
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_reason() {
    let files = Files::new();
    let (certificate, key) = issued("one.test", days(-1), days(365));
    let other_key = KeyPair::generate().unwrap().serialize_pem();
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let cut = &certificate[..certificate.len() / 2];
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let (over, over_key) = issued("old.test", days(-10), days(-1));
    let (early, early_key) = issued("new.test", days(1), days(10));
    let cases = [
        (
            certificate.as_str(),
            other_key.as_str(),
            "the private key '/key.pem' does not belong to the certificate '/cert.pem'",
        ),
        (&certificate, encrypted, "the private key '/key.pem' is encrypted"),
        (&certificate, old_encrypted, "the private key '/key.pem' is encrypted"),
        (&certificate, &certificate, "the private key '/key.pem' holds no private key but a certificate"),
        (&key, &key, "the certificate '/cert.pem' holds no certificate but a private key"),
        (&certificate, "", "the private key '/key.pem' holds no private key"),
        ("hello", &key, "the certificate '/cert.pem' holds no certificate"),
        (cut, &key, "the certificate '/cert.pem' is damaged"),
        (not_der, &key, "the certificate '/cert.pem' is damaged"),
        (&over, &over_key, "the certificate '/cert.pem' (CN=rcgen self signed cert) expired at"),
        (&early, &early_key, "the certificate '/cert.pem' (CN=rcgen self signed cert) is not valid before"),
    ];
    for (certificate, key, expected) in cases {
        files.write("cert.pem", certificate);
        files.write("key.pem", key);
        let refusal = files.refusal();
        assert!(refusal.starts_with(expected), "{refusal:?}, expected {expected:?}");
    }
    std::fs::remove_file(files.path("cert.pem")).unwrap();
    assert!(files.refusal().starts_with("cannot read the certificate '/cert.pem'"));
}

#[test]
fn files_of_der_and_files_too_large_are_named() {
    let files = Files::new();
    std::fs::write(files.path("cert.pem"), [0x30, 0x82, 1, 1]).unwrap();
    assert_eq!(files.refusal(), "the certificate '/cert.pem' holds no certificate but DER");
    std::fs::write(files.path("cert.pem"), vec![b'x'; 5 << 20]).unwrap();
    assert!(files.refusal().contains("larger than 4 MiB"));
}

#[test]
fn changed_files_are_taken_over() {
    let files = Files::new();
    let tls = files.tls();
    assert!(!tls.reload(now()).unwrap());
    files.issue("two.test", days(-1), days(365));
    assert!(tls.reload(now()).unwrap());
    assert_eq!(in_use(&tls), ["two.test"]);
}

#[test]
fn wrong_files_leave_the_certificate_in_use_and_are_told_once() {
    let files = Files::new();
    let (tls, mut watcher) = (files.tls(), Watcher::default());
    files.write("cert.pem", "oops");
    let looks: Vec<Option<String>> = (0..4).map(|_| watcher.look(&tls, now())).collect();
    let told: Vec<bool> = looks.iter().map(Option::is_some).collect();
    // The first look may fall between the two files of a replacement.
    assert_eq!(told, [false, true, false, false]);
    let certificates = Certificates(Arc::new(tls));
    assert!(certificates.failed_reload().unwrap().contains("cert.pem"));
    assert_eq!(in_use(&certificates.0), ["one.test"]);
    files.issue("two.test", days(-1), days(365));
    assert_eq!(watcher.look(&certificates.0, now()), None);
    assert_eq!((certificates.failed_reload(), in_use(&certificates.0)), (None, vec!["two.test".to_owned()]));
}

#[test]
fn a_certificate_ends_soon_in_its_last_month_or_the_last_third_of_a_short_life() {
    let check = |from: i64, until: i64, expected: bool| {
        let (pem, _) = issued("one.test", days(from), days(until));
        let der = files::certificates("certificate", &PathBuf::new(), pem.as_bytes()).unwrap();
        assert_eq!(Certificate::read(&der[0]).unwrap().ends_soon(now()), expected, "{from} to {until}");
    };
    check(-300, 65, false);
    check(-340, 25, true);
    check(-1, 5, false);
    check(-5, 1, true);
    check(-90, -1, true);
}

#[test]
fn tickets_outlive_a_new_certificate_but_not_new_authorities() {
    let files = Files::new();
    files.write("ca.pem", &issued("ca.test", days(-1), days(365)).0);
    let clients = Some(crate::ClientCertificates { authorities: files.path("ca.pem"), required: true });
    let tls = Tls::load(TlsConfig { clients, ..files.config() }, now()).unwrap();
    let ticketer = || Arc::as_ptr(&tls.loaded().config.ticketer).cast::<()>();
    let first = ticketer();
    files.issue("two.test", days(-1), days(365));
    assert!(tls.reload(now()).unwrap());
    assert_eq!(ticketer(), first);
    files.write("ca.pem", &issued("other-ca.test", days(-1), days(365)).0);
    assert!(tls.reload(now()).unwrap());
    assert_ne!(ticketer(), first);
}

#[test]
fn a_self_signed_certificate_is_kept_until_its_end_is_near() {
    let folder = tempfile::tempdir().unwrap();
    let make = |now| self_signed(&folder.path().join("tls"), &["box.test".to_owned(), "not a name".to_owned()], now);
    let first = make(now()).unwrap();
    assert_eq!(first.described.names, ["localhost", "127.0.0.1", "::1", "box.test"]);
    assert_eq!(make(days(700)).unwrap().described, first.described);
    let renewed = make(days(790)).unwrap();
    assert_ne!(renewed.described.fingerprint, first.described.fingerprint);
    assert!(Tls::load(TlsConfig::new(renewed.certificate, renewed.key), days(791)).is_ok());
}

#[cfg(unix)]
#[test]
fn the_key_of_a_self_signed_certificate_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let made = self_signed(folder.path(), &[], now()).unwrap();
    assert_eq!(std::fs::metadata(made.key).unwrap().permissions().mode() & 0o777, 0o600);
}
