//! Guests that fall, hang, grow or lie: one call fails, and says why.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use scorehost_core::{CallContext, Clock, Deadline, ErrorKind, Failure, LogLevel};
use scorehost_scorer::{Engine, EngineConfig};

use crate::guests::{self, FINE, GIVE_BACK, scorer, scorer_with};
use crate::support::{Bench, bench, bench_with, engine, x};

/// Calls a guest once; it must fail. Says whether the replica may be used again.
async fn fall(bench: &Bench, component: &[u8]) -> (Failure, bool) {
    let engine = engine();
    let mut replica = bench.replica(&engine, component).await.unwrap();
    let failure = replica.infer(x(&[1.0]), &CallContext::new("r9")).await.unwrap_err();
    (failure, replica.healthy())
}

/// A clock that moves by 10 ms whenever it is read, so that no test waits for real time.
struct Striding(Instant, AtomicU64);

impl Striding {
    fn engine() -> Engine {
        let clock = Arc::new(Self(Instant::now(), AtomicU64::new(0)));
        Engine::new(EngineConfig { max_replicas: 4, clock, ..EngineConfig::default() }).unwrap()
    }
}

impl Clock for Striding {
    fn now(&self) -> Instant {
        self.0 + Duration::from_millis(10 * self.1.fetch_add(1, Ordering::Relaxed))
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

#[tokio::test]
async fn a_panic_costs_the_replica_and_its_words_reach_caller_and_log() {
    let bench = bench();
    let run = "(call $log (i32.const 4) (i32.const 512) (i32.const 22)) unreachable";
    let (failure, healthy) = fall(&bench, &scorer("", run)).await;
    assert_eq!(failure.kind, ErrorKind::ScorerFault);
    let expect = "the scorer panicked or aborted (wasm trap: unreachable) in run: panicked at here: oops";
    assert_eq!(failure.message, expect);
    assert!(!healthy);
    assert!(failure.detail.unwrap().contains("wasm backtrace"), "no backtrace in the detail");
    assert!(bench.lines.all().contains(&(LogLevel::Error, "r9".into(), expect.into())), "{}", bench.lines.text());
    assert!(bench.lines.text().contains("wasm backtrace"));
}

#[tokio::test]
async fn other_traps_name_themselves() {
    let check = async |extra: &str, run: &str, expect: &str| {
        let (failure, healthy) = fall(&bench(), &scorer(extra, run)).await;
        assert_eq!((failure.kind, healthy), (ErrorKind::ScorerFault, false));
        assert!(failure.message.contains(expect), "{failure}");
    };
    check("(func $down (call $down) (call $down))", "(call $down) (i32.const 96)", "overflowed its stack").await;
    check("", "(i32.div_u (i32.const 1) (i32.const 0))", "integer divide by zero").await;
    check("", "(i32.load (i32.const -4))", "out of bounds memory access").await;
    check("", "(i32.const -16)", "in run").await;
}

#[tokio::test]
async fn memory_beyond_the_cap_is_refused_and_the_message_names_the_cap() {
    let run = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let (failure, healthy) = fall(&bench(), &scorer("", run)).await;
    assert_eq!((failure.kind, healthy), (ErrorKind::ScorerFault, false));
    assert!(failure.message.contains("its cap is 67108864 bytes"), "{failure}");
}

#[tokio::test]
async fn tensors_count_against_the_memory_cap() {
    // Makes a tensor of one page's bytes again and again, and never drops one.
    let imports = r#"
      (import "scorehost:scoring/tensors@0.1.0" "[static]tensor.create" (func $create (param i32 i32 i32 i32 i32 i32)))"#;
    let extra = r#"(data (i32.const 160) "\00\00\01\00\00\00\00\00")"#;
    let run = "(loop $more (call $create (i32.const 1) (i32.const 160) (i32.const 1) (i32.const 0) (i32.const 65536)
      (i32.const 176)) (br $more)) unreachable";
    let (failure, healthy) = fall(&bench(), &scorer_with(imports, extra, FINE, run)).await;
    assert_eq!((failure.kind, healthy), (ErrorKind::ScorerFault, false));
    assert!(failure.message.contains("it may hold 67108868"), "{failure}");
}

