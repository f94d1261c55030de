//! Calls that run together, through the real binary: who is mixed with whom, what each is answered, and what is counted of it.

use std::path::Path;

use serde_json::{Value, json};

use crate::guests::text;
use crate::host::{Answer, Host, model};

/// Values of one picture of 3 x 32 x 32.
const PICTURE: usize = 3 * 32 * 32;

/// A host with one registered model, `net:1`, whose configuration holds calls back until `together` rows have come.
fn host(together: u32) -> (tempfile::TempDir, Host) {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let configuration = format!(
        "max_batch_size: 8\ninput {{ name: 'input' data_type: TYPE_FP32 dims: [3, -1, -1] }}\n\
         dynamic_batching {{ preferred_batch_size: {together} max_queue_delay_microseconds: 20000000 }}\n"
    );
    register(&host, &folder, "net", "mobilenetv2.onnx", &configuration);
    (folder, host)
}

fn register(host: &Host, folder: &tempfile::TempDir, name: &str, file: &str, configuration: &str) {
    let files = folder.path().join(name);
    std::fs::create_dir(&files).unwrap();
    std::fs::copy(model(file), files.join("model.onnx")).unwrap();
    std::fs::write(files.join("config.pbtxt"), configuration).unwrap();
    assert_eq!(host.ok(&["model", "register", "--name", name, "--path", text(&files)]), format!("{name}:1"));
}

/// Deploys `net:1` as a service whose block `scorehost` has these members.
fn deploy(host: &Host, folder: &Path, service: &str, extension: Value) -> String {
    let dc = folder.join(format!("{service}.json"));
    let document = json!({"computeType": "local", "maxQueueWaitMs": 60_000, "scorehost": extension});
    std::fs::write(&dc, document.to_string()).unwrap();
    host.ok(&["deploy", "-n", service, "-m", "net:1", "--dc", text(&dc)])
}

/// Asks for the classes of pictures all of whose values are `shade`, with further headers.
fn ask(host: &Host, service: &str, shade: f32, headers: &[(&str, &str)]) -> Answer {
    let data: Vec<u8> = std::iter::repeat_n(shade.to_le_bytes(), PICTURE).flatten().collect();
    let head = json!({
        "inputs": [{"name": "input", "shape": [1, 3, 32, 32], "datatype": "FP32",
            "parameters": {"binary_data_size": data.len()}}],
        "outputs": [{"name": "logits"}],
    })
    .to_string();
    let length = head.len().to_string();
    let headers: Vec<_> =
        headers.iter().copied().chain([("inference-header-content-length", length.as_str())]).collect();
    host.post(&format!("/v2/models/{service}/infer"), &headers, &[head.as_bytes(), &data].concat())
}

fn logits(answer: &Answer) -> Vec<f64> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let values = answer.json()["outputs"][0]["data"].as_array().unwrap().clone();
    values.iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Asks all at once; the answers in the same order.
