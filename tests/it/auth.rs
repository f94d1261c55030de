//! Who may call what, with the real binary: keys, tokens, issuers, management credentials, guessing, and what is written down.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::host::{Answer, Host, model, show};

const BODY: &str = r#"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[0,16],"data":[]}]}"#;
const INFER: &str = "/v2/models/identity/infer";
const SCORE: &str = "/api/v1/service/identity/score";

fn keyed(arguments: &[&str]) -> Host {
    let host = Host::keyed(arguments);
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    host
}

/// Deploys `identity` again so that it takes tokens.
fn take_tokens(host: &Host) {
    let folder = tempfile::tempdir().unwrap();
    let dc = folder.path().join("deploymentconfig.json");
    std::fs::write(&dc, r#"{"computeType": "local", "authEnabled": false, "tokenAuthEnabled": true}"#).unwrap();
    host.ok(&["deploy", "-n", "identity", "-m", "identity:1", "--dc", dc.to_str().unwrap()]);
}

fn ask(host: &Host, path: &str, credential: Option<&str>) -> Answer {
    let bearer = credential.map(|credential| format!("Bearer {credential}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
    host.post(path, &headers, BODY.as_bytes())
}

fn keys(host: &Host) -> (String, String) {
    let keys: Value = serde_json::from_str(&host.ok(&["--output", "json", "service", "keys", "identity"])).unwrap();
    let key = |name: &str| keys[name].as_str().unwrap_or_else(|| panic!("{keys}")).to_owned();
    (key("primaryKey"), key("secondaryKey"))
}

fn token(host: &Host) -> Value {
    serde_json::from_str(&host.ok(&["--output", "json", "service", "token", "identity"])).unwrap()
}

/// The administrator's credential that the first start printed.
fn printed_admin(host: &Host) -> String {
    let (out, _) = host.written();
    let line = out.lines().map(str::trim).find(|line| line.starts_with("shc_"));
    line.unwrap_or_else(|| panic!("no credential in: {out}")).to_owned()
}

/// Runs a command as who has `credential`.
fn run_as(host: &Host, credential: &str, arguments: &[&str]) -> (bool, String) {
    let output = host.command(arguments).env("SCOREHOST_TOKEN", credential).output().unwrap();
    (output.status.success(), show(&output.stdout) + &show(&output.stderr))
}

fn created(host: &Host, name: &str, role: &str) -> String {
    host.ok(&["credential", "create", "--name", name, "--role", role])
}

#[test]
fn a_new_service_asks_for_one_of_its_keys_at_every_door() {
    let host = keyed(&[]);
    let (primary, secondary) = keys(&host);
    for path in [INFER, SCORE] {
        for (credential, status) in
            [(None, 401), (Some("wrong"), 401), (Some(primary.as_str()), 200), (Some(secondary.as_str()), 200)]
        {
            let answer = ask(&host, path, credential);
            assert_eq!(answer.status, status, "{path} {}", answer.text());
            assert_eq!(answer.header("www-authenticate"), (status == 401).then_some("Bearer"));
        }
        assert!(ask(&host, path, None).text().contains("scorehost service keys identity"));
    }
    assert_eq!(host.get("/v2/models/identity/ready").status, 200);
    assert_eq!(host.get("/v2/models/identity").status, 401);
    assert_eq!(host.get("/management/v1/services").status, 401);
    assert_eq!(host.post("/v2/repository/index", &[], b"").status, 401);
    // The command line of the same user needs nothing.
    let folder = tempfile::tempdir().unwrap();
    let body = folder.path().join("body.json");
    std::fs::write(&body, BODY).unwrap();
    assert!(host.ok(&["score", "identity", "--file", body.to_str().unwrap()]).contains("OUTPUT0"));
}

#[test]
fn a_key_is_replaced_without_a_refused_request() {
    let host = keyed(&[]);
    let (old, secondary) = keys(&host);
    let (stop, sent, refused) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(&host, INFER, Some(&secondary));
                    sent.fetch_add(1, Ordering::Relaxed);
                    refused.fetch_add(usize::from(answer.status != 200), Ordering::Relaxed);
                }
            });
        }
        for _ in 0..5 {
            host.ok(&["service", "keys", "identity", "--regenerate", "primary"]);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(sent.load(Ordering::Relaxed) > 0);
    assert_eq!(refused.load(Ordering::Relaxed), 0, "of {}", sent.load(Ordering::Relaxed));
    let (new, same) = keys(&host);
    assert_eq!(same, secondary);
    assert_eq!(ask(&host, INFER, Some(&old)).status, 401);
    assert_eq!(ask(&host, INFER, Some(&new)).status, 200);
}