#[tokio::test]
async fn an_endless_loop_is_stopped_at_the_scoring_timeout_and_others_go_on_meanwhile() {
    let mut bench = bench();
    bench.environment.scoring_timeout = Duration::from_secs(1);
    let mut replica = bench.replica(&Striding::engine(), &scorer("", "(loop $on (br $on)) unreachable")).await.unwrap();
    let others = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&others);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let failure = replica.infer(x(&[1.0]), &CallContext::new("r")).await.unwrap_err();
    other.abort();
    assert_eq!(failure.kind, ErrorKind::Deadline);
    assert_eq!(failure.message, "the scorer did not finish run in time and was stopped");
    assert!(!replica.healthy());
    assert!(others.load(Ordering::Relaxed) > 10, "the loop kept its thread to itself");
}

#[tokio::test]
async fn an_endless_loop_in_init_is_stopped() {
    let guest = scorer_with("", "", "(loop $on (br $on)) unreachable", GIVE_BACK);
    let failure = bench().replica(&Striding::engine(), &guest).await.err().unwrap();
    assert_eq!(failure.kind, ErrorKind::Deadline);
    assert_eq!(failure.message, "the scorer did not finish init in time and was stopped");
}

#[tokio::test]
async fn the_requests_own_deadline_counts_where_it_is_earlier() {
    let engine = Striding::engine();
    let mut replica = bench().replica(&engine, &guests::identity()).await.unwrap();
    let late =
        CallContext { deadline: Some(Deadline::at(Instant::now() - Duration::from_secs(1))), ..CallContext::new("r") };
    let failure = replica.infer(x(&[1.0]), &late).await.unwrap_err();
    assert_eq!(failure.message, "the request's deadline passed before the scorer was called");
    assert!(replica.healthy(), "the guest never ran");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_model_ends_at_its_deadline() {
    let (engine, bench) = (engine(), bench_with(true));
    let mut replica = bench.replica(&engine, &guests::calls_model("x")).await.unwrap();
    let failure = replica.infer(x(&[1.0]), &CallContext::new("r")).await.unwrap_err();
    assert_eq!((failure.kind, replica.healthy()), (ErrorKind::Deadline, false));
}

#[tokio::test]
async fn a_dropped_call_retires_its_replica() {
    let (engine, bench) = (engine(), bench_with(true));
    let mut replica = bench.replica(&engine, &guests::calls_model("x")).await.unwrap();
    let call = CallContext::new("r");
    let dropped = tokio::select! {
        biased;
        _ = replica.infer(x(&[1.0]), &call) => false,
        () = tokio::task::yield_now() => true,
    };
    assert!(dropped && !replica.healthy());
}

#[tokio::test]
async fn a_trap_or_a_refusal_in_init_keeps_the_replica_out() {
    let trap = scorer_with("", "", "unreachable", GIVE_BACK);
    let failure = bench().replica(&engine(), &trap).await.err().unwrap();
    assert_eq!(failure.kind, ErrorKind::ScorerFault);
    assert!(failure.message.ends_with("in init"), "{failure}");
    // result::err { kind not-found, message "no labels" }
    let extra = r#"(data (i32.const 512) "no labels") (data (i32.const 528) "\01\00\00\00\01\00\00\00\00\02\00\00\09\00\00\00")"#;
    let failure =
        bench().replica(&engine(), &scorer_with("", extra, "(i32.const 528)", GIVE_BACK)).await.err().unwrap();
    assert_eq!((failure.kind, &*failure.message), (ErrorKind::ScorerFault, "the scorer's init failed: no labels"));
}

#[tokio::test]
async fn failures_that_a_guest_returns_keep_their_kind_and_the_replica_goes_on() {
    let kinds = [
        ErrorKind::InvalidInput,
        ErrorKind::NotFound,
        ErrorKind::Unsupported,
        ErrorKind::Overloaded,
        ErrorKind::Deadline,
        ErrorKind::Unavailable,
        ErrorKind::ScorerFault,
    ];
    for (number, expect) in kinds.into_iter().enumerate() {
        let extra = format!(r#"(data (i32.const 544) "\01\00\00\00\{number:02x}\00\00\00\12\02\00\00\04\00\00\00")"#);
        let (failure, healthy) = fall(&bench(), &scorer(&extra, "(i32.const 544)")).await;
        assert_eq!((failure.kind, &*failure.message, healthy), (expect, "oops", true));
    }
}

#[tokio::test]
async fn wrong_outputs_are_the_scorers_fault() {
    let imports = r#"
      (import "scorehost:scoring/tensors@0.1.0" "[static]tensor.create" (func $create (param i32 i32 i32 i32 i32 i32)))"#;
    // An fp64 scalar list where fp32 is declared.
    let extra = r#"(data (i32.const 160) "\01\00\00\00\00\00\00\00")"#;
    let run = format!(
        "(call $create (i32.const 12) (i32.const 160) (i32.const 1) (i32.const 0) (i32.const 8) (i32.const 176))
         (i32.store offset=8 (local.get $ptr) (i32.load (i32.const 180))) {GIVE_BACK}"
    );
    let (failure, healthy) = fall(&bench(), &scorer_with(imports, extra, FINE, &run)).await;
    assert_eq!((failure.kind, healthy), (ErrorKind::ScorerFault, true));
    assert_eq!(failure.message, "the scorer returned output 'x' as FP64 [1]; declared: FP32 [-1]");
    let none = "(i32.store (i32.const 132) (i32.const 0)) (i32.store (i32.const 136) (i32.const 0)) (i32.const 128)";
    let (failure, _) = fall(&bench(), &scorer("", none)).await;
    assert_eq!(failure.message, "the scorer returned output 'x' not at all; declared: FP32 [-1]");
}

#[tokio::test]
async fn bad_tensor_data_and_bad_model_inputs_are_failures_the_guest_can_read() {
    let imports = r#"
      (import "scorehost:scoring/tensors@0.1.0" "[static]tensor.create" (func $create (param i32 i32 i32 i32 i32 i32)))"#;
    let extra = r#"(data (i32.const 160) "\02\00\00\00\00\00\00\00")"#;
    // Passes the failure of `create` on as its own: both have the same layout.
    let run = "(call $create (i32.const 11) (i32.const 160) (i32.const 1) (i32.const 0) (i32.const 7) (i32.const 176))
      (i32.const 176)";
    let (failure, healthy) = fall(&bench(), &scorer_with(imports, extra, FINE, run)).await;
    assert_eq!((failure.kind, healthy), (ErrorKind::InvalidInput, true));
    assert_eq!(failure.message, "FP32 of shape [2] needs 8 bytes, got 7");
    let (failure, healthy) = fall(&bench(), &guests::calls_model("z")).await;
    assert_eq!((failure.kind, healthy), (ErrorKind::InvalidInput, true));
    assert_eq!(failure.message, "the model 'twice' needs the input 'x'");
}

#[tokio::test]
async fn a_gigabyte_of_log_lines_is_cut_to_the_budget_and_counted() {
    let bench = bench();
    // 1,048,576 lines of 1 KiB.
    let extra = r"(func $flood (local $i i32)
      (loop $more
        (call $log (i32.const 2) (i32.const 1024) (i32.const 1024))
        (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1048576)))))
      (func $fill (memory.fill (i32.const 1024) (i32.const 97) (i32.const 1024)))";
    let component = scorer(extra, &format!("(call $fill) (call $flood) {GIVE_BACK}"));
    let mut replica = bench.replica(&engine(), &component).await.unwrap();
    replica.infer(x(&[1.0]), &CallContext::new("r")).await.unwrap();
    let lines = bench.lines.all();
    assert_eq!(lines.len(), 1024 + 1);
    let (lines, bytes) = (1_048_576 - 1024, (1_048_576 - 1024) * 1024);
    let expect = format!("{lines} further lines ({bytes} bytes) of this call were dropped: beyond the log budget");
    assert!(bench.lines.text().ends_with(&(expect + "\n")));
    assert!(replica.healthy());
}

#[tokio::test]
async fn replicas_beyond_the_hosts_number_are_refused_until_one_is_gone() {
    let engine = Engine::new(EngineConfig { max_replicas: 1, ..EngineConfig::default() }).unwrap();
    let bench = bench();
    let first = bench.replica(&engine, &guests::identity()).await.unwrap();
    let failure = bench.replica(&engine, &guests::identity()).await.err().unwrap();
    assert_eq!(failure.kind, ErrorKind::Unavailable);
    drop(first);
    bench.replica(&engine, &guests::identity()).await.unwrap();
}
