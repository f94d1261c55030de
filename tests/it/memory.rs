//! Memory of models under a budget, weights in files of their own, and kept answers.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::guests::text;
use crate::host::{Answer, Host, model};

/// The identity model as a file of its own: its text says `number`, so that its content is like no other's.
pub(crate) fn numbered(folder: &Path, number: u8) -> PathBuf {
    let mut bytes = std::fs::read(model("identity_fp32.onnx")).unwrap();
    // `doc_string` of a model is field 6: the last one counts.
    bytes.extend([0x32, 1, b'a' + number]);
    let path = folder.join(format!("identity{number}.onnx"));
    std::fs::write(&path, bytes).unwrap();
    path
}

fn infer(host: &Host, service: &str, value: f32) -> Answer {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![value; 16]}]});
    host.post(&format!("/v2/models/{service}/infer"), &[], body.to_string().as_bytes())
}

fn answered(host: &Host, service: &str, value: f32) {
    let answer = infer(host, service, value);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["outputs"][0]["data"], json!(vec![value; 16]), "{service}");
}

pub(crate) fn memory(host: &Host) -> Value {
    serde_json::from_str(&host.ok(&["--output", "json", "model", "loaded"])).unwrap()
}

fn loaded(memory: &Value) -> Vec<&str> {
    let models = memory["models"].as_array().unwrap().iter();
    models.filter(|model| model["loaded"] == true).map(|model| model["model"].as_str().unwrap()).collect()
}

/// Bytes that the identity model takes when it is loaded.
pub(crate) fn size_of_identity() -> u64 {
    let host = Host::start_with(&["--model-memory", "unlimited"]);
    host.deploy_model("one", &model("identity_fp32.onnx"));
    let memory = memory(&host);
    assert_eq!(memory["budget"], Value::Null);
    memory["models"][0]["bytes"].as_u64().unwrap()
}

fn settings(folder: &Path, name: &str, extension: Value) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, json!({"computeType": "local", "scorehost": extension}).to_string()).unwrap();
    path
}

#[test]
fn models_that_do_not_fit_are_evicted_and_come_back_when_they_are_called() {
    let (folder, size) = (tempfile::tempdir().unwrap(), size_of_identity());
    let budget = format!("{}B", size * 2 + size / 2);
    let mut host = Host::start_with(&["--model-memory", &budget]);
    for number in 0..5 {
        host.deploy_model(&format!("model-{number}"), &numbered(folder.path(), number));
    }
    let at_first = memory(&host);
    assert_eq!(at_first["models"].as_array().unwrap().len(), 5);
    assert_eq!(loaded(&at_first).len(), 2, "{at_first}");
    for round in 0..3u8 {
        for number in 0..5 {
            answered(&host, &format!("model-{number}"), f32::from(round) + 0.5);
        }
    }
    let after = memory(&host);
    assert!(after["loaded_bytes"].as_u64().unwrap() <= after["budget"].as_u64().unwrap(), "{after}");
    assert!(after["evictions"].as_u64().unwrap() >= 13, "{after}");
    assert!(loaded(&after).contains(&"model-4:1"), "{after}");
    let metrics = host.get("/metrics").text();
    for name in ["scorehost_models_known 5", "scorehost_models_loaded 2", "scorehost_model_reload_seconds_count "] {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} is not in\n{metrics}");
    }
    let log = host.ok(&["service", "logs", "model-0"]);
    assert!(log.contains("was evicted from memory") && log.contains("was loaded into memory"), "{log}");

    let merged = |host: &Host| {
        let config = |number| host.get(&format!("/v2/models/model-{number}/config")).json()["max_batch_size"].clone();
        (0..5).map(config).collect::<Vec<_>>()
    };
    let before = merged(&host);
    assert!(before.iter().all(|most| most.as_u64() > Some(1)), "{before:?}");
    host.kill_and_restart();
    assert_eq!(merged(&host), before, "also those that the start has not loaded");
    let restarted = memory(&host);
    assert_eq!(restarted["models"].as_array().unwrap().len(), 5);
    assert!(loaded(&restarted).len() <= 2, "{restarted}");
    assert_eq!(restarted["evictions"], 0, "a start loads nothing that it must evict: {restarted}");
    for number in 0..5 {
        answered(&host, &format!("model-{number}"), 7.0);
    }
}