fn at_once(host: &Host, asked: &[(&str, f32)]) -> Vec<Answer> {
    std::thread::scope(|scope| {
        let calls: Vec<_> =
            asked.iter().map(|(service, shade)| scope.spawn(move || ask(host, service, *shade, &[]))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

/// Executions by requests, requests, executions.
fn statistics(host: &Host, service: &str) -> (Vec<(u64, u64)>, u64, u64) {
    let row = host.get(&format!("/v2/models/{service}/stats")).json()["model_stats"][0].clone();
    let number = |value: &Value| value.as_u64().unwrap();
    let batches = row["batch_stats"].as_array().unwrap().iter();
    let batches = batches.map(|batch| (number(&batch["batch_size"]), number(&batch["compute_infer"]["count"])));
    (batches.collect(), number(&row["inference_count"]), number(&row["execution_count"]))
}

/// The value of a metric of `net:1`.
fn metric(host: &Host, name: &str, label: &str) -> Option<f64> {
    let prefix = format!("{name}{{model=\"net:1\"{label}}} ");
    host.get("/metrics").text().lines().find_map(|line| line.strip_prefix(&prefix)?.parse().ok())
}

#[test]
fn services_that_share_a_model_are_answered_by_one_run() {
    let (folder, host) = host(4);
    deploy(&host, folder.path(), "alone", json!({"batching": {"enabled": false}}));
    deploy(&host, folder.path(), "ant", json!({}));
    deploy(&host, folder.path(), "bee", json!({}));
    let shades = [0.1, 0.2, 0.3, 0.4];
    let expected: Vec<_> = shades.iter().map(|shade| logits(&ask(&host, "alone", *shade, &[]))).collect();
    let asked = [("ant", shades[0]), ("bee", shades[1]), ("ant", shades[2]), ("bee", shades[3])];
    for (answer, expected) in at_once(&host, &asked).iter().zip(&expected) {
        let found = logits(answer);
        assert_eq!(found.len(), expected.len());
        let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-4 * b.abs().max(1.0);
        assert!(found.iter().zip(expected).all(close), "batched answers are unbatched ones, but for rounding");
    }
    assert_ne!(expected[0], expected[3], "the pictures are told apart");
    for service in ["ant", "bee"] {
        assert_eq!(statistics(&host, service), (vec![(4, 1)], 2, 1), "{service}");
    }
    assert_eq!(statistics(&host, "alone").2, 4);
    assert_eq!(metric(&host, "scorehost_batches_mixed_total", ",mixed=\"services\""), Some(1.0));
    assert_eq!(metric(&host, "scorehost_batch_calls_count", ""), Some(5.0), "four alone, and one of four");
    assert_eq!(metric(&host, "scorehost_batch_calls_sum", ""), Some(8.0));
}

#[test]
fn who_asked_for_isolation_is_mixed_with_nobody() {
    let (folder, host) = host(2);
    for service in ["ant", "bee"] {
        deploy(&host, folder.path(), service, json!({"batching": {"isolated": true}}));
    }
    let answers = at_once(&host, &[("ant", 0.1), ("bee", 0.2), ("ant", 0.3), ("bee", 0.4)]);
    answers.iter().for_each(|answer| drop(logits(answer)));
    for service in ["ant", "bee"] {
        assert_eq!(statistics(&host, service), (vec![(2, 1)], 2, 1), "{service}");
    }
    assert_eq!(metric(&host, "scorehost_batches_mixed_total", ",mixed=\"services\""), Some(0.0));
    assert_eq!(metric(&host, "scorehost_batches_mixed_total", ",mixed=\"requests\""), Some(2.0));
}

#[test]
fn a_deadline_is_not_waited_away() {
    let (folder, host) = host(8);
    deploy(&host, folder.path(), "ant", json!({}));
    let answer = ask(&host, "ant", 0.5, &[("x-scorehost-timeout-ms", "2000")]);
    assert_eq!(answer.status, 200, "it ran alone before its deadline, not after a delay of 20 s: {}", answer.text());
}

#[test]
fn a_bad_call_is_refused_and_its_neighbours_are_answered() {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let configuration =
        "max_batch_size: 8 dynamic_batching { preferred_batch_size: 3 max_queue_delay_microseconds: 20000000 }";
    register(&host, &folder, "words", "minilm.onnx", configuration);
    let dc = folder.path().join("words.json");
    std::fs::write(&dc, json!({"computeType": "local", "maxQueueWaitMs": 60_000}).to_string()).unwrap();
    host.ok(&["deploy", "-n", "words", "-m", "words:1", "--dc", text(&dc)]);
    let ask = |token: i64| {
        let input = |name: &str, value: i64| json!({"name": name, "shape": [1, 2], "datatype": "INT64", "data": [value, value]});
        let body =
            json!({"inputs": [input("input_ids", token), input("attention_mask", 1), input("token_type_ids", 0)]});
        host.post("/v2/models/words/infer", &[], body.to_string().as_bytes()).status
    };
    let statuses = std::thread::scope(|scope| {
        let calls: Vec<_> = [101, 99_999_999, 102].map(|token| scope.spawn(move || ask(token))).into();
        calls.into_iter().map(|call| call.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!((statuses[0], statuses[2]), (200, 200));
    assert!((400..600).contains(&statuses[1]), "{statuses:?}");
    let metrics = host.get("/metrics").text();
    assert!(metrics.contains("scorehost_batches_apart_total{model=\"words:1\",reason=\"failed\"} 1"), "{metrics}");
}

#[test]
fn what_holds_is_shown_and_what_does_not_act_is_said() {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    let configuration = "max_batch_size: 8 instance_group { kind: KIND_CPU count: 4 }
        dynamic_batching { max_queue_delay_microseconds: 100 default_queue_policy { max_queue_size: 7 } }
        model_warmup { name: 'w' batch_size: 2 inputs { key: 'input' value { data_type: TYPE_FP32 dims: [3, 32, 32] random_data: true } } }";
    register(&host, &folder, "net", "mobilenetv2.onnx", configuration);
    let output = host.cli(&["deploy", "-n", "ant", "-m", "net:1"]);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("instance_group.count"), "{said}");
    let config = host.get("/v2/models/ant/config").json();
    assert_eq!((&config["max_batch_size"], &config["input"][0]["dims"]), (&json!(8), &json!([3, -1, -1])));
    assert_eq!(config["dynamic_batching"]["max_queue_delay_microseconds"], json!(100));
    assert_eq!(config["dynamic_batching"]["default_queue_policy"]["max_queue_size"], json!(7));
    let large =
        json!({"inputs": [{"name": "input", "shape": [9, 3, 1, 1], "datatype": "FP32", "data": vec![0.5; 27]}]});
    let answer = host.post("/v2/models/ant/infer", &[], large.to_string().as_bytes());
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("has 9 rows, and max_batch_size of its configuration is 8"), "{}", answer.text());
}

#[test]
fn a_wrong_configuration_is_refused_whole() {
    let (folder, host) = (tempfile::tempdir().unwrap(), Host::start());
    register(&host, &folder, "net", "mobilenetv2.onnx", "max_batch_sise: 8 backend: 'tensorflow'");
    let error = host.fails(&["deploy", "-n", "ant", "-m", "net:1"]);
    for part in ["config.pbtxt has 2 errors", "did you mean 'max_batch_size'?", "$.backend: must be onnxruntime"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    register(
        &host,
        &folder,
        "other",
        "mobilenetv2.onnx",
        "max_batch_size: 8 input { name: 'input' data_type: TYPE_INT8 }",
    );
    let error = host.fails(&["deploy", "-n", "bee", "-m", "other:1"]);
    assert!(error.contains("input 'input' is FP32 in the model, declared as INT8"), "{error}");
    assert_eq!(host.get("/v2/models/bee").status, 404);
}
