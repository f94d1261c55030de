//! Collected data through the real binary: what was scored is what the files say.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::guests::{build, text};
use crate::host::{Host, model};

/// Deploys with this `scorehost.collection`.
fn deploy(host: &Host, service: &str, arguments: &[&str], collection: Value) {
    let folder = tempfile::tempdir().unwrap();
    let dc = folder.path().join("dc.json");
    let document = json!({"computeType": "local", "scorehost": {"collection": collection}});
    std::fs::write(&dc, document.to_string()).unwrap();
    host.ok(&[&["deploy", "-n", service, "--dc", text(&dc)], arguments].concat());
}

fn identity(host: &Host, service: &str, collection: Value) {
    let path = model("identity_fp32.onnx");
    let id = host.ok(&["model", "register", "--name", service, "--path", text(&path)]);
    deploy(host, service, &["-m", &id], collection);
}

fn infer(host: &Host, service: &str, id: &str, rows: &[[f32; 16]]) {
    let data: Vec<f32> = rows.iter().flatten().copied().collect();
    let input = json!({"name": "INPUT0", "datatype": "FP32", "shape": [rows.len(), 16], "data": data});
    let body = json!({"id": id, "inputs": [input]}).to_string();
    let answer = host.post(&format!("/v2/models/{service}/infer"), &[("x-request-id", id)], body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// All collected files of a name's ending below a designation.
fn files(root: &Path, designation: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.components().any(|part| part.as_os_str() == designation) && text(&path).ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Records of all files of a designation: header first, then rows; waits until there are as many rows.
fn records(root: &Path, designation: &str, rows: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let (mut header, mut all) = (Vec::new(), Vec::new());
        for file in files(root, designation, ".csv") {
            let mut reader = csv::Reader::from_path(file).unwrap();
            header = reader.headers().unwrap().iter().map(str::to_owned).collect();
            all.extend(reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()));
        }
        if all.len() >= rows || Instant::now() > give_up {
            assert_eq!(all.len(), rows, "{header:?} {all:?}");
            return (header, all);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn collected(host: &Host, service: &str) -> PathBuf {
    host.data_dir().join("collected/modeldata").join(service)
}

#[test]
fn tensors_read_back_as_they_were_scored_and_survive_a_kill() {
    let mut host = Host::start();
    identity(&host, "plain", json!({}));
    let row = |n: f32| std::array::from_fn(|index| n + index as f32 / 3.0);
    infer(&host, "plain", "r1", &[row(0.1), row(-7.0)]);
    let root = collected(&host, "plain");
    records(&root, "predictions", 2);
    host.kill_and_restart();
    infer(&host, "plain", "r2", &[row(1e30)]);
    for designation in ["inputs", "predictions"] {
        let (header, rows) = records(&root, designation, 3);
        assert_eq!((header.len(), header[0].ends_with("_0"), &*header[16]), (23, true, "$aml_dc_correlation_id"));
        let values = |at: usize| -> Vec<f32> { rows[at][..16].iter().map(|field| field.parse().unwrap()).collect() };
        assert_eq!([values(0), values(1), values(2)], [row(0.1), row(-7.0), row(1e30)].map(|row| row.to_vec()));
        assert_eq!(rows.iter().map(|row| &*row[16]).collect::<Vec<_>>(), ["r1/0", "r1/1", "r2/0"]);
        assert_eq!(rows[0][18..], ["plain", "plain", "1", "r1", "1"]);
        assert_eq!(files(&root, designation, ".csv").len(), 1, "one file goes on after a kill");
    }
}

#[test]
fn an_entry_script_is_collected_without_what_is_redacted() {
    let Some(component) = build("plugins/examples/echo-python") else { return };
    let host = Host::start();
    let redact = json!({"redact": ["sum", "card"], "inputs": true});
    deploy(&host, "echo", &["--scorer", text(&component)], redact);
    let body = json!({"data": [1, 2.5], "holder": {"card": "4111-1111"}}).to_string();
    let answer = host.post(
        "/api/v1/service/echo/score?card=4111-1111&x=1",
        &[("content-type", "application/json")],
        body.as_bytes(),
    );
    assert_eq!(answer.json()["sum"], json!(3.5));
    let root = collected(&host, "echo");
    let (header, inputs) = records(&root, "inputs", 1);
    assert_eq!(header[..6], ["method", "path", "query", "content_type", "encoding", "body"]);
    let kept: Value = serde_json::from_str(&inputs[0][5]).unwrap();
    assert_eq!(kept, json!({"data": [1, 2.5], "holder": {"card": "[redacted]"}}));
    assert_eq!(inputs[0][2], "card=[redacted]&x=1");
    let (_, outputs) = records(&root, "predictions", 1);
    assert_eq!(outputs[0][0], "200");
    assert_eq!(serde_json::from_str::<Value>(&outputs[0][3]).unwrap(), json!({"sum": "[redacted]", "data": [1, 2.5]}));
    for file in files(&root, "echo", ".csv") {
        assert!(!std::fs::read_to_string(file).unwrap().contains("4111"));
    }
}

#[test]
fn finished_files_arrive_where_they_are_to_be_copied_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file://{}/bucket", text(folder.path()));
    let mut host = Host::start_with(&["--collect-to", &url, "--collect-interval", "1"]);
    identity(&host, "table", json!({"format": "parquet", "inputs": false}));
    infer(&host, "table", "r1", &[[0.5; 16]]);
    let bucket = folder.path().join("bucket/modeldata/table");
    let give_up = Instant::now() + Duration::from_secs(30);
    while files(&bucket, "predictions", ".parquet").is_empty() && Instant::now() < give_up {
        std::thread::sleep(Duration::from_millis(50));
    }
    let arrived = files(&bucket, "predictions", "data.parquet");
    let content = std::fs::read(&arrived[0]).unwrap();
    assert!(content.starts_with(b"PAR1") && content.ends_with(b"PAR1"), "a whole file arrived");
    assert!(files(&bucket, "inputs", "").is_empty());
    let metrics = host.get("/metrics").text();
    for sample in [
        "scorehost_collected_records_total{service=\"table\",result=\"written\"} 1",
        "scorehost_collected_records_total{service=\"table\",result=\"dropped\"} 0",
        "scorehost_collected_uploads_total{result=\"sent\"} 1",
    ] {
        assert!(metrics.contains(sample), "{sample}: {metrics}");
    }
    // What was copied is copied once, also after a kill.
    host.kill_and_restart();
    infer(&host, "table", "r2", &[[0.5; 16]]);
    while files(&bucket, "predictions", ".parquet").len() < 2 && Instant::now() < give_up + Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(files(&bucket, "predictions", ".parquet").len(), 2);
    assert!(host.get("/metrics").text().contains("scorehost_collected_uploads_total{result=\"sent\"} 1"));
}

#[test]
fn a_place_that_cannot_be_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let output = std::process::Command::new(crate::host::binary())
        .args(["serve", "--data-dir", text(&data), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"])
        .args(["--collect-to", "ftp://somewhere/else"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("--collect-to") && told.contains("s3://"), "{told}");
}
