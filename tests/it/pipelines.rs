//! Services that call services.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Answer, Host, model, root};
use crate::observe::{collector, delivered};

const TRACE: u128 = 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736;

/// A deployment configuration that grants calls of `services`.
fn grants(folder: &Path, services: &[&str]) -> PathBuf {
    let path = folder.join(format!("{}.json", services.join("-")));
    let document = json!({
        "computeType": "local", "scoringTimeoutMs": 5000, "scorehost": {"grants": {"services": services}}
    });
    std::fs::write(&path, document.to_string()).unwrap();
    path
}

fn infer(host: &Host, service: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![0.5; 16]}]});
    host.post(&format!("/v2/models/{service}/infer"), headers, body.to_string().as_bytes())
}

/// A host with the model `identity`, and a component that calls the service that `CALLS` names.
struct Stage {
    host: Host,
    component: PathBuf,
    folder: tempfile::TempDir,
}

impl Stage {
    fn set(arguments: &[&str]) -> Option<Self> {
        Self::with("tests/guests/caller", arguments)
    }

    /// The same with a caller in another language.
    fn with(caller: &str, arguments: &[&str]) -> Option<Self> {
        let component = build(caller)?;
        let host = Host::start_with(arguments);
        host.ok(&["model", "register", "--name", "identity", "--path", text(&model("identity_fp32.onnx"))]);
        Some(Self { host, component, folder: tempfile::tempdir().unwrap() })
    }

    fn deployment(&self, name: &str, calls: &str, granted: &[&str]) -> Vec<String> {
        let dc = grants(self.folder.path(), granted);
        let variable = format!("CALLS={calls}");
        let arguments =
            ["deploy", "-n", name, "--scorer", text(&self.component), "--var", &variable, "--dc", text(&dc)];
        arguments.map(str::to_owned).to_vec()
    }

    /// Deploys a caller that posts `body`.
    fn posts(&self, name: &str, calls: &str, body: &str) {
        let mut arguments = self.deployment(name, calls, &[calls]);
        arguments.extend(["--var".to_owned(), format!("BODY={body}")]);
        self.host.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    }

