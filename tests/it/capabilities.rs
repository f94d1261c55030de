//! What a scorer can reach, with the real binary: other servers where the deployment lists them, standard HTTP handlers, scans and
//! signatures.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Host, binary, show};

/// A server that knows one customer; its port, and how often it was asked.
fn features() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            counter.fetch_add(1, Ordering::Relaxed);
            let known = show(&head[..length]).starts_with("GET /customers/ada ");
            let (status, document) =
                if known { ("200 OK", r#"{"features": [1.5, 2]}"#) } else { ("404 Not Found", "{}") };
            let length = document.len();
            let _ =
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}");
        }
    });
    (port, asked)
}

fn file(folder: &tempfile::TempDir, name: &str, content: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, content).unwrap();
    path
}

fn with_grants(folder: &tempfile::TempDir, outbound: &Value) -> PathBuf {
    let document = json!({"computeType": "local", "scorehost": {"grants": {"outbound": outbound}}});
    file(folder, "deploymentconfig.json", &document.to_string())
}

/// Runs a command of this machine's own: no server.
fn here(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(binary()).args(arguments).output().unwrap();
    (output.status.code().unwrap(), show(&output.stdout) + &show(&output.stderr))
}

fn looks_up_only_where_it_is_allowed_to(example: &str) {
    let Some(component) = build(example) else { return };
    let (host, folder, (port, asked)) = (Host::start(), tempfile::tempdir().unwrap(), features());
    let url = format!("FEATURES_URL=http://localhost:{port}/customers");
    let deploy = |dc: &Path| {
        host.ok(&["deploy", "-n", "lookup", "--scorer", text(&component), "--var", &url, "--dc", text(dc)]);
    };
    let score = |customer: &str| {
        let body = json!({"customer": customer}).to_string();
        host.post("/api/v1/service/lookup/score", &[("content-type", "application/json")], body.as_bytes())
    };
    let refused = host.fails(&["deploy", "-n", "lookup", "--scorer", text(&component), "--var", &url]);
    assert!(
        refused.contains("wasi:http/outgoing-handler") && refused.contains("scorehost.grants.outbound"),
        "{refused}"
    );

    deploy(&with_grants(&folder, &json!([{"host": "localhost", "port": port, "private": true}])));
    let answer = score("ada");
    assert_eq!((answer.status, answer.json()), (200, json!({"customer": "ada", "score": 3.5})), "{}", answer.text());
    assert_eq!(score("nobody").status, 503, "the store's 404 is no success");
    assert_eq!(score("../etc").status, 400);
    assert_eq!(asked.load(Ordering::Relaxed), 2);

    // A name that leads inside needs the word, another host or port is another place: nothing goes out.
    for (outbound, part) in [
        (json!([format!("localhost:{port}")]), "does not say \"private\": true"),
        (json!([{"host": "localhost", "port": port ^ 1, "private": true}]), "does not list it"),
        (json!([{"host": "features.example", "port": port, "private": true}]), "does not list it"),
    ] {
        deploy(&with_grants(&folder, &outbound));
        let answer = score("ada");
        assert!(answer.status >= 500, "{outbound}: {} {}", answer.status, answer.text());
        let log = host.ok(&["service", "logs", "lookup", "--tail", "20"]);
        assert!(log.contains(part), "{outbound}: {log}");
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2, "a refused request went out");
}

#[test]
fn a_rust_scorer_looks_up_only_where_it_is_allowed_to() {
    looks_up_only_where_it_is_allowed_to("plugins/examples/lookup-rust");
}

#[test]
fn a_python_scorer_looks_up_only_where_it_is_allowed_to() {
    looks_up_only_where_it_is_allowed_to("plugins/examples/lookup-python");
}

#[test]
fn a_standard_http_handler_is_a_service_unchanged() {
    let Some(component) = build("tests/guests/handler") else { return };
    let host = Host::keyed(&[]);
    host.ok(&["deploy", "-n", "web", "--scorer", text(&component)]);
    let keys: Value = serde_json::from_str(&host.ok(&["--output", "json", "service", "keys", "web"])).unwrap();
    let bearer = format!("Bearer {}", keys["primaryKey"].as_str().unwrap());
    let headers = [("authorization", &*bearer), ("x-colour", "blue")];
    let ask = |method: &str, below: &str, body: &[u8]| {
        host.request(method, &format!("/api/v1/service/web/score{below}"), &headers, body)
    };
    assert_eq!(host.get("/api/v1/service/web/score/items").status, 401);
    // The last number: the caller's key is none of the handler's business.
    for (method, below, told) in [
        ("GET", "", "GET / blue 0"),
        ("GET", "/items/7?a=1&b=%20", "GET /items/7?a=1&b=%20 blue 0"),
        ("DELETE", "/items/7", "DELETE /items/7 blue 0"),
    ] {
        let answer = ask(method, below, b"");
        assert_eq!((answer.status, answer.text()), (200, told.to_owned()));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
    }
    let large: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    assert!(ask("POST", "/echo", &large).body == large);
    assert_eq!((ask("GET", "/teapot", b"").status, ask("GET", "/trap", b"").status), (418, 502));
    assert_eq!(ask("GET", "", b"").status, 200, "a trap ended one request");
    let keyless = tempfile::tempdir().unwrap();
    let scan = here(&["scorer", "scan", text(&component), "--dc", text(&with_grants(&keyless, &json!([])))]);
    assert!(scan.0 == 0 && scan.1.contains("wasi:http/") && scan.1.contains("can be deployed"), "{}", scan.1);
}