#[test]
fn a_model_that_can_never_fit_is_refused_at_deploy_and_a_pinned_one_stays() {
    let (folder, size) = (tempfile::tempdir().unwrap(), size_of_identity());
    let budget = format!("{}B", size + size / 2);
    let host = Host::start_with(&["--model-memory", &budget]);
    let big = model("digits_forest.onnx");
    host.ok(&["model", "register", "--name", "big", "--path", text(&big)]);
    let refused = host.fails(&["deploy", "-n", "big", "-m", "big:1"]);
    assert!(refused.contains("model 'big:1' takes") && refused.contains("the budget for models is"), "{refused}");
    assert!(refused.contains("--model-memory"), "{refused}");

    let pin = settings(folder.path(), "pin.json", json!({"modelMemory": {"pin": true}}));
    for number in 0..3 {
        let path = numbered(folder.path(), number);
        host.ok(&["model", "register", "--name", &format!("m{number}"), "--path", text(&path)]);
    }
    host.ok(&["deploy", "-n", "pinned", "-m", "m0:1", "--dc", text(&pin)]);
    let refused = host.fails(&["deploy", "-n", "second", "-m", "m1:1", "--dc", text(&pin)]);
    assert!(refused.contains("model 'm1:1'") && refused.contains("pinned models"), "{refused}");
    let refused = host.fails(&["deploy", "-n", "third", "-m", "m2:1"]);
    assert!(refused.contains("of which pinned models hold"), "{refused}");
    answered(&host, "pinned", 1.0);
    let memory = memory(&host);
    assert_eq!((loaded(&memory), &memory["models"][0]["pinned"]), (vec!["m0:1"], &json!(true)), "{memory}");
    let shown = host.ok(&["--output", "json", "service", "show", "pinned"]);
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["settings"]["pinModels"], true);
}

/// A field of a protobuf message that has bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 1 << 14);
    let length = [(content.len() & 0x7f) as u8 | 0x80, (content.len() >> 7) as u8];
    [&[number << 3 | 2], &length[..], content].concat()
}

fn number(field: u8, value: u8) -> Vec<u8> {
    vec![field << 3, value]
}

/// `y = x + w`, where the four floats of `w` are in the file `weights.bin`.
fn adds_external_weights() -> Vec<u8> {
    let value = |name: &str| {
        let shape = field(1, &number(1, 4));
        let tensor = [number(1, 1), field(2, &shape)].concat();
        [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
    };
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let weights =
        [number(1, 4), number(2, 1), field(8, b"w"), entry("location", "weights.bin"), number(14, 1)].concat();
    let node = [field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"Add")].concat();
    let graph =
        [field(1, &node), field(2, b"adds"), field(5, &weights), field(11, &value("x")), field(12, &value("y"))]
            .concat();
    [number(1, 8), field(7, &graph), field(8, &number(2, 13))].concat()
}

/// A folder with that model, which adds `weights`.
fn adding(weights: [f32; 4]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("model.onnx"), adds_external_weights()).unwrap();
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    std::fs::write(folder.path().join("weights.bin"), bytes).unwrap();
    folder
}

#[test]
fn a_registered_folder_with_weights_in_files_of_their_own_runs_and_is_told_apart_by_them() {
    let mut host = Host::start();
    for (name, weights) in [("first", [1.0f32, 2.0, 3.0, 4.0]), ("second", [10.0, 20.0, 30.0, 40.0])] {
        let folder = adding(weights);
        host.ok(&["model", "register", "--name", name, "--path", text(folder.path())]);
        host.ok(&["deploy", "-n", name, "-m", name]);
    }
    let check = |host: &Host| {
        for (name, expected) in [("first", [1.5, 2.5, 3.5, 4.5]), ("second", [10.5, 20.5, 30.5, 40.5])] {
            let body =
                json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [4], "data": [0.5, 0.5, 0.5, 0.5]}]});
            let answer = host.post(&format!("/v2/models/{name}/infer"), &[], body.to_string().as_bytes());
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()["outputs"][0]["data"], json!(expected));
        }
    };
    check(&host);
    host.kill_and_restart();
    check(&host);
    assert_eq!(
        std::fs::read_dir(host.data_dir().join("incoming")).unwrap().count(),
        0,
        "folders are gone after a load"
    );
}

