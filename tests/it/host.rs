//! A running `scorehost serve` of its own for a test, its command line, and plain HTTP towards it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A server process; killed when dropped.
pub(crate) struct Host {
    child: Child,
    scratch: TempDir,
    http: SocketAddr,
    arguments: Vec<String>,
    /// Whether services are deployed with keys, as a host does by itself; most tests are not about that.
    keyed: bool,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The first value of a header, by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Host {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with further arguments of `serve`.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (child, http) = spawn(scratch.path(), &arguments);
        Self { child, scratch, http, arguments, keyed: false }
    }

    /// Starts with further arguments of `serve`; services have keys.
    pub(crate) fn keyed(arguments: &[&str]) -> Self {
        let mut host = Self::start_with(arguments);
        host.keyed = true;
        host
    }

    /// Kills the process the hard way and starts it again on the same data.
    pub(crate) fn kill_and_restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        (self.child, self.http) = spawn(self.scratch.path(), &self.arguments);
    }

    /// Ends the process with SIGKILL and leaves it ended.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn restart(&mut self) {
        (self.child, self.http) = spawn(self.scratch.path(), &self.arguments);
    }

    /// Starts again on the same data with other arguments of `serve`.
    pub(crate) fn restart_with(&mut self, arguments: &[&str]) {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.restart();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.http
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the process to end by itself.
    pub(crate) fn wait(&mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    /// Runs the command line against this host.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// A command line against this host, not yet run, that finds the credential which the server left.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.env("SCOREHOST_CONFIG_DIR", self.scratch.path().join("config"));
        command.args(["--server", &format!("http://{}", self.http)]).args(arguments).stdin(Stdio::null());
        if arguments.first() == Some(&"deploy") && !self.keyed {
            command.arg("--no-auth");
        }
        command
    }

    /// The administrator's credential that the server left for its user.
    pub(crate) fn credential(&self) -> String {
        let name = format!("{}_{}.json", self.http.ip(), self.http.port());
        let file = std::fs::read(self.scratch.path().join("config/local").join(name)).unwrap();
        let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
        file["credential"].as_str().unwrap().to_owned()
    }

    /// What the server wrote: standard output, and the log.
    pub(crate) fn written(&self) -> (String, String) {
        let read = |name: &str| std::fs::read_to_string(self.scratch.path().join(name)).unwrap();
        (read("serve.out"), read("serve.log"))
    }

    /// Runs a command that must succeed; returns what it printed.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert!(output.status.success(), "{arguments:?}: {}{}", show(&output.stdout), show(&output.stderr));
        show(&output.stdout).trim().to_owned()
    }

    /// Runs a command that must fail; returns its error text.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.cli(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", show(&output.stdout));
        show(&output.stderr)
    }

    /// Registers a model file and deploys it without a scorer.
    pub(crate) fn deploy_model(&self, service: &str, path: &Path) {
        let model = self.ok(&["model", "register", "--name", service, "--path", path.to_str().unwrap()]);
        self.ok(&["deploy", "-n", service, "-m", &model]);
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], &[])
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.request("POST", path, headers, body)
    }

    /// One request over a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        ask(self.http, method, path, headers, body)
    }

    /// One request of an administrator.
    pub(crate) fn manage(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        let bearer = format!("Bearer {}", self.credential());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.request(method, &format!("/management/v1{path}"), &headers, body)
    }

    /// Sends bytes as they are and reads the answer to its end.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.http, bytes)
    }
}

/// One request to any address.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length")) {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    exchange(address, &bytes)
}

/// One `POST` with a credential, from an address of this machine.
pub(crate) fn ask_from(from: IpAddr, address: SocketAddr, path: &str, credential: &str, body: &[u8]) -> Answer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {credential}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    exchange_over(socket.into(), &[head.as_bytes(), body].concat())
}

fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    exchange_over(TcpStream::connect(address).unwrap(), bytes)
}

fn exchange_over(mut stream: TcpStream, bytes: &[u8]) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(90))).unwrap();
    // A server that refuses early may close while we still write; what counts is its answer.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    parse(&answer)
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.scratch.path().join("serve.log")).unwrap_or_default();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- end of the server's log\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
}

pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_scorehost"))
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `.models/`, which deploy/setup.sh fills.
pub(crate) fn model(file: &str) -> PathBuf {
    let path = root().join(".models").join(file);
    assert!(path.exists(), "{} is missing: run deploy/setup.sh", path.display());
    path
}

pub(crate) fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn spawn(scratch: &Path, arguments: &[String]) -> (Child, SocketAddr) {
    let http: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let append = |name: &str| std::fs::File::options().create(true).append(true).open(scratch.join(name)).unwrap();
    let grpc: &[&str] =
        if arguments.iter().any(|argument| argument == "--grpc") { &[] } else { &["--grpc", "127.0.0.1:0"] };
    let mut child = Command::new(binary())
        .args(["serve", "--data-dir", scratch.join("data").to_str().unwrap(), "--http", &http.to_string()])
        .args(grpc)
        .args(arguments)
        .stdin(Stdio::null())
        .env("SCOREHOST_CONFIG_DIR", scratch.join("config"))
        .stdout(append("serve.out"))
        .stderr(append("serve.log"))
        .spawn()
        .unwrap();
    wait_until_ready(&mut child, http, &scratch.join("serve.log"));
    (child, http)
}

fn wait_until_ready(child: &mut Child, http: SocketAddr, log: &Path) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while Instant::now() < give_up {
        if let Some(status) = child.try_wait().unwrap() {
            panic!("serve ended with {status}:\n{}", std::fs::read_to_string(log).unwrap_or_default());
        }
        if let Ok(mut stream) = TcpStream::connect(http) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.write_all(b"GET /v2/health/ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let mut answer = String::new();
            if stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200") {
                return;
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("serve did not become ready:\n{}", std::fs::read_to_string(log).unwrap_or_default());
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no HTTP answer: {:?}", show(&answer[..answer.len().min(200)])));
    let head = show(&answer[..end]);
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{head}"));
    let answer_body = &answer[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(answer_body) } else { answer_body.to_vec() };
    Answer { status, head, body }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(show(&rest[..end]).trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}
