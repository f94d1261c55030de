//! Endpoints from outside: versions, shares, callers that stay, shadows, and the report that compares.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, model};

const INFER: &str = "/v2/models/pair/infer";

/// A service of one model with further versions; each is the same model.
fn with_versions(host: &Host, further: &[&str]) {
    host.deploy_model("pair", &model("identity_fp32.onnx"));
    for version in further {
        host.ok(&["deploy", "-n", "pair", "-m", "pair:1", "--version", version]);
    }
}

fn body() -> String {
    json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.0; 16]}]}).to_string()
}

fn ask(host: &Host, headers: &[(&str, &str)]) -> Answer {
    host.post(INFER, headers, body().as_bytes())
}

/// The version that answered.
fn answering(host: &Host, headers: &[(&str, &str)]) -> String {
    let answer = ask(host, headers);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("x-scorehost-version").unwrap().to_owned()
}

fn json_of(host: &Host, arguments: &[&str]) -> Value {
    serde_json::from_str(&host.ok(&[&["--output", "json"], arguments].concat())).unwrap()
}

/// Name, percentage, default, control of each version.
fn versions(host: &Host) -> Vec<(String, f64, bool, bool)> {
    let shown = json_of(host, &["endpoint", "show", "pair"]);
    let row = |version: &Value| {
        let flag = |name: &str| version[name].as_bool().unwrap();
        let name = version["version"].as_str().unwrap().to_owned();
        (name, version["percent"].as_f64().unwrap(), flag("is_default"), flag("is_control"))
    };
    shown["versions"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn a_seventh_version_is_refused_and_the_limit_can_be_set() {
    let host = Host::start();
    with_versions(&host, &["v2", "v3", "v4", "v5", "v6"]);
    let error = host.fails(&["deploy", "-n", "pair", "-m", "pair:1", "--version", "v7"]);
    assert!(error.contains("has 6 versions and the limit is 6") && error.contains("'v7'"), "{error}");
    host.ok(&["endpoint", "delete", "pair", "v3"]);
    host.ok(&["deploy", "-n", "pair", "-m", "pair:1", "--version", "v7"]);
    assert_eq!(versions(&host).len(), 6);

    let small = Host::start_with(&["--max-versions", "2"]);
    with_versions(&small, &["v2"]);
    assert!(small.fails(&["deploy", "-n", "pair", "-m", "pair:1", "--version", "v3"]).contains("the limit is 2"));
}

#[test]
fn the_rules_of_default_control_shares_and_deletion_hold() {
    let host = Host::start();
    with_versions(&host, &["v2", "v3"]);
    let row = |name: &str, percent, default, control| (name.to_owned(), percent, default, control);
    assert_eq!(versions(&host)[0], row("1", 100.0, true, true), "the first is the default and the control");
    host.ok(&["endpoint", "traffic", "pair", "v2=30", "v3=12.5"]);
    host.ok(&["endpoint", "control", "pair", "v2"]);
    let expected = [row("1", 57.5, true, false), row("v2", 30.0, false, true), row("v3", 12.5, false, false)];
    assert_eq!(versions(&host), expected);
    for (arguments, part) in [
        (&["endpoint", "traffic", "pair", "v2=90"][..], "102.5 % together"),
        (&["endpoint", "traffic", "pair", "1=10"], "is the default and gets what the others leave"),
        (&["endpoint", "traffic", "pair", "v9=10"], "has no version 'v9'; it has: 1, v2, v3"),
        (&["endpoint", "delete", "pair", "1"], "cannot be deleted while there are others"),
        (&["endpoint", "shadow", "pair", "1"], "answers itself"),
    ] {
        let error = host.fails(arguments);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    assert_eq!(versions(&host), expected, "what is refused changes nothing");

    host.ok(&["endpoint", "promote", "pair", "v2"]);
    let expected = [row("1", 0.0, false, false), row("v2", 87.5, true, true), row("v3", 12.5, false, false)];
    assert_eq!(versions(&host), expected);
    host.ok(&["endpoint", "delete", "pair", "1"]);
    host.ok(&["endpoint", "delete", "pair", "v3"]);
    assert_eq!(versions(&host), [row("v2", 100.0, true, true)]);
    host.ok(&["endpoint", "delete", "pair", "v2"]);
    assert_eq!(host.get("/v2/models/pair").status, 404, "the last version takes the service along");
}

#[test]
fn requests_are_divided_within_one_percent_and_counted_by_version() {
    let host = Host::start();
    with_versions(&host, &["v2", "v3"]);
    host.ok(&["endpoint", "traffic", "pair", "v2=20", "v3=7.5"]);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..2000 {
        *seen.entry(answering(&host, &[])).or_default() += 1;
    }
    for (version, share) in [("1", 1450), ("v2", 400), ("v3", 150)] {
        assert!(seen[version].abs_diff(share) <= 20, "{version}: {seen:?}");
    }
    let metrics = host.get("/metrics").text();
    for (version, count) in seen {
        let line = format!("scorehost_requests_total{{service=\"pair\",version=\"{version}\",outcome=\"ok\"}} {count}");
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
}

#[test]
fn a_version_is_addressed_by_header_or_path_whatever_its_share() {
    let host = Host::start();
    with_versions(&host, &["v2"]);
    assert_eq!(answering(&host, &[]), "1");
    assert_eq!(answering(&host, &[("x-scorehost-version", "v2")]), "v2");
    let by_path = host.post("/v2/models/pair/versions/v2/infer", &[], body().as_bytes());
    assert_eq!((by_path.status, &by_path.json()["model_version"]), (200, &json!("v2")));
    let score =
        |version| host.post("/api/v1/service/pair/score", &[("x-scorehost-version", version)], body().as_bytes());
    assert_eq!(score("v2").header("x-scorehost-version"), Some("v2"));
    let unknown = score("v9");
    assert!(unknown.status == 404 && unknown.text().contains("1, v2"), "{}", unknown.text());
}

#[test]
fn callers_stay_on_their_version_by_header_and_by_key() {
    let mut host = Host::keyed(&[]);
    with_versions(&host, &["v2"]);
    let keys = json_of(&host, &["service", "keys", "pair"]);
    let bearer = |key: &str| format!("Bearer {}", keys[key].as_str().unwrap());
    let (primary, secondary) = (bearer("primaryKey"), bearer("secondaryKey"));
    host.ok(&["endpoint", "traffic", "pair", "v2=50"]);
    host.ok(&["endpoint", "sticky", "pair", "--header", "X-User"]);
    let of = |host: &Host, user: &str| answering(host, &[("authorization", &primary), ("x-user", user)]);
    let users: Vec<String> = (0..40).map(|number| format!("user-{number}")).collect();
    let first: Vec<String> = users.iter().map(|user| of(&host, user)).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "40 callers on one version");
    for _ in 0..5 {
        assert_eq!(users.iter().map(|user| of(&host, user)).collect::<Vec<_>>(), first);
    }
    host.kill_and_restart();
    assert_eq!(users.iter().map(|user| of(&host, user)).collect::<Vec<_>>(), first, "also after a restart");
    host.ok(&["endpoint", "sticky", "pair", "--caller"]);
    for key in [&primary, &secondary] {
        let answers: BTreeSet<String> = (0..20).map(|_| answering(&host, &[("authorization", key)])).collect();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
    host.ok(&["endpoint", "sticky", "pair", "--none"]);
    let answers: BTreeSet<String> = (0..20).map(|_| of(&host, "user-1")).collect();
    assert_eq!(answers.len(), 2);
}

/// Waits until the report says of `version` what is wanted; copies run behind the answers.
fn report_when(host: &Host, service: &str, version: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..6000 {
        let report = json_of(host, &["endpoint", "report", service]);
        let rows = report["versions"].as_array().unwrap();
        last = rows.iter().find(|row| row["version"] == version).unwrap().clone();
        if wanted(&last) {
            return report;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("the report never said so: {last}")
}

#[test]
fn the_report_compares_latency_errors_and_answers_with_the_control() {
    let host = Host::start();
    for (name, file) in [("digits", "digits.onnx"), ("mlp", "digits_mlp.onnx")] {
        host.ok(&["model", "register", "--name", name, "--path", model(file).to_str().unwrap()]);
    }
    host.ok(&["deploy", "-n", "digits", "-m", "digits:1"]);
    host.ok(&["deploy", "-n", "digits", "-m", "mlp:1", "--version", "v2"]);
    host.ok(&["deploy", "-n", "digits", "-m", "digits:1", "--version", "same"]);
    let samples: Value = serde_json::from_slice(&std::fs::read(model("digits_samples.json")).unwrap()).unwrap();
    let infer = |row: &Value, version: &str| {
        let body = json!({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": row}]}).to_string();
        host.post("/v2/models/digits/infer", &[("x-scorehost-version", version)], body.as_bytes()).status
    };
    // Requests that name a version are not copied; those that do not, are.
    host.ok(&["endpoint", "shadow", "digits", "v2"]);
    for row in samples["data"].as_array().unwrap().iter().take(10) {
        let body = json!({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": row}]}).to_string();
        let answer = host.post("/v2/models/digits/infer", &[], body.as_bytes());
        assert_eq!((answer.status, answer.header("x-scorehost-version")), (200, Some("1")));
        assert_eq!(infer(row, "same"), 200);
    }
    let report = report_when(&host, "digits", "v2", |row| row["differences"][0]["compared"] == 10);
    assert_eq!(report["control"], "1");
    let row =
        |version: &str| report["versions"].as_array().unwrap().iter().find(|row| row["version"] == version).unwrap();
    let (control, shadow, same) = (row("1"), row("v2"), row("same"));
    assert_eq!((control["requests"].as_u64(), control["failures"].as_u64()), (Some(10), Some(0)), "{report}");
    assert!(control["is_control"] == true && control["p50_ms"].as_f64() > Some(0.0), "{control}");
    assert!(control["p50_against_control_percent"].is_null(), "{control}");
    let difference = &shadow["differences"][0];
    assert_eq!((difference["with"].as_str(), difference["copied"].as_u64()), (Some("1"), Some(10)), "{shadow}");
    // Two kinds of model never give the same ten probabilities.
    assert_eq!(difference["differing"], 10, "{difference}");
    let (largest, mean) = (difference["largest"].as_f64().unwrap(), difference["mean"].as_f64().unwrap());
    assert!(0.0 < mean && mean <= largest && largest <= 9.0, "{difference}");
    assert!(shadow["p95_against_control_percent"].is_number() && shadow["p99_ms"].as_f64() > Some(0.0), "{shadow}");
    assert_eq!((same["requests"].as_u64(), same["error_percent"].as_f64()), (Some(10), Some(0.0)), "{same}");
    let shown = host.ok(&["endpoint", "report", "digits"]);
    assert!(shown.contains("10 of 10: 100 %, by "), "{shown}");
    // The same model as a shadow answers the same.
    host.ok(&["endpoint", "shadow", "digits", "same"]);
    let body = json!({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 64], "data": samples["data"][0]}]})
        .to_string();
    assert_eq!(host.post("/v2/models/digits/infer", &[], body.as_bytes()).status, 200);
    let report = report_when(&host, "digits", "same", |row| row["differences"][0]["compared"] == 1);
    let same = report["versions"].as_array().unwrap().iter().find(|row| row["version"] == "same").unwrap();
    assert_eq!(same["differences"][0]["differing"], 0, "{same}");
}

#[test]
fn a_shadow_that_loops_or_traps_is_the_callers_business_in_nothing() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    let version = |version: &str, more: &[&str]| {
        // Only the shadow's loops are cut short: the caller's version has all the time that a busy machine may need.
        let timeout = if version == "loops" { 400 } else { 60_000 };
        let document =
            json!({"computeType": "local", "scoringTimeoutMs": timeout, "numReplicas": 2, "maxQueueWaitMs": 30_000});
        let dc = folder.path().join(format!("{version}.json"));
        std::fs::write(&dc, document.to_string()).unwrap();
        let deploy = ["deploy", "-n", "pair", "--scorer", text(&component), "--dc", text(&dc), "--version", version];
        host.ok(&[&deploy[..], more].concat());
    };
    version("1", &[]);
    version("loops", &["--var", "FAULT_RUN=loop"]);
    version("traps", &["--var", "FAULT_RUN=trap"]);
    // A caller that waited for the shadow's loop would be late itself.
    let score = || host.post("/api/v1/service/pair/score", &[("x-scorehost-timeout-ms", "10000")], b"ok");
    for shadow in ["loops", "traps"] {
        host.ok(&["endpoint", "shadow", "pair", shadow]);
        for _ in 0..40 {
            let answer = score();
            assert_eq!((answer.status, answer.header("x-scorehost-version")), (200, Some("1")), "{}", answer.text());
        }
        let done = |row: &Value| {
            let count = |name: &str| row["differences"][0][name].as_u64().unwrap_or(0);
            count("copied") + count("dropped") == 40 && row["failures"] == count("copied") && count("copied") > 0
        };
        let report = report_when(&host, "pair", shadow, done);
        let row = |version: &str| {
            report["versions"].as_array().unwrap().iter().find(|row| row["version"] == version).unwrap().clone()
        };
        assert_eq!(row("1")["failures"], 0, "{report}");
        let (of_shadow, kind) = (row(shadow), if shadow == "loops" { "deadline" } else { "scorer_fault" });
        assert_eq!((&of_shadow["differences"][0]["compared"], &of_shadow["error_percent"]), (&json!(0), &json!(100.0)));
        assert!(of_shadow["failures_by_kind"][kind].as_u64() > Some(0), "{report}");
    }
    host.ok(&["endpoint", "shadow", "pair", "--none"]);
    assert_eq!(score().status, 200);
}