#[test]
fn kept_answers_are_given_again_until_the_service_is_updated() {
    let (host, folder) = (Host::start(), tempfile::tempdir().unwrap());
    host.ok(&["model", "register", "--name", "identity", "--path", text(&model("identity_fp32.onnx"))]);
    let cached = settings(folder.path(), "cache.json", json!({"responseCache": {"maxBytes": 100_000}}));
    host.ok(&["deploy", "-n", "cached", "-m", "identity:1", "--dc", text(&cached)]);
    let how = |value: f32| {
        let answer = infer(&host, "cached", value);
        assert_eq!(answer.json()["outputs"][0]["data"][0], value);
        answer.header("x-scorehost-cache").map(str::to_owned)
    };
    assert_eq!([how(1.0), how(1.0), how(2.0), how(1.0)].map(Option::unwrap), ["miss", "hit", "miss", "hit"]);
    let metrics = host.get("/metrics").text();
    for line in [
        "scorehost_response_cache_requests_total{service=\"cached\",version=\"1\",result=\"hit\"} 2",
        "nv_cache_num_hits_per_model{model=\"cached\",version=\"1\"} 2",
        "nv_cache_num_misses_per_model{model=\"cached\",version=\"1\"} 2",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");
    }
    let bad = host.post("/v2/models/cached/infer", &[], br#"{"inputs": []}"#);
    assert_eq!((bad.status, bad.header("x-scorehost-cache")), (400, None));
    host.ok(&["service", "update", "cached", "--var", "A=1"]);
    assert_eq!(how(1.0).unwrap(), "miss");
    host.ok(&["deploy", "-n", "plain", "-m", "identity:1"]);
    assert_eq!(infer(&host, "plain", 1.0).header("x-scorehost-cache"), None);
}

/// A model whose own `config.pbtxt` asks for kept answers: `numbers + weights`, in two versions.
#[test]
fn a_models_own_configuration_keeps_answers_and_a_new_version_answers_for_itself() {
    let host = Host::start();
    for weights in [[1.0f32, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]] {
        let folder = adding(weights);
        std::fs::write(folder.path().join("config.pbtxt"), "response_cache { enable: true }").unwrap();
        host.ok(&["model", "register", "--name", "adds", "--path", text(folder.path())]);
    }
    let ask = |data: [f32; 4]| {
        let body = json!({"inputs": [{"name": "x", "datatype": "FP32", "shape": [4], "data": data}]});
        let answer = host.post("/v2/models/adds/infer", &[], body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.text());
        let first = answer.json()["outputs"][0]["data"][0].as_f64().unwrap();
        (answer.header("x-scorehost-cache").map(str::to_owned).unwrap(), first)
    };
    let (hit, miss) = (|value| ("hit".to_owned(), value), |value| ("miss".to_owned(), value));
    host.ok(&["deploy", "-n", "adds", "-m", "adds:1"]);
    assert_eq!([ask([0.5; 4]), ask([0.5; 4])], [miss(1.5), hit(1.5)]);
    // The first number is the same: the whole of an input is the key.
    assert_eq!([ask([0.5, 0.5, 0.5, 0.25]), ask([0.5; 4])], [miss(1.5), hit(1.5)]);
    let statistics = host.get("/v2/models/adds/stats").json();
    let counted = &statistics["model_stats"][0]["inference_stats"];
    assert_eq!([&counted["cache_hit"]["count"], &counted["cache_miss"]["count"]], [2, 2], "{statistics}");
    let metrics = host.get("/metrics").text();
    let line = "nv_cache_num_hits_per_model{model=\"adds\",version=\"1\"} 2";
    assert!(metrics.lines().any(|found| found == line), "{line} is not in\n{metrics}");

    host.ok(&["deploy", "-n", "adds", "-m", "adds:2"]);
    assert_eq!([ask([0.5; 4]), ask([0.5; 4])], [miss(10.5), hit(10.5)], "the new version answers for itself");
    host.ok(&["deploy", "-n", "adds", "-m", "adds:1"]);
    assert_eq!(ask([0.5; 4]), miss(1.5), "what an earlier one kept went with it");
}
