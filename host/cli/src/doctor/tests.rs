#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::channel;

use scorehost_control::wire::Device;
use scorehost_core::{ErrorKind, Failure};

use super::network::{Place, reach};
use super::*;

/// Names with their addresses, and the addresses that answer.
#[derive(Default)]
struct Fake {
    names: BTreeMap<&'static str, Vec<SocketAddr>>,
    open: Vec<SocketAddr>,
    trusted: bool,
}

impl Network for Fake {
    fn resolve(&self, host: &str, _: u16) -> Result<Vec<SocketAddr>, String> {
        self.names.get(host).cloned().ok_or_else(|| "name unknown".to_owned())
    }

    fn connect(&self, address: SocketAddr) -> Result<(), String> {
        if self.open.contains(&address) { Ok(()) } else { Err("refused".to_owned()) }
    }

    fn certificate(&self, _: &str, _: SocketAddr) -> Result<Vec<u8>, Failure> {
        let unknown = Failure::new(ErrorKind::Unavailable, "unknown issuer").with_hint("trust it with --ca");
        if self.trusted { Ok(Vec::new()) } else { Err(unknown) }
    }
}

fn at(last: u8) -> SocketAddr {
    ([192, 0, 2, last], 443).into()
}

fn fake(open: Vec<SocketAddr>, trusted: bool) -> Fake {
    Fake { names: BTreeMap::from([("keys.test", vec![at(1), at(2)])]), open, trusted }
}

fn states(findings: &[Finding]) -> Vec<(&str, State)> {
    findings.iter().map(|finding| (finding.check.rsplit(": ").next().unwrap(), finding.state)).collect()
}

#[test]
fn a_name_and_a_connection_are_findings_of_their_own() {
    let check = |network: &Fake, host: &str, expected: &[(&str, State)]| {
        let place = Place { host: host.to_owned(), port: 443, secure: true };
        let (findings, _) = reach(network, Phase::Build, "index", &place, true);
        assert_eq!(states(&findings), expected, "{findings:?}");
        assert!(findings.iter().all(|finding| (finding.state == State::Ok) == finding.fix.is_none()));
    };
    check(&fake(vec![], true), "other.test", &[("name", State::Failed)]);
    check(&fake(vec![], true), "keys.test", &[("name", State::Ok), ("connection", State::Failed)]);
    check(&fake(vec![at(2)], true), "keys.test", &[("name", State::Ok), ("connection", State::Ok)]);
}

#[test]
fn issuers_are_asked_where_their_keys_are_and_must_be_trusted() {
    let run_with = |issuer: &str, trusted| {
        let network: Arc<dyn Network> = Arc::new(fake(vec![at(1)], trusted));
        run(issuers(&[issuer.to_owned()], &network), Duration::from_secs(20))
    };
    let findings = run_with("https://login.test,scores,jwks=https://keys.test/jwks.json", true);
    assert_eq!(states(&findings), [("name", State::Ok), ("connection", State::Ok), ("TLS", State::Ok)]);
    let findings = run_with("https://keys.test,scores", false);
    assert_eq!(findings[2].state, State::Failed);
    assert_eq!(findings[2].fix.as_deref(), Some("trust it with --ca"));
    assert_eq!(states(&run_with("https://login.test", true)), [("name", State::Failed)]);
}

#[test]
fn collected_data_goes_to_a_folder_that_can_be_written_or_a_store_that_answers() {
    let network: Arc<dyn Network> = Arc::new(fake(vec![at(1)], true));
    let dir = tempfile::tempdir().unwrap();
    let target = format!("file://{}/new", dir.path().display());
    let findings = run(vec![collection(&target, &network)], Duration::from_secs(20));
    assert!(findings[0].found.starts_with("can be made in"), "{findings:?}");
    let findings = run(vec![collection("gopher://keys.test", &network)], Duration::from_secs(20));
    assert_eq!(findings[0].state, State::Failed);
    let findings = run(vec![collection("https://keys.test/bucket", &network)], Duration::from_secs(20));
    assert_eq!(findings.len(), 3);
}

#[test]
fn a_check_that_never_ends_is_a_finding_and_keeps_nothing_else_waiting() {
    let (_keep, never) = channel::<()>();
    let endless = Check::new(Phase::Score, "slow door", move || {
        let _ = never.recv();
        Vec::new()
    });
    let findings = run(vec![endless], Duration::from_millis(1));
    assert_eq!((findings[0].check.as_str(), findings[0].state), ("slow door", State::Failed));
}

#[test]
fn a_check_that_panics_is_a_finding() {
    let broken = Check::new(Phase::Score, "broken", || panic!("on purpose"));
    assert_eq!(run(vec![broken], Duration::from_secs(20))[0].state, State::Failed);
}

#[test]
fn findings_come_in_the_order_of_the_checks() {
    let (first_may, wait) = channel::<()>();
    let finding = |name: &'static str| vec![Finding::ok(Phase::Host, name, "", "")];
    let first = Check::new(Phase::Host, "first", move || {
        let _ = wait.recv();
        finding("first")
    });
    let second = Check::new(Phase::Host, "second", move || {
        let _ = first_may.send(());
        finding("second")
    });
    let names: Vec<String> =
        run(vec![first, second], Duration::from_secs(20)).into_iter().map(|found| found.check).collect();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn places_are_read_from_urls() {
    let check = |url: &str, expected: Option<(&str, u16, bool)>| {
        let place = Place::of(url).map(|place| (place.host, place.port, place.secure));
        assert_eq!(place, expected.map(|(host, port, secure)| (host.to_owned(), port, secure)), "{url}");
    };
    check("https://a.test/x", Some(("a.test", 443, true)));
    check("http://user:secret@a.test:8080/x", Some(("a.test", 8080, false)));
    check("https://[::1]:8443", Some(("::1", 8443, true)));
    for url in ["a.test", "ftp://a.test", "https://", "http://a.test:x"] {
        check(url, None);
    }
}

#[test]
fn scarce_machines_are_told_what_to_do() {
    let states =
        |readings: &Readings| Machine(readings).findings().iter().map(|finding| finding.state).collect::<Vec<_>>();
    let now = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let good = Readings {
        cores: Some(4),
        memory: Some(8 << 30),
        descriptors: Some(65_536),
        now: Some(now),
        built: Some(now - Duration::from_secs(1)),
        ..Readings::default()
    };
    assert_eq!(states(&good), [State::Ok; 4]);
    let scarce = Readings {
        cpu_limit: Some(0.5),
        memory_limit: Some((200 << 20, 150 << 20)),
        descriptors: Some(1024),
        built: Some(now + Duration::from_secs(400 * 24 * 3600)),
        ..good
    };
    assert_eq!(states(&scarce), [State::Warning, State::Failed, State::Warning, State::Failed]);
}

#[test]
fn a_machine_without_any_device_fails_and_one_without_a_gpu_does_not() {
    let device = |name: &str, available| Device {
        name: name.to_owned(),
        executor: "x".to_owned(),
        available,
        detail: String::new(),
    };
    let failed = |list: &[Device]| devices(list).iter().any(|finding| finding.state == State::Failed);
    assert!(!failed(&[device("cpu", true), device("cuda", false)]));
    assert!(failed(&[device("cpu", false), device("cuda", false)]));
}
