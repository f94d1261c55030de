use serde_json::Value;

use super::stage::{Ran, Server, run};

#[track_caller]
fn ok(ran: Ran) -> String {
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.out
}

#[track_caller]
fn fails(ran: &Ran, code: u8, parts: &[&str]) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.out.is_empty(), "{ran:?}");
    for part in parts {
        assert!(ran.err.contains(part), "{part}: {ran:?}");
    }
}

fn with_digits() -> Server {
    let server = Server::start();
    let model = server.file("digits.onnx", "weights");
    assert_eq!(ok(server.run(&["model", "register", "--name", "digits", "--path", &model])), "digits:1\n");
    server
}

#[test]
fn a_folder_is_registered_listed_shown_downloaded_and_deleted() {
    let server = Server::start();
    server.file("model/net.onnx", "weights");
    server.file("model/labels/en.txt", "zero\none\n");
    let folder = server.path("model");
    let register =
        ["model", "register", "--name", "digits", "--path", &folder, "--tag", "kind=demo", "--description", "ten"];
    assert_eq!(ok(server.run(&register)), "digits:1\n");
    assert_eq!(ok(server.run(&register)), "digits:2\n");

    let list = ok(server.run(&["model", "list"]));
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.starts_with("MODEL") && list.contains("kind=demo") && list.contains("ten"), "{list}");
    let shown: Value = serde_json::from_str(&ok(server.run(&["model", "show", "digits", "--output", "json"]))).unwrap();
    assert_eq!((&shown["id"], &shown["files"][0]["path"]), (&"digits:2".into(), &"labels/en.txt".into()));
    assert!(ok(server.run(&["model", "show", "digits:1"])).contains("net.onnx"));

    let copy = server.path("copies/of/digits");
    ok(server.run(&["model", "download", "digits:1", "-o", &copy]));
    assert_eq!(std::fs::read_to_string(format!("{copy}/labels/en.txt")).unwrap(), "zero\none\n");
    assert_eq!(std::fs::read_dir(server.path("copies/of")).unwrap().count(), 1);
    fails(&server.run(&["model", "download", "digits:1", "-o", &copy]), 2, &["not an empty folder", "hint:"]);

    ok(server.run(&["model", "delete", "digits:1"]));
    fails(&server.run(&["model", "show", "digits:1"]), 3, &["digits:1"]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let server = Server::start();
    let absent = server.path("absent.onnx");
    let ran = server.run(&["model", "register", "--name", "digits", "--path", &absent]);
    fails(&ran, 3, &["could not read", "absent.onnx"]);
}

