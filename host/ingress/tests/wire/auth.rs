//! Who may call what, at every door: the gatekeeper is the real one, the services behind the doors are fakes.

use std::sync::Arc;

use scorehost_auth::{AuthConfig, Gatekeeper, Role};
use scorehost_core::{Access, Secret, SystemClock};
use tempfile::TempDir;

use crate::client::{Answer, exchange};
use crate::fakes::Server;
use crate::grpc::{Client, framed, request};

const KEY: &str = "the-key-of-tensors";
const INFER: &str = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]}"#;

/// `tensors` and the entry scripts have keys, `script` is open; `pair` takes tokens.
struct Guarded {
    server: Server,
    gatekeeper: Arc<Gatekeeper>,
    admin: Secret,
    _dir: TempDir,
}

impl Guarded {
    fn start() -> Self {
        Self::with(|_| {})
    }

    fn with(adjust: impl FnOnce(&mut AuthConfig)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = AuthConfig::new(dir.path());
        adjust(&mut config);
        let started = Gatekeeper::start(config, Arc::new(SystemClock)).unwrap();
        let keys = Access::Keys { primary: Secret::new(KEY), secondary: Secret::new("second") };
        let rules = [
            ("tensors", &keys),
            ("raw-script", &keys),
            ("json-script", &keys),
            ("script", &Access::Open),
            ("pair", &Access::Tokens),
        ];
        for (service, access) in rules {
            started.gatekeeper.set(&service.parse().unwrap(), access);
        }
        let gatekeeper = Arc::clone(&started.gatekeeper);
        let server = Server::behind(|_| {}, |doors| doors.gatekeeper = gatekeeper);
        Self { server, gatekeeper: started.gatekeeper, admin: started.first_admin.unwrap(), _dir: dir }
    }

    fn credential(&self, role: Role) -> String {
        self.gatekeeper.credentials().unwrap().create(role.name(), role).unwrap().reveal().to_owned()
    }

