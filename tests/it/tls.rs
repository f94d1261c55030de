//! TLS from outside: the self-signed mode, the command line over https, and wrong files at the start.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::host::{binary, model, show};

/// A server behind its own certificate; killed when dropped.
struct Secure {
    child: Child,
    scratch: TempDir,
    http: SocketAddr,
}

impl Secure {
    fn start() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = std::fs::File::create(scratch.path().join("serve.log")).unwrap();
        let child = Command::new(binary())
            .args(["serve", "--tls-self-signed", "--data-dir", scratch.path().join("data").to_str().unwrap()])
            .args(["--http", &http.to_string(), "--grpc", "127.0.0.1:0"])
            .env("HOME", scratch.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { child, scratch, http };
        server.wait_until_ready();
        server
    }

    fn wait_until_ready(&self) {
        let give_up = Instant::now() + Duration::from_secs(60);
        while !self.cli(&["service", "list"]).status.success() {
            assert!(Instant::now() < give_up, "{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.scratch.path().join("serve.log")).unwrap_or_default()
    }

    fn certificate(&self) -> std::path::PathBuf {
        self.scratch.path().join("data/tls/self-signed-cert.pem")
    }

    /// The command line against this server, trusting its certificate.
    fn cli(&self, arguments: &[&str]) -> Output {
        let certificate = self.certificate();
        self.cli_trusting(Some(&certificate), arguments)
    }

    fn cli_trusting(&self, ca: Option<&Path>, arguments: &[&str]) -> Output {
        let url = format!("https://localhost:{}", self.http.port());
        let mut command = Command::new(binary());
        command.args(["--server", &url]).args(arguments).env("HOME", self.scratch.path()).stdin(Stdio::null());
        if let Some(ca) = ca {
            command.arg("--ca").arg(ca);
        }
        command.output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", show(&output.stdout), show(&output.stderr));
        show(&output.stdout).trim().to_owned()
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_model_is_deployed_and_scored_over_https() {
    let server = Secure::start();
    let path = model("digits.onnx");
    let registered = server.ok(&["model", "register", "--name", "digits", "--path", path.to_str().unwrap()]);
    server.ok(&["deploy", "-n", "digits", "-m", &registered]);
    assert!(server.ok(&["service", "list"]).contains("digits"));
    let doctor = server.ok(&["doctor", "--phase", "register", "--phase", "score"]);
    assert!(doctor.contains("server: certificate") && doctor.contains("more days"), "{doctor}");
    assert!(doctor.contains("service digits"), "{doctor}");
}

#[test]
fn callers_that_do_not_trust_the_certificate_are_told_how_to() {
    let server = Secure::start();
    let refused = server.cli_trusting(None, &["service", "list"]);
    assert!(!refused.status.success());
    assert!(show(&refused.stderr).contains("--ca FILE"), "{}", show(&refused.stderr));
    let doctor = server.cli_trusting(None, &["doctor", "--phase", "register"]);
    assert_eq!(doctor.status.code(), Some(1));
    assert!(show(&doctor.stdout).contains("--ca FILE"), "{}", show(&doctor.stdout));
}

#[test]
fn plain_requests_to_a_secure_door_hear_to_use_https() {
    let server = Secure::start();
    let mut stream = TcpStream::connect(server.http).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET /v2 HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("https://"), "{answer}");
}

#[test]
fn wrong_files_are_refused_by_name_and_leave_no_data_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let (data, missing) = (scratch.path().join("data"), scratch.path().join("none.pem"));
    let output = Command::new(binary())
        .args(["serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .arg("--tls-cert")
        .arg(&missing)
        .arg("--tls-key")
        .arg(&missing)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let error = show(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("none.pem") && error.contains("hint:"), "{error}");
    assert!(!data.exists());
}

#[test]
fn a_server_that_is_not_there_is_a_failed_finding() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let arguments = ["--server", &url, "doctor", "--phase", "register", "--output", "json"];
    let output = Command::new(binary()).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", show(&output.stderr));
    let findings: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let connection = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "server: connection");
    assert_eq!(connection.unwrap()["state"], "failed", "{findings}");
}