#[test]
fn keys_survive_a_restart() {
    let mut host = keyed(&[]);
    let (primary, _) = keys(&host);
    host.kill_and_restart();
    assert_eq!(ask(&host, INFER, Some(&primary)).status, 200);
    assert_eq!(ask(&host, INFER, None).status, 401);
    assert_eq!(keys(&host).0, primary);
}

/// The claims of a token, verified as a stranger does it: with nothing but the published keys.
fn verified(published: &Answer, token: &str) -> Value {
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&published.body).unwrap();
    let id = jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&id).unwrap()).unwrap();
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    rules.set_audience(&["identity"]);
    jsonwebtoken::decode::<Value>(token, &key, &rules).unwrap().claims
}

#[test]
fn a_token_is_asked_for_used_and_revoked() {
    let mut host = keyed(&["--token-lifetime", "600"]);
    let (key, _) = keys(&host);
    take_tokens(&host);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let answer = token(&host);
    assert_eq!(answer["tokenType"], "Bearer");
    let (refresh, expiry) = (answer["refreshAfter"].as_u64().unwrap(), answer["expiryOn"].as_u64().unwrap());
    assert!((now + 590..now + 700).contains(&expiry) && refresh == expiry - 100, "{answer}");
    let first = answer["accessToken"].as_str().unwrap();
    assert_eq!(ask(&host, SCORE, Some(first)).status, 200);
    assert_eq!(ask(&host, SCORE, None).status, 401);
    assert_eq!(ask(&host, SCORE, Some(&key)).status, 401);
    let published = host.get("/.well-known/jwks.json");
    assert_eq!(published.json()["keys"].as_array().unwrap().len(), 1);
    let claims = verified(&published, first);
    assert_eq!(
        (&claims["iss"], &claims["aud"], claims["exp"].as_u64()),
        (&json!("scorehost"), &json!("identity"), Some(expiry))
    );
    host.ok(&["credential", "rotate-signing-key"]);
    assert_eq!(ask(&host, INFER, Some(first)).status, 200, "the former key verifies on");
    host.kill_and_restart();
    assert_eq!(ask(&host, INFER, Some(first)).status, 200, "also after a restart");
    host.ok(&["credential", "rotate-signing-key", "--revoke"]);
    assert_eq!(ask(&host, INFER, Some(first)).status, 401);
    assert_eq!(host.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 1);
    let second = token(&host);
    verified(&host.get("/.well-known/jwks.json"), second["accessToken"].as_str().unwrap());
    assert_eq!(ask(&host, INFER, second["accessToken"].as_str()).status, 200);
}

#[test]
fn the_first_start_prints_an_administrator_once() {
    let mut host = Host::keyed(&[]);
    let admin = printed_admin(&host);
    let (_, log) = host.written();
    assert!(!log.contains(&admin), "the log holds the administrator's credential");
    let (good, who) = run_as(&host, &admin, &["credential", "show"]);
    assert!(good && who.contains("credential:admin") && who.contains("admin"), "{who}");
    let local = host.credential();
    host.kill_and_restart();
    let (out, _) = host.written();
    assert_eq!(out.matches("shc_").count(), 1, "{out}");
    assert!(run_as(&host, &admin, &["credential", "show"]).0);
    let (good, text) = run_as(&host, &local, &["credential", "show"]);
    assert!(!good && text.contains("none of this server's management credentials"), "{text}");
    // A data directory from before authentication is one without the folder.
    host.kill();
    std::fs::remove_dir_all(host.data_dir().join("auth")).unwrap();
    host.restart();
    let (out, _) = host.written();
    assert_eq!(out.matches("shc_").count(), 2, "{out}");
    assert!(!run_as(&host, &admin, &["credential", "show"]).0);
}

