//! Operations from outside: how they end, what they tell, and that they never hang.

use std::path::PathBuf;

use serde_json::Value;

use crate::guests::{build, text};
use crate::host::Host;

const SCORE: &str = "/api/v1/service/steady/score";
/// Starts nothing for as long as a replica's `init` may take: a minute.
const STUCK: &str = "FAULT_INIT=loop";

fn steady(arguments: &[&str]) -> Option<(Host, PathBuf)> {
    let component = build("tests/guests/faulty")?;
    let host = Host::start_with(arguments);
    host.ok(&["deploy", "-n", "steady", "--scorer", text(&component)]);
    Some((host, component))
}

/// Starts an update that does not end by itself; its id.
fn stuck(host: &Host) -> String {
    let update = ["--output", "json", "service", "update", "steady", "--var", STUCK, "--no-wait"];
    let operation: Value = serde_json::from_str(&host.ok(&update)).unwrap();
    assert_eq!(operation["state"], "Running", "{operation}");
    operation["id"].as_str().unwrap().to_owned()
}

fn operation(host: &Host, id: &str) -> Value {
    serde_json::from_str(&host.ok(&["--output", "json", "operation", "show", id, "--wait"])).unwrap()
}

/// Everything of it is true again: the operation is over, the service answers, and takes the next operation.
fn is_as_before(host: &Host, ended: &Value) {
    assert_eq!(ended["remains"], "version 1 of service 'steady' answers as before", "{ended}");
    assert_eq!(host.post(SCORE, &[], b"ok").status, 200);
    host.ok(&["service", "update", "steady", "--var", "AFTER=1"]);
    assert_eq!(host.post(SCORE, &[], b"ok").status, 200);
}

#[test]
fn a_second_operation_conflicts_and_a_cancelled_one_changes_nothing() {
    let Some((host, _)) = steady(&[]) else { return };
    let id = stuck(&host);
    let rows = [
        ("PATCH", "/services/steady", r#"{"variables": {"A": "1"}}"#),
        ("POST", "/services/steady/scale", r#"{"numReplicas": 2}"#),
        ("PATCH", "/services/steady/traffic", "{}"),
        ("POST", "/services/steady/versions/1/promote", ""),
        ("DELETE", "/services/steady", ""),
    ];
    for (method, path, body) in rows {
        let answer = host.manage(method, path, body.as_bytes());
        assert_eq!(answer.status, 409, "{method} {path}: {}", answer.text());
        assert!(answer.text().contains(&id), "{method} {path} does not name {id}: {}", answer.text());
    }
    let refused = host.cli(&["service", "scale", "steady", "--replicas", "2"]);
    assert_eq!(refused.status.code(), Some(4), "{}", crate::host::show(&refused.stderr));
    assert_eq!(host.post(SCORE, &[], b"ok").status, 200, "what ran before answers meanwhile");
    host.ok(&["operation", "cancel", &id]);
    let ended = operation(&host, &id);
    assert_eq!(ended["state"], "Cancelled", "{ended}");
    is_as_before(&host, &ended);
    assert!(host.fails(&["operation", "cancel", &id]).contains("is Cancelled already"));
}

#[test]
fn an_operation_ends_at_its_time_limit_and_says_where() {
    let Some((mut host, _)) = steady(&[]) else { return };
    // Only now: a busy machine may take longer to compile the scorer.
    host.kill();
    host.restart_with(&["--operation-timeout", "5"]);
    let update = host.cli(&["service", "update", "steady", "--var", STUCK]);
    let error = crate::host::show(&update.stderr);
    assert_eq!(update.status.code(), Some(6), "{error}");
    assert!(
        error.contains("TimedOut") && error.contains("'starting replicas'") && error.contains("--operation-timeout"),
        "{error}"
    );
    let list: Value = serde_json::from_str(&host.ok(&["--output", "json", "operation", "list"])).unwrap();
    let ended = operation(&host, list[0]["id"].as_str().unwrap());
    assert_eq!(ended["state"], "TimedOut", "{ended}");
    is_as_before(&host, &ended);
}

#[test]
fn an_operation_cut_off_by_a_kill_is_over_afterwards() {
    let Some((mut host, component)) = steady(&[]) else { return };
    let (update, first) = (stuck(&host), "fresh");
    let deploy = ["--output", "json", "deploy", "-n", first, "--scorer", text(&component), "--var", STUCK, "--no-wait"];
    let deploy: Value = serde_json::from_str(&host.ok(&[&deploy[..], &["--no-auth"]].concat())).unwrap();
    host.kill_and_restart();
    let ended = operation(&host, &update);
    assert_eq!(ended["state"], "Cancelled", "{ended}");
    assert!(ended["error"]["message"].as_str().unwrap().contains("the server stopped"), "{ended}");
    assert_eq!(operation(&host, deploy["id"].as_str().unwrap())["state"], "Cancelled");
    assert!(!host.ok(&["service", "list"]).contains(first), "nothing of a first deployment is kept");
    assert_eq!(host.post(SCORE, &[], b"ok").status, 200);
    host.ok(&["service", "update", "steady", "--var", "AFTER=1"]);
    assert_eq!(host.post(SCORE, &[], b"ok").status, 200);
}

#[test]
fn the_steps_of_an_operation_are_streamed_while_it_runs_and_kept() {
    let Some((host, component)) = steady(&[]) else { return };
    let deploy = host.cli(&["deploy", "-n", "other", "--scorer", text(&component), "--wait"]);
    let streamed = crate::host::show(&deploy.stderr);
    let has = |step: &str| streamed.contains(&format!(" s  {step}"));
    for step in ["accepted", "waiting for its turn", "compiling the scorer", "starting replicas", "done"] {
        assert!(has(step), "no '{step}' in\n{streamed}");
    }
    assert!(crate::host::show(&deploy.stdout).contains("Healthy"));
    let broken = host.cli(&["deploy", "-n", "broken", "--scorer", text(&component), "--var", "FAULT_INIT=panic"]);
    let error = crate::host::show(&broken.stderr);
    assert_eq!(broken.status.code(), Some(7), "{error}");
    assert!(error.contains("asked to panic") && error.contains("service 'broken' was not made"), "{error}");
    let list: Value = serde_json::from_str(&host.ok(&["--output", "json", "operation", "list"])).unwrap();
    let states: Vec<&str> = list.as_array().unwrap().iter().map(|row| row["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["Failed", "Succeeded", "Succeeded"]);
    let log = operation(&host, list[0]["id"].as_str().unwrap())["log"].to_string();
    assert!(log.contains("Failed: ") && log.contains("time_ms"), "{log}");
}
