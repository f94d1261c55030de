//! What WASI shows to a guest, and commands.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use scorehost_core::{CallContext, Clock, ErrorKind, Grants, LogLevel, RawRequest};
use scorehost_scorer::{Engine, EngineConfig};

use crate::guests::{self, WITH_WASI, script};
use crate::support::{Bench, bench, engine};

const WALL: &str = r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func $now (param i32)))"#;
const READ_WALL: &str = "(call $now (i32.const 160)) (local.set $p (i32.const 160)) (local.set $n (i32.const 8))";
const RANDOM: &str = r#"(import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))"#;
const READ_RANDOM: &str =
    "(i64.store (i32.const 160) (call $random)) (local.set $p (i32.const 160)) (local.set $n (i32.const 8))";

pub(crate) fn post(body: &'static [u8]) -> RawRequest {
    RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: String::new(),
        body: Bytes::from_static(body),
        content_type: None,
    }
}

async fn answer(bench: &Bench, engine: &Engine, component: &[u8]) -> Bytes {
    let mut replica = bench.replica(engine, component).await.unwrap();
    replica.score(post(b""), &CallContext::new("r1")).await.unwrap().body
}

struct At(Instant, SystemTime);

impl Clock for At {
    fn now(&self) -> Instant {
        self.0
    }

    fn wall(&self) -> SystemTime {
        self.1
    }
}

#[tokio::test]
async fn the_clock_stands_still_unless_it_is_granted() {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let clock = Arc::new(At(Instant::now(), wall));
    let engine = Engine::new(EngineConfig { max_replicas: 4, clock, ..EngineConfig::default() }).unwrap();
    let guest = script(WITH_WASI, WALL, READ_WALL);
    let mut bench = bench();
    assert_eq!(answer(&bench, &engine, &guest).await[..], 1_577_836_800u64.to_le_bytes());
    bench.environment.grants = Grants { clock: true, ..bench.environment.grants };
    assert_eq!(answer(&bench, &engine, &guest).await[..], 1_800_000_000u64.to_le_bytes());
}

#[tokio::test]
async fn randomness_is_the_same_in_every_replica_unless_it_is_granted() {
    let (engine, mut bench) = (engine(), bench());
    let guest = script(WITH_WASI, RANDOM, READ_RANDOM);
    let first = answer(&bench, &engine, &guest).await;
    assert_eq!(answer(&bench, &engine, &guest).await, first);
    bench.environment.grants = Grants { random: true, ..bench.environment.grants };
    assert_ne!(answer(&bench, &engine, &guest).await, first);
}

#[tokio::test]
async fn the_only_variables_are_the_deployments() {
    let (engine, bench) = (engine(), bench());
    let imports = r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $env (param i32)))"#;
    // Answers with the first variable's name and value when there is exactly one.
    let body = "(call $env (i32.const 160))
      (if (i32.ne (i32.load (i32.const 164)) (i32.const 1)) (then unreachable))
      (local.set $p (i32.load offset=8 (i32.load (i32.const 160))))
      (local.set $n (i32.load offset=12 (i32.load (i32.const 160))))";
    assert_eq!(&answer(&bench, &engine, &script(WITH_WASI, imports, body)).await[..], b"green");
}

#[tokio::test]
async fn prints_become_log_lines_of_the_request() {
    let (engine, bench) = (engine(), bench());
    let imports = r#"
      (import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
      (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))"#;
    let body = "(call $write (call $stdout) (i32.const 544) (i32.const 7) (i32.const 160))";
    answer(&bench, &engine, &script(WITH_WASI, imports, body)).await;
    let line = |text: &str| (LogLevel::Info, "r1".to_owned(), text.to_owned());
    assert_eq!(bench.lines.all(), [line("one"), line("two")]);
}

#[tokio::test]
async fn exiting_ends_the_call_and_the_replica() {
    let (engine, bench) = (engine(), bench());
    let imports = r#"(import "wasi:cli/exit@0.2.0" "exit" (func $exit (param i32)))"#;
    let guest = script(WITH_WASI, imports, "(call $exit (i32.const 1))");
    let mut replica = bench.replica(&engine, &guest).await.unwrap();
    let failure = replica.score(post(b""), &CallContext::new("r1")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::ScorerFault);
    assert_eq!(failure.message, "the scorer exited with status 1 in run");
    assert!(!replica.healthy());
}

#[tokio::test]
async fn a_command_answers_on_its_standard_output() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::command()).await.unwrap();
    for body in [&b"hello"[..], b"again"] {
        let response = replica.score(post(body), &CallContext::new("r1")).await.unwrap();
        assert_eq!((response.status, &response.body[..]), (200, body));
    }
    let failure = replica.score(post(b"no"), &CallContext::new("r2")).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.message), (ErrorKind::ScorerFault, "the command exited with status 1"));
    assert!(replica.healthy());
}