    fn deploys(&self, name: &str, calls: &str, granted: &[&str]) -> String {
        let arguments = self.deployment(name, calls, granted);
        self.host.ok(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn refuses(&self, name: &str, calls: &str, granted: &[&str]) -> String {
        let arguments = self.deployment(name, calls, granted);
        self.host.fails(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

#[test]
fn a_service_calls_another_one_without_its_key_and_the_access_log_names_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let Some(stage) = Stage::set(&["--access-log", "json", "--access-log-file", text(&file)]) else { return };
    let closed = json!({"models": ["identity:1"], "deployment": {"computeType": "local", "authEnabled": true}});
    let begun = stage.host.manage("PUT", "/services/closed", closed.to_string().as_bytes());
    let operation = begun.json()["id"].as_str().unwrap().to_owned();
    stage.host.ok(&["operation", "show", &operation, "--wait"]);
    stage.deploys("front", "closed", &["closed"]);
    assert_eq!(infer(&stage.host, "closed", &[]).status, 401, "a caller from outside needs a key");
    let answer = infer(&stage.host, "front", &[("x-request-id", "through")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outputs"][0]["data"], json!(vec![0.5; 16]));
    let inner = inner_line(&file);
    assert_eq!((&inner["service"], &inner["caller"]), (&json!("closed"), &json!("service:front")));
    assert_eq!((&inner["request_id"], &inner["status"]), (&json!("through"), &json!(200)));
    let counted = "scorehost_requests_total{service=\"closed\",version=\"1\",outcome=\"ok\"} 1";
    assert!(stage.host.get("/metrics").text().contains(counted), "its own statistics count the call");
}

/// The line of the call that one service made of another.
fn inner_line(file: &Path) -> Value {
    for _ in 0..2000 {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(line) = lines.find(|line| line["protocol"] == "service") {
            return line;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{} has no line of the inner call", file.display());
}

#[test]
fn what_is_not_granted_and_what_goes_in_a_circle_is_refused_by_name() {
    let Some(stage) = Stage::set(&[]) else { return };
    let refused = stage.refuses("front", "inner", &[]);
    assert!(
        refused.contains("scorehost:services/services") && refused.contains("scorehost.grants.services"),
        "{refused}"
    );

    let warned =
        stage.host.cli(&stage.deployment("front", "inner", &["inner"]).iter().map(String::as_str).collect::<Vec<_>>());
    let warned = crate::host::show(&warned.stdout) + &crate::host::show(&warned.stderr);
    assert!(warned.contains("there is no service 'inner' yet"), "{warned}");
    let missing = infer(&stage.host, "front", &[]);
    assert_eq!(missing.status, 404, "{}", missing.text());

    stage.host.ok(&["deploy", "-n", "inner", "-m", "identity:1"]);
    assert_eq!(infer(&stage.host, "front", &[]).status, 200);
    stage.deploys("nosy", "inner", &["front"]);
    let not_granted = infer(&stage.host, "nosy", &[]);
    assert_eq!(not_granted.status, 502, "{}", not_granted.text());
    assert!(
        not_granted.text().contains("service 'nosy' is not granted to call service 'inner'"),
        "{}",
        not_granted.text()
    );

    let circle = stage.refuses("inner", "front", &["front"]);
    assert!(circle.contains("inner → front → inner"), "{circle}");
    let own = stage.refuses("selfish", "selfish", &["selfish"]);
    assert!(own.contains("selfish → selfish"), "{own}");
    assert_eq!(infer(&stage.host, "front", &[]).status, 200, "what ran goes on");
}

#[test]
fn one_trace_and_one_deadline_hold_for_all_services_of_a_request() {
    let (url, received) = collector();
    let Some(stage) = Stage::set(&["--otlp-endpoint", &url, "--trace-sample", "0"]) else { return };
    stage.host.ok(&["deploy", "-n", "last", "-m", "identity:1"]);
    stage.deploys("middle", "last", &["last"]);
    stage.deploys("front", "middle", &["middle"]);
    let parent = format!("00-{TRACE:032x}-00f067aa0ba902b7-01");
    assert_eq!(infer(&stage.host, "front", &[("traceparent", &parent)]).status, 200);
    let trace = TRACE.to_be_bytes();
    let parts: [&[u8]; 6] = [
        &trace,
        b"POST /v2/models/{model}/infer",
        b"service.call",
        "front → middle".as_bytes(),
        b"scorer.run",
        b"model.run",
    ];
    assert!(delivered(&received, "/v1/traces", &parts), "no spans came");

    let Some(faulty) = build("tests/guests/faulty") else { return };
    stage.host.ok(&["deploy", "-n", "endless", "--scorer", text(&faulty)]);
    stage.posts("patient", "endless", "loop");
    is_late(&stage.host, "patient");
}

/// A request that allows 0.3 s ends by then, although the service it calls would never.
fn is_late(host: &Host, service: &str) {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.0; 16]}],
        "parameters": {"timeout": 300_000}});
    let late = host.post(&format!("/v2/models/{service}/infer"), &[], body.to_string().as_bytes());
    assert_eq!(late.status, 504, "{}", late.text());
}

/// What holds for a caller in any language: the other service is reached without its key, sees who called and belongs to the
/// request's trace and deadline; whatever goes wrong is told by name.
fn calls_as_every_language_does(caller: &str) {
    let (url, received) = collector();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let arguments =
        ["--otlp-endpoint", &url, "--trace-sample", "0", "--access-log", "json", "--access-log-file", text(&file)];
    let Some(stage) = Stage::with(caller, &arguments) else { return };
    let Some(faulty) = build("tests/guests/faulty") else { return };
    let closed = json!({"models": ["identity:1"], "deployment": {"computeType": "local", "authEnabled": true}});
    let begun = stage.host.manage("PUT", "/services/closed", closed.to_string().as_bytes());
    stage.host.ok(&["operation", "show", begun.json()["id"].as_str().unwrap(), "--wait"]);
    stage.deploys("front", "closed", &["closed"]);

    let parent = format!("00-{TRACE:032x}-00f067aa0ba902b7-01");
    let answer = infer(&stage.host, "front", &[("traceparent", &parent), ("x-request-id", "through")]);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outputs"][0]["data"], json!(vec![0.5; 16]));
    let inner = inner_line(&file);
    assert_eq!((&inner["service"], &inner["caller"]), (&json!("closed"), &json!("service:front")));
    assert_eq!(inner["request_id"], "through");
    let parts: [&[u8]; 5] = [&TRACE.to_be_bytes(), b"service.call", b"closed", b"scorer.run", b"model.run"];
    assert!(delivered(&received, "/v1/traces", &parts), "no spans came");

    stage.host.ok(&["deploy", "-n", "fault", "--scorer", text(&faulty)]);
    stage.posts("patient", "fault", "loop");
    is_late(&stage.host, "patient");
    let told = |service: &str, status: u16, words: &[&str]| {
        let answer = infer(&stage.host, service, &[]);
        assert_eq!(answer.status, status, "{service}: {}", answer.text());
        assert!(words.iter().all(|word| answer.text().contains(word)), "{service}: {}", answer.text());
    };
    stage.posts("well", "fault", "ok");
    told("well", 200, &["OUTPUT0"]);
    stage.posts("refused", "fault", "nonsense");
    told("refused", 400, &["service 'fault'", "there is no fault 'nonsense'"]);
    stage.posts("broken", "fault", "trap");
    told("broken", 502, &["service 'fault'", "panicked or aborted"]);
    stage.deploys("lost", "nowhere", &["nowhere"]);
    told("lost", 404, &["no service named 'nowhere' is deployed", "scorehost.grants.services"]);
    stage.deploys("nosy", "closed", &["front"]);
    told("nosy", 502, &["service 'nosy' is not granted to call service 'closed'"]);
    let circle = stage.refuses("closed", "front", &["front"]);
    assert!(circle.contains("closed → front → closed"), "{circle}");
}

#[test]
fn a_javascript_scorer_calls_services() {
    calls_as_every_language_does("tests/guests/caller-javascript");
}

#[test]
fn a_c_scorer_calls_services() {
    calls_as_every_language_does("tests/guests/caller-c");
}

/// The models and the service that the pipeline `ask-photo` takes, and a deployment of it from its two files.
fn asking(host: &Host, example: &str) -> Option<()> {
    build(&format!("plugins/examples/{example}"))?;
    let reader = build("plugins/examples/text-in-photo")?;
    let folder = tempfile::tempdir().unwrap();
    for (from, to) in [("minilm.onnx", "model.onnx"), ("minilm_vocab.txt", "vocab.txt")] {
        std::fs::copy(model(from), folder.path().join(to)).unwrap();
    }
    let models = [
        ("minilm", folder.path().to_owned()),
        ("ppocr-det", model("ppocr_det.onnx")),
        ("ppocr-rec", model("ppocr_rec")),
    ];
    for (name, path) in &models {
        host.ok(&["model", "register", "--name", name, "--path", text(path)]);
    }
    host.ok(&["deploy", "-n", "text-in-photo", "-m", "ppocr-det", "-m", "ppocr-rec", "--scorer", text(&reader)]);
    let file = |name: &str| root().join("plugins/examples").join(example).join(name);
    let (ic, dc) = (file("inferenceconfig.json"), file("deploymentconfig.json"));
    host.ok(&["deploy", "-n", "ask-photo", "-m", "ppocr-det", "-m", "minilm", "--ic", text(&ic), "--dc", text(&dc)]);
    Some(())
}

/// Both examples rank the lines of the photograph as MiniLM in ONNX Runtime does, and do not call the other service for a picture
/// without text.
fn answers_questions_about_a_photograph(example: &str) {
    let host = Host::start();
    if asking(&host, example).is_none() {
        return;
    }
    let ask = |picture: &[u8], question: &str| {
        let path = format!("/api/v1/service/ask-photo/score?q={}", question.replace(' ', "+"));
        host.post(&path, &[("content-type", "image/jpeg")], picture)
    };
    let photo = std::fs::read(model("photo.jpg")).unwrap();
    let expected = std::fs::read(root().join("tests/fixtures/pipelines/answers.json")).unwrap();
    let expected: Vec<Value> = serde_json::from_slice(&expected).unwrap();
    for wanted in &expected {
        let answer = ask(&photo, wanted["question"].as_str().unwrap());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (answer, wanted) = (answer.json(), wanted["lines"].as_array().unwrap());
        let lines = answer["lines"].as_array().unwrap();
        assert_eq!(lines.len(), wanted.len(), "{answer}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert_eq!(line["text"], wanted["text"], "{answer}");
            let off = line["similarity"].as_f64().unwrap() - wanted["similarity"].as_f64().unwrap();
            assert!(off.abs() < 2e-3, "{line}, expected {wanted}");
            assert!(line["box"].is_array() && line["score"].as_f64().unwrap() > 0.8, "{line}");
        }
    }
    let read = || {
        let counted = "scorehost_requests_total{service=\"text-in-photo\",version=\"1\",outcome=\"ok\"} ";
        let metrics = host.get("/metrics").text();
        metrics.lines().find_map(|line| line.strip_prefix(counted)?.parse::<usize>().ok()).unwrap()
    };
    assert_eq!(read(), expected.len());
    let blank = ask(&std::fs::read(root().join("tests/fixtures/operations/rgb.png")).unwrap(), "what is it");
    assert_eq!((blank.status, blank.json()["lines"].clone()), (200, json!([])), "{}", blank.text());
    assert_eq!(read(), expected.len(), "a picture without text is not sent on");
    let wrong =
        [(ask(&photo, ""), "the query has no question"), (ask(b"no picture", "what"), "the image cannot be decoded")];
    for (answer, told) in wrong {
        assert!(answer.status == 400 && answer.text().contains(told), "{}", answer.text());
    }
    host.ok(&["service", "delete", "text-in-photo"]);
    let lost = ask(&photo, "when is it open");
    assert!(lost.status == 404 && lost.text().contains("'text-in-photo'"), "{} {}", lost.status, lost.text());
}

#[test]
fn the_pipeline_example_in_rust_answers_questions_about_a_photograph() {
    answers_questions_about_a_photograph("ask-photo-rust");
}

#[test]
fn the_pipeline_example_in_python_answers_questions_about_a_photograph() {
    answers_questions_about_a_photograph("ask-photo-python");
}
