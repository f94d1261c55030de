//! Replicas that follow the load, in real time and from outside. What holds a replica is a scorer that waits for a feature store
//! which does not answer yet, so that a busy service costs this machine nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, ask};

/// A feature store that answers when it is told to.
struct Store {
    port: u16,
    asked: Arc<Mutex<Vec<TcpStream>>>,
}

impl Store {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, asked) = (listener.local_addr().unwrap().port(), Arc::<Mutex<Vec<TcpStream>>>::default());
        let held = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                held.lock().unwrap().push(stream.unwrap());
            }
        });
        Self { port, asked }
    }

    fn waiting(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Answers everyone who waits.
    fn answer(&self) {
        for mut stream in self.asked.lock().unwrap().drain(..) {
            let _ = stream.read(&mut [0; 4096]);
            let body = r#"{"features": [1.5, 2]}"#;
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
            let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        }
    }
}

struct Scene {
    host: Host,
    store: Store,
    component: std::path::PathBuf,
    folder: tempfile::TempDir,
}

impl Scene {
    /// `None` where this machine cannot build scorers.
    fn open(arguments: &[&str]) -> Option<Self> {
        let component = build("plugins/examples/lookup-rust")?;
        let (host, store) = (Host::start_with(arguments), Store::open());
        Some(Self { host, store, component, folder: tempfile::tempdir().unwrap() })
    }

    fn deploy(&self, service: &str, auto_scaler: Value, scaling: Value) {
        let document = json!({
            "computeType": "local", "autoScaler": auto_scaler, "maxQueueWaitMs": 60_000,
            "scorehost": {"scaling": scaling, "grants": {"outbound": [{"host": "localhost", "port": self.store.port, "private": true}]}},
        });
        let dc = self.folder.path().join(format!("{service}.json"));
        std::fs::write(&dc, document.to_string()).unwrap();
        let url = format!("FEATURES_URL=http://localhost:{}/customers", self.store.port);
        let scorer = text(Path::new(&self.component));
        self.host.ok(&["deploy", "-n", service, "--scorer", scorer, "--dc", text(&dc), "--var", &url]);
    }

