use serde_json::Value;

use super::stage::{Ran, run};

#[track_caller]
fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[track_caller]
fn refused(arguments: &[&str], parts: &[&str]) {
    let ran = run(arguments);
    assert!(ran.code == 2 && ran.out.is_empty(), "{ran:?}");
    for part in parts {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

#[test]
fn a_load_is_sized_by_azures_formula() {
    let size = ["size", "--rps", "20", "--latency-ms", "10000"];
    assert_eq!(
        ok(run(&size)),
        "Requests at a time  285.7 = 20 /s × 10 s ÷ 0.7\nReplicas            286 = 285.7 ÷ 1 each, rounded up\n"
    );
    let more = ["--concurrent", "4", "--target-utilization", "100", "--cpu", "0.5", "--memory", "512MiB"];
    let sheet = ok(run(&[&size[..], &more].concat()));
    assert!(sheet.contains("50 = 200.0 ÷ 4 each"), "{sheet}");
    assert!(sheet.contains("Cores               25.0") && sheet.contains("Memory              25.0 GiB"), "{sheet}");
    let json: Value = serde_json::from_str(&ok(run(&[&size[..], &["--output", "json"]].concat()))).unwrap();
    assert_eq!(json["replicas"], 286);
    assert!((json["concurrentRequests"].as_f64().unwrap() - 285.714).abs() < 0.001, "{json}");
}

#[test]
fn what_cannot_be_sized_is_refused() {
    refused(&["size", "--rps", "0", "--latency-ms", "1"], &["--rps", "above 0"]);
    refused(&["size", "--rps", "1"], &["--latency-ms"]);
    refused(&["size", "--rps", "1", "--latency-ms", "1", "--target-utilization", "101"], &["1..=100"]);
    refused(&["size", "--rps", "1", "--latency-ms", "1", "--concurrent", "0"], &["--concurrent"]);
    refused(&["size", "--rps", "1", "--latency-ms", "1", "--memory", "much"], &["512MiB"]);
}

#[test]
fn policies_are_compared_on_the_same_traffic() {
    let table = ok(run(&["simulate", "--trace", "step", "--rps", "50", "--seconds", "200"]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("POLICY") && lines[0].contains("REPLICA-SECONDS"), "{table}");
    assert_eq!(lines.len(), 4, "{table}");
    for (line, policy) in lines[1..].iter().zip(["scorehost", "Azure's rule", "Knative KPA"]) {
        assert!(line.starts_with(policy), "{table}");
    }
    let one = |policy: &str, seed: &str| {
        let arguments = ["simulate", "--policy", policy, "--seconds", "100", "--seed", seed, "--output", "json"];
        serde_json::from_str::<Value>(&ok(run(&arguments))).unwrap()
    };
    let ours = one("ours", "7");
    assert_eq!((ours.as_array().unwrap().len(), &ours[0]["violations"]), (1, &0.into()), "{ours}");
    assert_eq!(ours, one("ours", "7"));
    assert_ne!(ours[0]["requests"], one("ours", "8")[0]["requests"]);
    assert_eq!(one("kpa", "7")[0]["policy"], "Knative KPA");
}

#[test]
fn recorded_traffic_is_played_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("traffic.csv");
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let path = file("seconds,rps\n# a quiet morning\n0,10\n60,100\n");
    let played: Value = serde_json::from_str(&ok(run(&["simulate", "--trace", &path, "--output", "json"]))).unwrap();
    let requests = played[0]["requests"].as_f64().unwrap();
    assert!((requests / 6_600.0 - 1.0).abs() < 0.1, "{requests}");
    refused(&["simulate", "--trace", &path, "--rps", "5"], &["for made-up traffic", "hint:"]);
    refused(&["simulate", "--trace", &file("0,10\nsoon,3\n")], &["line 2 is 'soon,3'", "SECONDS,RPS"]);
    refused(&["simulate", "--trace", &file("60,10\n0,3\n")], &["not in order"]);
    refused(&["simulate", "--trace", "stairs"], &["'stairs' is neither a trace nor a file", "step, spike"]);
}

#[test]
fn what_cannot_be_simulated_is_refused() {
    refused(&["simulate", "--min", "5", "--max", "2"], &["--min 5 is above --max 2", "hint:"]);
    refused(&["simulate", "--rps", "100000", "--seconds", "10000"], &["up to 1000000000 requests", "--rps"]);
    refused(&["simulate", "--policy", "best"], &["kpa"]);
}
