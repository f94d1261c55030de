//! The preflight with the real binary: every phase where all is well, and what it says of each thing that is not.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::host::{Host, binary, model, show};

/// The findings of a run, and its exit code.
fn findings(command: &mut Command) -> (i32, Vec<Value>) {
    let output = command.args(["--output", "json"]).stdin(Stdio::null()).output().unwrap();
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", show(&output.stderr)));
    (output.status.code().unwrap(), found)
}

fn failed(findings: &[Value]) -> Vec<&Value> {
    findings.iter().filter(|finding| finding["state"] == "failed").collect()
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn every_phase_of_a_working_host_passes() {
    let host = Host::keyed(&[]);
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let sample = tempfile::NamedTempFile::new().unwrap();
    let body = r#"{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[0,16],"data":[]}]}"#;
    std::fs::write(sample.path(), body).unwrap();
    let store = tempfile::tempdir().unwrap();
    let issuer = format!("http://{},jwks=http://{}/.well-known/jwks.json", host.address(), host.address());
    let mut doctor = host.command(&["doctor", "--service", "identity"]);
    for phase in ["host", "devices", "register", "deploy", "score", "issuers", "collection"] {
        doctor.args(["--phase", phase]);
    }
    doctor.args(["--sample", sample.path().to_str().unwrap(), "--collection", store.path().to_str().unwrap()]);
    let (code, found) = findings(doctor.args(["--issuer", &issuer]));
    assert_eq!((code, failed(&found)), (0, Vec::new()));
    for phase in ["host", "devices", "register", "deploy", "score", "issuers", "collection"] {
        assert!(
            found.iter().any(|finding| finding["phase"] == phase && finding["state"] == "ok"),
            "{phase}: {found:?}"
        );
    }
    let scored = found.iter().find(|finding| finding["check"].as_str().unwrap().contains("sample")).unwrap();
    assert!(scored["found"].as_str().unwrap().starts_with("200, "), "{scored}");
}

/// Every broken thing has a finding of its own that says what to do, and the exit code says that there was one.
#[test]
fn what_is_broken_is_named_with_its_mending() {
    let host = Host::keyed(&[]);
    host.deploy_model("identity", &model("identity_fp32.onnx"));
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "{}").unwrap();
    let wrong = wrong.path().to_str().unwrap().to_owned();
    let closed = format!("http://127.0.0.1:{}", closed_port());
    let url = format!("http://{}", host.address());
    let nowhere = "http://nowhere.invalid:1";
    let of = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments).env("SCOREHOST_CONFIG_DIR", "/none");
        command
    };
    let rows: [(Command, &str, &str); 7] = [
        (of(&["--server", &closed, "doctor", "--phase", "register"]), "server: connection", "refused"),
        (of(&["--server", nowhere, "doctor", "--phase", "register"]), "server: name", "nowhere.invalid"),
        (of(&["--server", &url, "doctor", "--phase", "deploy"]), "credential", "credential"),
        (of(&["doctor", "--phase", "issuers", "--issuer", &format!("{closed},a")]), "issuer", "127.0.0.1"),
        (of(&["doctor", "--phase", "collection", "--collection", "/proc/none"]), "folder: writable", "/proc"),
        (of(&["doctor", "--phase", "host", "--data-dir", "/proc/none"]), "data directory", "/proc"),
        (host.command(&["doctor", "--phase", "score", "--service", "identity", "--sample", &wrong]), "sample", "400"),
    ];
    for (mut command, check, says) in rows {
        let (code, found) = findings(&mut command);
        let failed = failed(&found);
        assert_eq!(code, 1, "{command:?}: {found:?}");
        let named = |finding: &&&Value| finding["check"].as_str().unwrap().contains(check);
        let finding = failed.iter().find(named).unwrap_or_else(|| panic!("{command:?}: {failed:?}"));
        assert!(finding.to_string().contains(says), "{says}: {finding}");
        assert!(finding["fix"].as_str().is_some_and(|fix| !fix.is_empty()), "{finding}");
    }
}