#[test]
fn a_scan_tells_what_a_component_reaches_and_which_flaws_it_has() {
    let Some(component) = build("plugins/examples/lookup-rust") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (code, told) = here(&["scorer", "scan", text(&component)]);
    assert_eq!(code, 0, "{told}");
    for part in [
        "wasi:http/outgoing-handler",
        "outgoing http",
        "the hosts that scorehost.grants.outbound lists",
        "can be deployed",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let silent = with_grants(&folder, &json!([]));
    let (code, told) = here(&["scorer", "scan", text(&component), "--dc", text(&silent)]);
    assert!(code == 1 && told.contains("REFUSED") && told.contains("scorehost.grants.outbound"), "{code}: {told}");
    let listed = with_grants(&folder, &json!(["features.example"]));
    let (code, told) = here(&["--output", "json", "scorer", "scan", text(&component), "--dc", text(&listed)]);
    assert!(code == 0 && told.contains("features.example"), "{code}: {told}");
    let packages: Value = serde_json::from_str(&told).unwrap();
    let names = packages["dependencies"].to_string();
    assert!(names.contains("serde_json") && names.contains("crates.io"), "{names}");

    let advisory = |name: &str, fixed: &str| {
        json!({"id": "TEST-2026-1", "summary": "Reads too far", "database_specific": {"severity": "HIGH"}, "affected": [{
            "package": {"ecosystem": "crates.io", "name": name},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]})
        .to_string()
    };
    let found = file(&folder, "found.json", &advisory("serde_json", "99.0.0"));
    let none = file(&folder, "none.json", &advisory("serde_json", "0.0.1"));
    let (code, told) = here(&["scorer", "scan", text(&component), "--advisories", text(&found)]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("TEST-2026-1") && told.contains("99.0.0") && told.contains("Reads too far"), "{told}");
    assert_eq!(here(&["scorer", "scan", text(&component), "--advisories", text(&found), "--fail-on", "critical"]).0, 0);
    let (code, told) = here(&["scorer", "scan", text(&component), "--advisories", text(&none)]);
    assert!(code == 0 && told.contains("Known flaws: none"), "{told}");

    // The same list at the door of a server: a warning, or a refusal.
    let deploy =
        ["deploy", "-n", "lookup", "--scorer", text(&component), "--var", "FEATURES_URL=x", "--dc", text(&listed)];
    let warns = Host::start_with(&["--advisories", text(&found)]);
    let output = warns.cli(&deploy);
    assert!(output.status.success() && show(&output.stderr).contains("TEST-2026-1"), "{}", show(&output.stderr));
    let refuses = Host::start_with(&["--advisories", text(&found), "--advisory-policy", "refuse"]);
    let error = refuses.fails(&deploy);
    assert!(error.contains("TEST-2026-1 (high)") && error.contains("mended in 99.0.0"), "{error}");
    // The list is read anew at each deployment.
    std::fs::copy(&none, &found).unwrap();
    refuses.ok(&deploy);
}

#[test]
fn a_host_that_asks_for_signatures_takes_none_but_those_it_trusts() {
    let (Some(component), Some(other)) = (build("tests/guests/faulty"), build("tests/guests/wrong-output")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for key in ["team", "stranger"] {
        let (code, told) = here(&["scorer", "keygen", "-o", text(&path(key))]);
        assert_eq!(code, 0, "{told}");
        assert_eq!(here(&["scorer", "keygen", "-o", text(&path(key))]).0, 1, "a key is never overwritten");
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(path("team")).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let sign = |key: &str, signature: &str| {
        let (code, told) =
            here(&["scorer", "sign", text(&component), "--key", text(&path(key)), "-o", text(&path(signature))]);
        assert_eq!(code, 0, "{told}");
    };
    sign("team", "good.sig");
    sign("stranger", "bad.sig");
    let verify = |component: &Path, signature: &str| {
        let (signature, key) = (path(signature), path("team.pub"));
        here(&["scorer", "verify", text(component), "--signature", text(&signature), "--public-key", text(&key)]).0
    };
    assert_eq!(verify(&component, "good.sig"), 0);
    assert_ne!(verify(&component, "bad.sig"), 0);
    assert_ne!(verify(&other, "good.sig"), 0);

    let mut host = Host::start_with(&["--trusted-key", text(&path("team.pub"))]);
    let deploy = |host: &Host, component: &Path, signature: Option<&str>| {
        let signature = signature.map(path);
        let signature: Vec<&str> = signature.iter().flat_map(|file| ["--signature", text(file)]).collect();
        let output = host.cli(&[&["deploy", "-n", "signed", "--scorer", text(component)], &signature[..]].concat());
        (output.status.success(), show(&output.stderr))
    };
    for (component, signature) in
        [(&component, None), (&component, Some("bad.sig")), (&other, Some("good.sig")), (&other, None)]
    {
        let (good, error) = deploy(&host, component, signature);
        assert!(!good && error.contains("sign") && error.contains("hint:"), "{signature:?}: {error}");
    }
    assert!(!host.ok(&["service", "list"]).contains("signed"), "what was refused left nothing");
    let (good, error) = deploy(&host, &component, Some("good.sig"));
    assert!(good, "{error}");
    let shown = host.ok(&["service", "show", "signed"]);
    assert!(shown.contains("Signed by") && !shown.contains("was not told to trust"), "{shown}");
    // A change of settings brings no component, and a component that is here keeps its signature.
    host.ok(&["service", "update", "signed", "--var", "A=1"]);
    assert!(deploy(&host, &component, None).0);
    assert!(!deploy(&host, &other, None).0);
    let score = |host: &Host| host.post("/api/v1/service/signed/score", &[], b"ok").status;
    assert_eq!(score(&host), 200);
    host.kill_and_restart();
    assert_eq!(score(&host), 200);
}