    fn ask(&self, method: &str, path: &str, credential: Option<&str>) -> Answer {
        let body = if path.ends_with("/infer") || path.ends_with("tensors/score") || path.contains("/pair/") {
            INFER
        } else {
            "{}"
        };
        let bearer = credential.map(|credential| format!("Bearer {credential}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        exchange(self.server.http(), method, path, &headers, body.as_bytes())
    }
}

#[test]
fn every_route_asks_for_what_it_needs() {
    let guarded = Guarded::start();
    let token = guarded.gatekeeper.token(&"pair".parse().unwrap(), "ann").unwrap();
    let (reader, deployer) = (guarded.credential(Role::Reader), guarded.credential(Role::Deployer));
    // Without a credential, with a wrong one, with the service's key, as a reader, as a deployer.
    let rows: &[(&str, &str, [u16; 5])] = &[
        ("GET", "/", [200, 200, 200, 200, 200]),
        ("GET", "/v2", [200, 200, 200, 200, 200]),
        ("GET", "/v2/health/live", [200, 200, 200, 200, 200]),
        ("GET", "/v2/health/ready", [200, 200, 200, 200, 200]),
        ("GET", "/.well-known/jwks.json", [200, 200, 200, 200, 200]),
        ("GET", "/v2/models/tensors/ready", [200, 200, 200, 200, 200]),
        ("GET", "/v2/models/tensors", [401, 401, 200, 200, 200]),
        ("GET", "/v2/models/tensors/config", [401, 401, 200, 200, 200]),
        ("GET", "/v2/models/tensors/stats", [401, 401, 200, 200, 200]),
        ("GET", "/api/v1/service/tensors/swagger.json", [401, 401, 200, 200, 200]),
        ("POST", "/v2/models/tensors/infer", [401, 401, 200, 403, 200]),
        ("POST", "/v2/models/tensors/versions/3/infer", [401, 401, 200, 403, 200]),
        ("POST", "/api/v1/service/tensors/score", [401, 401, 200, 403, 200]),
        ("POST", "/api/v1/service/json-script/score", [401, 401, 200, 403, 200]),
        ("POST", "/api/v1/service/script/score", [200, 200, 200, 200, 200]),
        ("GET", "/api/v1/service/script/swagger.json", [200, 200, 200, 200, 200]),
        ("POST", "/v2/models/pair/infer", [401, 401, 401, 403, 200]),
        ("POST", "/v2/models/absent/infer", [404, 404, 404, 404, 404]),
        ("POST", "/v2/repository/index", [401, 401, 401, 200, 200]),
        ("POST", "/v2/repository/models/old/load", [401, 401, 401, 403, 200]),
        ("POST", "/v2/repository/models/old/unload", [401, 401, 401, 403, 200]),
        ("GET", "/management/v1/services", [401, 401, 401, 200, 200]),
    ];
    for (method, path, expected) in rows {
        let callers = [None, Some("wrong"), Some(KEY), Some(reader.as_str()), Some(deployer.as_str())];
        let answers = callers.map(|credential| guarded.ask(method, path, credential));
        let statuses = answers.each_ref().map(|answer| answer.status);
        assert_eq!(statuses, *expected, "{method} {path}");
        for answer in &answers {
            assert_eq!(answer.header("www-authenticate"), (answer.status == 401).then_some("Bearer"), "{path}");
        }
    }
    let bearer = token.access_token.reveal();
    assert_eq!(guarded.ask("POST", "/v2/models/pair/infer", Some(bearer)).status, 200);
    assert_eq!(guarded.ask("POST", "/v2/models/tensors/infer", Some(bearer)).status, 401);
}

#[test]
fn each_door_refuses_in_its_own_form_and_says_what_to_do() {
    let guarded = Guarded::start();
    let text = |path: &str, pointer: &str| {
        let answer = guarded.ask("POST", path, None);
        assert_eq!(answer.status, 401);
        assert!(answer.header("x-request-id").is_some(), "{path}");
        answer.json().pointer(pointer).unwrap().as_str().unwrap().to_owned()
    };
    for message in [text("/v2/models/tensors/infer", "/error"), text("/api/v1/service/tensors/score", "/message")] {
        assert!(message.starts_with("service 'tensors' needs a key, and the request has none"), "{message}");
        assert!(message.contains("scorehost service keys tensors"), "{message}");
    }
    assert_eq!(text("/management/v1/services", "/error/kind"), "unauthenticated");
    assert!(text("/management/v1/services", "/error/hint").contains("scorehost login"));
    let basic = exchange(
        guarded.server.http(),
        "POST",
        "/v2/models/tensors/infer",
        &[("authorization", "Basic YTpi")],
        INFER.as_bytes(),
    );
    assert!(basic.status == 401 && basic.text().contains("'Bearer CREDENTIAL'"), "{}", basic.text());
}

#[test]
fn a_refused_request_never_reaches_its_service() {
    let guarded = Guarded::start();
    guarded.ask("POST", "/v2/models/tensors/infer", Some("wrong"));
    guarded.ask("POST", "/api/v1/service/tensors/score", None);
    assert!(guarded.server.tensors.last.lock().unwrap().is_none());
}

#[test]
fn browsers_ask_without_a_credential_and_scripts_do_not_run_for_them() {
    let guarded = Guarded::start();
    for service in ["tensors", "raw-script", "json-script"] {
        let answer = guarded.ask("OPTIONS", &format!("/api/v1/service/{service}/score"), None);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{service}");
    }
    assert_eq!(guarded.ask("OPTIONS", "/api/v1/service/raw-script/score", Some(KEY)).header("x-query"), Some(""));
}

#[test]
fn statistics_of_all_services_are_those_that_the_caller_may_read() {
    let guarded = Guarded::start();
    let names = |credential: Option<&str>| {
        let answer = guarded.ask("GET", "/v2/models/stats", credential);
        let rows = answer.json()["model_stats"].as_array().unwrap().clone();
        rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None), ["script"]);
    assert!(names(Some(KEY)).contains(&"tensors".to_owned()) && !names(Some(KEY)).contains(&"pair".to_owned()));
    assert!(names(Some(guarded.admin.reveal())).contains(&"pair".to_owned()));
}

#[test]
fn grpc_refuses_with_its_codes() {
    let guarded = Guarded::start();
    let client = Client::connect(guarded.server.bound.grpc.unwrap());
    let (reader, deployer) = (guarded.credential(Role::Reader), guarded.credential(Role::Deployer));
    let named = [&[0, 0, 0, 0, 9, 10, 7][..], b"tensors"].concat();
    let loads = [&[0, 0, 0, 0, 5, 18, 3][..], b"old"].concat();
    let infer = framed(&request("x"));
    let empty = vec![0; 5];
    // Without a credential, with a wrong one, with the service's key, as a reader, as a deployer.
    let rows: [(&str, &[u8], [&str; 5]); 8] = [
        ("ServerReady", &empty, ["0", "0", "0", "0", "0"]),
        ("ServerMetadata", &empty, ["0", "0", "0", "0", "0"]),
        ("ModelReady", &named, ["0", "0", "0", "0", "0"]),
        ("ModelMetadata", &named, ["16", "16", "0", "0", "0"]),
        ("ModelStatistics", &named, ["16", "16", "0", "0", "0"]),
        ("ModelInfer", &infer, ["16", "16", "0", "7", "0"]),
        ("RepositoryIndex", &empty, ["16", "16", "16", "0", "0"]),
        ("RepositoryModelUnload", &loads, ["16", "16", "16", "7", "0"]),
    ];
    for (method, message, expected) in rows {
        let callers = [None, Some("wrong"), Some(KEY), Some(reader.as_str()), Some(deployer.as_str())];
        for (credential, expected) in callers.into_iter().zip(expected) {
            let bearer = credential.map(|credential| format!("Bearer {credential}"));
            let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
            let reply = client.call(method, &headers, message);
            assert_eq!(
                (reply.status, reply.header("grpc-status")),
                (200, Some(expected)),
                "{method} {:?}",
                reply.header("grpc-message")
            );
        }
    }
}

#[test]
fn a_grpc_call_without_a_credential_is_refused_unread_where_nothing_is_open() {
    let guarded = Guarded::start();
    guarded.gatekeeper.remove(&"script".parse().unwrap());
    let client = Client::connect(guarded.server.bound.grpc.unwrap());
    let reply = client.call("ModelInfer", &[], b"no frame at all");
    assert_eq!(reply.header("grpc-status"), Some("16"), "{:?}", reply.header("grpc-message"));
}

#[test]
fn an_address_that_guesses_gets_429_and_the_time_to_wait() {
    let guarded = Guarded::with(|config| config.failed_attempts = 3);
    for guess in ["a", "b", "c"] {
        assert_eq!(guarded.ask("POST", "/v2/models/tensors/infer", Some(guess)).status, 401);
    }
    for path in ["/v2/models/tensors/infer", "/api/v1/service/tensors/score", "/management/v1/services"] {
        let answer = guarded.ask("POST", path, Some(KEY));
        assert_eq!(answer.status, 429, "{path}");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert!(answer.text().contains("too many wrong credentials"), "{}", answer.text());
    }
    assert_eq!(guarded.ask("POST", "/api/v1/service/script/score", None).status, 200);
}