#[test]
fn roles_decide_what_a_credential_may_do() {
    let host = keyed(&[]);
    let (reader, deployer) = (created(&host, "reads", "reader"), created(&host, "ci@example", "deployer"));
    let list = host.ok(&["credential", "list"]);
    assert!(["admin", "reads", "ci@example", "local"].iter().all(|name| list.contains(name)), "{list}");
    assert!(![&reader, &deployer].iter().any(|secret| list.contains(secret.as_str())), "{list}");

    let check = |credential: &str, arguments: &[&str], refused: Option<&str>| {
        let (good, text) = run_as(&host, credential, arguments);
        match refused {
            None => assert!(good, "{arguments:?}: {text}"),
            Some(part) => assert!(!good && text.contains(part), "{arguments:?}: {text}"),
        }
    };
    let needs_deployer = Some("needs the role 'deployer', and credential:reads has 'reader'");
    check(&reader, &["service", "list"], None);
    check(&reader, &["service", "show", "identity"], None);
    check(&reader, &["service", "keys", "identity"], needs_deployer);
    check(&reader, &["service", "delete", "identity"], needs_deployer);
    check(&reader, &["deploy", "-n", "other", "-m", "identity:1"], needs_deployer);
    check(&deployer, &["deploy", "-n", "other", "-m", "identity:1"], None);
    check(&deployer, &["service", "keys", "other"], None);
    check(&deployer, &["credential", "list"], Some("needs the role 'admin'"));
    check(&deployer, &["credential", "create", "--name", "x", "--role", "admin"], Some("needs the role 'admin'"));
    assert_eq!(ask(&host, INFER, Some(&deployer)).status, 200);
    let refused = ask(&host, INFER, Some(&reader));
    assert!(refused.status == 403 && refused.text().contains("'deployer'"), "{}", refused.text());
    assert!(host.fails(&["credential", "revoke", "local"]).contains("ends with the server's process"));
    host.ok(&["credential", "revoke", "ci@example"]);
    check(&deployer, &["service", "list"], Some("hint: "));
    assert_eq!(ask(&host, INFER, Some(&deployer)).status, 401);
}

#[test]
fn a_login_is_kept_for_the_server_and_forgotten_on_demand() {
    let host = Host::keyed(&[]);
    let (admin, folder) = (printed_admin(&host), tempfile::tempdir().unwrap());
    let url = format!("http://{}", host.address());
    let elsewhere = |arguments: &[&str], input: &str| {
        let mut command = host.command(arguments);
        command.env("SCOREHOST_CONFIG_DIR", folder.path()).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.success(), show(&output.stdout) + &show(&output.stderr))
    };
    let (good, text) = elsewhere(&["service", "list"], "");
    assert!(!good && text.contains("scorehost login"), "{text}");
    let (good, text) = elsewhere(&["login", &url], "shc_wrong\n");
    assert!(!good && text.contains("none of this server's management credentials"), "{text}");
    assert!(!elsewhere(&["service", "list"], "").0);
    let (good, text) = elsewhere(&["login", &url], &format!("{admin}\n"));
    assert!(good && text.contains("credential:admin") && !text.contains(&admin), "{text}");
    assert!(elsewhere(&["service", "list"], "").0);
    assert!(elsewhere(&["logout", &url], "").0);
    assert!(!elsewhere(&["service", "list"], "").0);
}

#[test]
fn an_administrators_credential_is_taken_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let secret = "an-administrators-own-credential-of-40-chars";
    std::fs::write(file.path(), format!("{secret}\n")).unwrap();
    let host = Host::keyed(&["--admin-token-file", file.path().to_str().unwrap()]);
    assert!(!host.written().0.contains("shc_"));
    let token_file = ["--token-file", file.path().to_str().unwrap(), "credential", "show"];
    let output = host.command(&token_file).env("SCOREHOST_CONFIG_DIR", "/none").output().unwrap();
    assert!(show(&output.stdout).contains("credential:admin-file"), "{}", show(&output.stderr));
}