    /// Requests that hold a replica each until the store answers.
    fn hold(&self, service: &str, count: usize) -> Vec<JoinHandle<Answer>> {
        let (address, path) = (self.host.address(), format!("/api/v1/service/{service}/score"));
        let one = || {
            let path = path.clone();
            std::thread::spawn(move || ask(address, "POST", &path, &[], br#"{"customer": "ada"}"#))
        };
        (0..count).map(|_| one()).collect()
    }

    fn replicas(&self, service: &str) -> Value {
        let shown: Value =
            serde_json::from_str(&self.host.ok(&["service", "show", service, "--output", "json"])).unwrap();
        shown["replicas"].clone()
    }

    /// Looks until the replicas are as expected; how they were at last, where that takes too long.
    fn until(&self, service: &str, expected: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.replicas(service);
            if expected(&found) {
                return found;
            }
            assert!(Instant::now() < give_up, "{service}: {found}\n{}", self.log(service));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Lets the store answer until all are done.
    fn finish(&self, held: Vec<JoinHandle<Answer>>) {
        while !held.iter().all(JoinHandle::is_finished) {
            self.store.answer();
            std::thread::sleep(Duration::from_millis(10));
        }
        for held in held {
            let answer = held.join().unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }

    fn log(&self, service: &str) -> String {
        self.host.ok(&["service", "logs", service])
    }
}

fn count(replicas: &Value, name: &str) -> u64 {
    replicas[name].as_u64().unwrap_or_else(|| panic!("{replicas}"))
}

#[test]
fn load_raises_replicas_above_the_minimum_and_everyone_can_see_it() {
    let Some(scene) = Scene::open(&[]) else { return };
    scene.deploy("busy", json!({"minReplicas": 1, "maxReplicas": 20}), json!({}));
    assert_eq!(count(&scene.replicas("busy"), "ready"), 1);
    let held = scene.hold("busy", 4);
    // Four requests at a time are 70 % of six replicas.
    let found = scene.until("busy", |replicas| count(replicas, "ready") >= 6 && count(replicas, "busy") == 4);
    assert_eq!((count(&found, "wanted"), count(&found, "ready")), (6, 6), "{found}");
    let shown = scene.host.ok(&["service", "show", "busy"]);
    assert!(shown.contains("1 to 20: 6 ready, 4 busy, 6 wanted"), "{shown}");
    assert!(scene.host.ok(&["service", "list"]).contains("6/6"));
    let metrics = scene.host.get("/metrics").text();
    for line in [
        r#"scorehost_replicas{service="busy",version="1",state="busy"} 4"#,
        r#"scorehost_replicas_wanted{service="busy",version="1"} 6"#,
        r#"scorehost_scaling_decisions_total{service="busy",version="1",direction="up",reason="load"}"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    assert!(scene.log("busy").contains("replicas: "), "{}", scene.log("busy"));
    scene.finish(held);
}

#[test]
fn a_number_set_by_hand_holds_and_ends_no_request() {
    let Some(scene) = Scene::open(&[]) else { return };
    scene.deploy("manual", json!({"minReplicas": 1, "maxReplicas": 2}), json!({}));
    scene.host.ok(&["service", "scale", "manual", "--replicas", "5"]);
    scene.until("manual", |replicas| count(replicas, "ready") == 5);
    let held = scene.hold("manual", 3);
    scene.until("manual", |replicas| count(replicas, "busy") == 3);
    scene.host.ok(&["service", "scale", "manual", "--replicas", "1"]);
    scene.until("manual", |replicas| count(replicas, "ready") == 3 && count(replicas, "busy") == 3);
    scene.finish(held);
    scene.until("manual", |replicas| count(replicas, "ready") == 1);
    let log = scene.log("manual");
    assert!(log.contains("scaled from 1 to 5 replicas: the deployment's bounds changed"), "{log}");
    assert!(log.contains("scaled from 5 to 1 replicas"), "{log}");
}

#[test]
fn a_service_nobody_calls_goes_to_zero_and_answers_the_next_request() {
    let Some(scene) = Scene::open(&[]) else { return };
    scene.deploy("rare", json!({"maxReplicas": 4}), json!({"minReplicas": 0, "idleAfterSeconds": 1}));
    for _ in 0..2 {
        scene.until("rare", |replicas| count(replicas, "ready") == 0 && count(replicas, "wanted") == 0);
        let held = scene.hold("rare", 2);
        scene.finish(held);
    }
    let log = scene.log("rare");
    assert!(log.contains("scaled from 1 to 0 replicas: no request came for 1 s"), "{log}");
    let metrics = scene.host.get("/metrics").text();
    let cold = metrics.lines().find_map(|line| line.strip_prefix("scorehost_cold_starts_total{service=\"rare\""));
    assert!(cold.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
}

#[test]
fn scaling_up_and_down_under_load_fails_no_request() {
    let Some(component) = build("tests/guests/faulty") else { return };
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    let dc = folder.path().join("dc.json");
    std::fs::write(&dc, r#"{"computeType": "local", "maxQueueWaitMs": 60000}"#).unwrap();
    host.ok(&["deploy", "-n", "swing", "--scorer", text(&component), "--dc", text(&dc)]);
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<JoinHandle<usize>> = (0..4)
        .map(|_| {
            let (stop, address) = (Arc::clone(&stop), host.address());
            std::thread::spawn(move || {
                let mut answers = 0;
                while !stop.load(Ordering::Relaxed) {
                    let answer = ask(address, "POST", "/api/v1/service/swing/score", &[], b"ok");
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for replicas in ["8", "1", "6", "2", "9", "1"] {
        host.ok(&["service", "scale", "swing", "--replicas", replicas]);
    }
    stop.store(true, Ordering::Relaxed);
    let answers: usize = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
    assert!(answers > 20, "{answers}");
}

#[test]
fn a_small_host_is_shared_and_says_what_it_is_short_of() {
    // Two replicas of 0.1 cores beyond the minimums, for two services that want six each.
    let Some(scene) = Scene::open(&["--max-replica-cores", "0.2"]) else { return };
    for service in ["first", "second"] {
        scene.deploy(service, json!({"minReplicas": 1, "maxReplicas": 10}), json!({}));
    }
    let held = [scene.hold("first", 8), scene.hold("second", 8)];
    for service in ["first", "second"] {
        scene.until(service, |replicas| count(replicas, "wanted") > 2);
    }
    // Whoever came first may have taken both, and keeps them until its calls end.
    scene.store.answer();
    for service in ["first", "second"] {
        let found = scene.until(service, |replicas| count(replicas, "busy") == 2 && count(replicas, "ready") == 2);
        assert!(count(&found, "wanted") > 2 && count(&found, "allowed") == 2, "{found}");
        let log = scene.log(service);
        assert!(log.contains("short of the cores") && log.contains("--max-replica-cores"), "{log}");
        assert!(scene.host.ok(&["service", "show", service]).contains("this host has room for 2"));
    }
    assert_eq!(scene.store.waiting(), 4);
    for held in held {
        scene.finish(held);
    }
}

#[test]
fn memory_that_is_not_there_is_not_given() {
    let Some(scene) = Scene::open(&["--max-replica-memory", "64KiB"]) else { return };
    scene.deploy("large", json!({"minReplicas": 1, "maxReplicas": 10}), json!({}));
    let held = scene.hold("large", 3);
    let found = scene.until("large", |replicas| count(replicas, "wanted") >= 3);
    assert_eq!((count(&found, "ready"), count(&found, "allowed")), (1, 1), "the minimum was promised: {found}");
    assert!(scene.log("large").contains("short of the memory that replicas may use"), "{}", scene.log("large"));
    scene.finish(held);
}