#[test]
fn a_service_is_deployed_shown_scored_and_deleted() {
    let server = with_digits();
    let config = server.file("deploymentconfig.json", r#"{"computeType": "aks", "numReplicas": 2}"#);
    let ran = server.run(&["deploy", "-n", "digits", "-m", "digits:1", "--dc", &config]);
    assert!(ran.err.contains("warning: computeType"), "{ran:?}");
    let shown = ok(ran);
    for part in
        ["Healthy", "2 to 2", "/api/v1/service/digits/score", "/v2/models/digits/infer", "127.0.0.1:8081", "curl"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let list: Value = serde_json::from_str(&ok(server.run(&["service", "list", "--output", "json"]))).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["state"]), (&"digits".into(), &"Healthy".into()));

    let body = server.file("body.json", r#"{"data": [1]}"#);
    assert_eq!(ok(server.run(&["score", "digits", "--file", &body])), r#"{"data": [1]}"#);
    let crash = server.file("crash", "crash");
    fails(
        &server.run(&["score", "digits", "--file", &crash]),
        7,
        &["answered 502", "run() raised ValueError", "logs digits"],
    );
    fails(&server.run(&["score", "absent", "--file", &body]), 3, &["no such service", "scorehost service list"]);

    assert_eq!(ok(server.run(&["service", "logs", "digits"])), "digits was here\n");
    assert_eq!(ok(server.run(&["service", "logs", "digits", "--follow"])), "digits was here\n");
    fails(&server.run(&["model", "delete", "digits:1"]), 4, &["used by service: digits", "service delete digits"]);
    ok(server.run(&["service", "delete", "digits"]));
    fails(&server.run(&["service", "show", "digits"]), 3, &["there is no service 'digits'"]);
    let operations = ok(server.run(&["operation", "list"]));
    assert!(operations.contains("delete") && operations.contains("Succeeded"), "{operations}");
}

#[test]
fn a_deployment_that_fails_says_why_with_the_log() {
    let server = with_digits();
    let ran = server.run(&["deploy", "-n", "broken", "-m", "digits"]);
    let parts = [
        "could not deploy service 'broken': Failed",
        "init() raised",
        "service 'broken' was not made",
        "broken was here",
        "hint: mend init()",
    ];
    fails(&ran, 7, &parts);
}

#[test]
fn a_scorer_is_checked_before_it_is_sent() {
    let server = with_digits();
    let deploy = |content: &str| {
        let component = server.file("scorer.wasm", content);
        server.run(&["deploy", "-n", "digits", "-m", "digits:1", "--scorer", &component])
    };
    fails(&deploy("core module"), 2, &["core module, not a component"]);
    fails(&deploy("socket opener"), 2, &["wasi:sockets/tcp@0.2.0", "scorer inspect"]);
    assert!(ok(deploy("good")).contains("sha256:"));
}

#[test]
fn a_wrong_deployment_file_is_refused_with_every_violation() {
    let server = with_digits();
    let config = server.file("dc.json", r#"{"computeType": "local", "numReplicas": 0, "autoscaler": {}}"#);
    let ran = server.run(&["deploy", "-n", "digits", "-m", "digits", "--dc", &config]);
    fails(&ran, 2, &["dc.json", "2 errors", "$.numReplicas", "did you mean 'autoScaler'?", "hint:"]);
}

#[test]
fn an_operation_can_be_left_running_and_shown() {
    let server = with_digits();
    let deploy = ["deploy", "-n", "digits", "-m", "digits", "--no-wait", "--output", "json"];
    let started: Value = serde_json::from_str(&ok(server.run(&deploy))).unwrap();
    let shown = ok(server.run(&["operation", "show", started["id"].as_str().unwrap(), "--wait"]));
    assert!(shown.contains("Succeeded"), "{shown}");
    fails(&server.run(&["operation", "show", "nine"]), 3, &["no operation 'nine'"]);
}

#[test]
fn a_local_run_prints_the_answer_alone_on_standard_output() {
    let server = Server::start();
    let (scorer, body, trap) = (server.file("s.wasm", "good"), server.file("b", "x"), server.file("t", "trap"));
    let ran = run(&["run", "--scorer", &scorer, "-m", "models/a.onnx", "b=c/d.onnx", "--file", &body]);
    assert!(ran.err.contains("hello from init") && ran.err.contains("1.500 ms  run"), "{ran:?}");
    assert_eq!(ok(ran), "a b");
    fails(&run(&["run", "--scorer", &scorer, "--file", &trap]), 7, &["unreachable executed", "0: score::run", "hello"]);
}

#[test]
fn small_commands_answer() {
    let server = Server::start();
    assert!(ok(server.run(&["devices"])).contains("no library"));
    assert_eq!(ok(run(&["devices", "--output", "json"])), "[]\n");
    assert!(ok(server.run(&["version"])).contains("server 9.9.9"));
    assert!(ok(run(&["completions", "bash"])).contains("scorehost"));
    assert!(ok(run(&["--version"])).starts_with("scorehost "));
    assert!(ok(run(&["--help"])).contains("Exit codes"));
    let scorer = server.file("s.wasm", "good");
    assert!(ok(run(&["scorer", "inspect", &scorer])).contains("wasi:sockets"));
    fails(&run(&["serve", "--data-dir", "d"]), 5, &["could not serve", "in use", "hint: choose another"]);
    fails(&run(&["scorer", "new", "pyhton", &server.path("new")]), 2, &["pyhton", "did you mean"]);
    let made = ok(run(&["scorer", "new", "python", &server.path("new")]));
    assert!(
        made.contains("scorehost scorer build") && std::path::Path::new(&server.path("new/score.py")).exists(),
        "{made}"
    );
}

#[test]
fn versions_are_rolled_out_compared_promoted_and_deleted() {
    let server = with_digits();
    ok(server.run(&["deploy", "-n", "digits", "-m", "digits"]));
    let ran = server.run(&["deploy", "-n", "digits", "-m", "digits", "--version", "v2", "--traffic", "10", "--wait"]);
    assert!(ran.err.contains(" s  accepted") && ran.err.contains(" s  done"), "{ran:?}");
    let shown = ok(ran);
    for part in ["VERSION", "default,control", "90 %", "10 %"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    ok(server.run(&["deploy", "-n", "digits", "-m", "digits", "--version", "v3"]));
    let shown = ok(server.run(&["endpoint", "traffic", "digits", "v3=5.5", "v2=20%"]));
    assert!(shown.contains("74.5 %") && shown.contains("5.5 %"), "{shown}");
    let ran = server.run(&["endpoint", "traffic", "digits", "v2=96"]);
    fails(&ran, 2, &["could not change the traffic", "101.5 % together", "hint:"]);

    ok(server.run(&["endpoint", "sticky", "digits", "--header", "X-User"]));
    ok(server.run(&["endpoint", "control", "digits", "v2"]));
    let shown = ok(server.run(&["endpoint", "shadow", "digits", "v3", "--percent", "50"]));
    for part in ["by header x-user", "50 % to v3", "shadow", "control"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    ok(server.run(&["endpoint", "sticky", "digits", "--none"]));
    ok(server.run(&["endpoint", "control", "digits", "--none"]));
    let json = ok(server.run(&["endpoint", "shadow", "digits", "--none", "--output", "json"]));
    let shown: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&shown["traffic"]["sticky"], &shown["traffic"]["shadow"]), (&Value::Null, &Value::Null));

    let report = ok(server.run(&["endpoint", "report", "digits"]));
    for part in ["P95", "+20.0 %", "2 of 8: 25 %, by 5.000e-1 at most", "10 %", "24 ms"] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let shown = ok(server.run(&["endpoint", "promote", "digits", "v2"]));
    assert!(shown.contains("94.5 %"), "{shown}");
    fails(&server.run(&["endpoint", "delete", "digits", "v2"]), 4, &["is the default", "endpoint promote digits"]);
    ok(server.run(&["endpoint", "delete", "digits", "1"]));
    fails(&server.run(&["endpoint", "promote", "digits", "1"]), 3, &["no version '1'", "v2, v3"]);
    let listed = ok(server.run(&["service", "operations", "digits"]));
    assert!(listed.contains("delete version") && listed.contains("promote"), "{listed}");
}

#[test]
fn settings_and_replicas_change_without_a_new_deployment() {
    let server = with_digits();
    ok(server.run(&["deploy", "-n", "digits", "-m", "digits", "--no-auth"]));
    let set = ["service", "update", "digits", "--set", "maxQueueWaitMs=123", "--var", "A=1", "--output", "json"];
    let shown: Value = serde_json::from_str(&ok(server.run(&set))).unwrap();
    assert_eq!((&shown["settings"]["maxQueueWaitMs"], &shown["variables"][0]), (&123.into(), &"A".into()));
    assert_eq!(shown["auth"], "none");
    assert!(ok(server.run(&["service", "scale", "digits", "--replicas", "3"])).contains("3 to 3"));
    assert!(ok(server.run(&["service", "scale", "digits", "--min", "0", "--max", "2"])).contains("0 to 2"));
    fails(&server.run(&["service", "update", "digits"]), 2, &["nothing is to be changed", "--set KEY=VALUE"]);
    let wrong = server.run(&["service", "update", "digits", "--set", "maxQueueWait=1"]);
    fails(&wrong, 2, &["did you mean 'maxQueueWaitMs'?"]);
    let secret = server.run(&["service", "update", "digits", "--set", "keys.primaryKey=x"]);
    fails(&secret, 2, &["command line", "--key-file"]);
}

#[test]
fn keys_are_shown_replaced_and_used() {
    let server = with_digits();
    let shown = ok(server.run(&["deploy", "-n", "digits", "-m", "digits"]));
    assert!(shown.contains("scorehost service keys digits") && !shown.contains("generated-"), "{shown}");
    let keys = ok(server.run(&["service", "keys", "digits"]));
    assert!(keys.contains("generated-1") && keys.contains("generated-2"), "{keys}");
    let keys = ok(server.run(&["service", "keys", "digits", "--regenerate", "secondary"]));
    assert!(keys.contains("generated-1") && keys.contains("generated-3"), "{keys}");
    let file = server.file("key", "my-own-key-0123\n");
    let regenerate = ["service", "keys", "digits", "--regenerate", "primary", "--key-file", &file, "--output", "json"];
    let keys: Value = serde_json::from_str(&ok(server.run(&regenerate))).unwrap();
    assert_eq!(keys["primaryKey"], "my-own-key-0123");
    fails(&server.run(&["service", "token", "digits"]), 4, &["takes no tokens", "service keys digits"]);

    let body = server.file("body", "x");
    fails(&server.run(&["score", "locked", "--file", &body]), 2, &["answered 401", "no key", "SCOREHOST_KEY"]);
    let key = server.file("locked-key", "open-sesame\n");
    assert_eq!(ok(server.run(&["score", "locked", "--file", &body, "--key-file", &key])), "in");
}