#[test]
fn an_address_that_guesses_is_refused_for_a_while() {
    let host = keyed(&["--failed-attempts", "5"]);
    let (primary, _) = keys(&host);
    for guess in 0..5 {
        assert_eq!(ask(&host, INFER, Some(&format!("guess-{guess}"))).status, 401);
    }
    for path in [INFER, SCORE] {
        let answer = ask(&host, path, Some(&primary));
        assert_eq!(answer.status, 429, "{}", answer.text());
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    // Another address of this machine is another caller.
    let other = crate::host::ask_from([127, 0, 0, 2].into(), host.address(), INFER, &primary, BODY.as_bytes());
    assert_eq!(other.status, 200, "{}", other.text());
}

#[test]
fn no_secret_is_in_a_log_or_in_what_is_shown() {
    let host = keyed(&["--log", "trace,hyper=debug,h2=debug"]);
    let (primary, secondary) = keys(&host);
    let made = created(&host, "ci", "deployer");
    let guess = "a-guess-that-is-nobodys-key";
    for credential in [primary.as_str(), &secondary, &made, guess] {
        ask(&host, INFER, Some(credential));
        ask(&host, SCORE, Some(credential));
        run_as(&host, credential, &["service", "list"]);
    }
    let shown = [
        host.ok(&["service", "show", "identity"]),
        host.ok(&["--output", "json", "service", "show", "identity"]),
        host.ok(&["--output", "json", "service", "list"]),
        host.ok(&["--output", "json", "operation", "list"]),
        host.ok(&["--output", "json", "credential", "list"]),
    ];
    take_tokens(&host);
    let token = token(&host)["accessToken"].as_str().unwrap().to_owned();
    ask(&host, INFER, Some(&token));
    let (out, log) = host.written();
    let secrets = [primary, secondary, made, guess.to_owned(), token, host.credential()];
    for (number, secret) in secrets.iter().enumerate() {
        assert!(!log.contains(secret.as_str()), "secret {number} is in the log");
        assert!(!out.contains(secret.as_str()), "secret {number} is on standard output");
        assert!(!shown.iter().any(|text| text.contains(secret.as_str())), "secret {number} is shown");
    }
    assert!(!log.contains(&printed_admin(&host)));
    for file in ["auth/credentials.json", "auth/signing-keys.json"] {
        let path = host.data_dir().join(file);
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn serve_listens_beyond_loopback_and_warns_without_tls() {
    let host = Host::keyed(&["--grpc", "0.0.0.0:0"]);
    let (_, log) = host.written();
    let warning =
        log.lines().find(|line| line.contains("reachable by others without TLS")).unwrap_or_else(|| panic!("{log}"));
    assert!(warning.contains("0.0.0.0"), "{warning}");
}

/// An identity provider: answers each request with the document of its path.
fn identity_provider() -> (SocketAddr, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let der = [b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(), &[7; 32]].concat();
    let key = jsonwebtoken::EncodingKey::from_ed_der(&der);
    let mut jwk =
        serde_json::to_value(jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::EdDSA).unwrap())
            .unwrap();
    jwk["kid"] = "one".into();
    let issuer = format!("http://{address}");
    let discovery = json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }).to_string();
    let keys = json!({ "keys": [jwk] }).to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let length = stream.read(&mut head).unwrap_or(0);
            let document = if show(&head[..length]).starts_with("GET /keys") { &keys } else { &discovery };
            let length = document.len();
            let _ =
                write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{document}");
        }
    });
    let expires = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 600;
    let claims = json!({ "iss": issuer, "sub": "bob", "aud": "scorehost:identity", "exp": expires });
    let head = jsonwebtoken::Header {
        kid: Some("one".to_owned()),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA)
    };
    (address, jsonwebtoken::encode(&head, &claims, &key).unwrap())
}

#[test]
fn tokens_of_an_issuer_that_is_trusted_open_the_services_they_name() {
    let (address, token) = identity_provider();
    let issuer = format!("http://{address},scorehost:{{service}}");
    let host = keyed(&["--issuer", &issuer]);
    take_tokens(&host);
    let answer = ask(&host, INFER, Some(&token));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let stranger = keyed(&[]);
    take_tokens(&stranger);
    let refused = ask(&stranger, INFER, Some(&token));
    assert!(refused.status == 401 && refused.text().contains("does not accept tokens of issuer"), "{}", refused.text());
    assert_eq!(host.get("/management/v1/services").status, 401);
    let bearer = format!("Bearer {token}");
    assert_eq!(host.request("GET", "/management/v1/services", &[("authorization", &bearer)], b"").status, 401);
}

#[test]
fn settings_that_are_none_stop_the_start_before_anything_is_made() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    for (arguments, part) in [
        (["--issuer", "http://idp.example"], "must begin with https://"),
        (["--token-lifetime", "10"], "300..=604800"),
        (["--admin-token-file", "/none"], "holds no credential"),
    ] {
        let output = std::process::Command::new(crate::host::binary())
            .args(["serve", "--data-dir", data.to_str().unwrap(), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!output.status.success());
        let text = show(&output.stderr);
        assert!(text.contains(part), "{text}");
    }
}
