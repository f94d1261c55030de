//! What was acknowledged survives a kill, and a restart brings every service back.

use serde_json::json;

use crate::host::{Host, model};

fn scores(host: &Host, service: &str) -> u16 {
    let body = json!({"inputs": [{"name": "INPUT0", "datatype": "FP32", "shape": [1, 16], "data": vec![1.0; 16]}]});
    host.post(&format!("/v2/models/{service}/infer"), &[], body.to_string().as_bytes()).status
}

#[test]
fn services_answer_again_after_a_kill() {
    let mut host = Host::start();
    host.deploy_model("first", &model("identity_fp32.onnx"));
    host.deploy_model("second", &model("identity_fp32.onnx"));
    host.ok(&["service", "delete", "second"]);
    host.kill_and_restart();
    assert_eq!(scores(&host, "first"), 200);
    assert_eq!(scores(&host, "second"), 404);
    host.deploy_model("third", &model("identity_fp32.onnx"));
    host.kill_and_restart();
    assert_eq!(scores(&host, "third"), 200);
}

#[test]
fn kills_in_the_middle_of_registrations_lose_nothing_acknowledged() {
    let mut host = Host::start();
    let path = model("identity_fp32.onnx");
    let mut acknowledged = Vec::new();
    for round in 0..5 {
        for _ in 0..3 {
            acknowledged.push(host.ok(&["model", "register", "--name", "steady", "--path", path.to_str().unwrap()]));
        }
        // One more registration is under way, or not, when the process dies.
        let url = format!("http://{}", host.address());
        let mut late = std::process::Command::new(crate::host::binary())
            .args(["--server", &url, "model", "register", "--name", "late", "--path", path.to_str().unwrap()])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(round * 7));
        host.kill_and_restart();
        late.wait().unwrap();
        for id in &acknowledged {
            let out = tempfile::tempdir().unwrap();
            host.ok(&["model", "download", id, "-o", out.path().to_str().unwrap()]);
        }
    }
}

#[test]
fn a_model_file_that_vanished_stops_one_service_and_says_so() {
    let mut host = Host::start();
    host.deploy_model("stays", &model("add_sub.onnx"));
    host.deploy_model("breaks", &model("identity_fp32.onnx"));
    let digest = digest_of(&host, "breaks:1");
    host.kill();
    let blob = find(&host.data_dir(), &digest).expect("the stored file");
    std::fs::remove_file(blob).unwrap();
    host.restart();
    assert_eq!(host.get("/v2/models/stays/ready").status, 200);
    assert_ne!(host.get("/v2/models/breaks/ready").status, 200);
    let shown = host.ok(&["service", "show", "breaks"]);
    assert!(shown.contains(&digest[..12]), "{shown}");
}

#[test]
fn a_damaged_model_file_is_noticed_before_it_runs() {
    let mut host = Host::start();
    host.deploy_model("breaks", &model("identity_fp32.onnx"));
    let digest = digest_of(&host, "breaks:1");
    host.kill();
    let blob = find(&host.data_dir(), &digest).expect("the stored file");
    let mut bytes = std::fs::read(&blob).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&blob).unwrap();
    std::fs::write(&blob, bytes).unwrap();
    host.restart();
    assert_ne!(scores(&host, "breaks"), 200);
}

/// The hexadecimal digest of a model's only file.
fn digest_of(host: &Host, model: &str) -> String {
    let shown: serde_json::Value =
        serde_json::from_str(&host.ok(&["--output", "json", "model", "show", model])).unwrap();
    shown["files"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned()
}

fn find(folder: &std::path::Path, name: &str) -> Option<std::path::PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if entry.file_name().to_string_lossy().contains(name) {
            return Some(path);
        }
    }
    None
}
