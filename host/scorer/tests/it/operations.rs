//! Operations on tensors, called by a guest.

use std::time::Instant;

use scorehost_core::{CallContext, Deadline, ErrorKind};
use scorehost_scorer::{Engine, inspect};

use crate::guests::{FINE, GIVE_BACK, scorer_of, scorer_with};
use crate::support::{Bench, bench, engine, floats, x};

const IMPORTS: &str =
    r#"(import "scorehost:operations/arrays@0.1.0" "pad" (func $pad (param i32 i32 i32 i32 i32 f64 i32)))"#;

/// Gives its input back with `before` zeros in front, or passes the operation's failure on.
fn pads(before: u64) -> Vec<u8> {
    let bytes: String = before.to_le_bytes().iter().map(|byte| format!("\\{byte:02x}")).collect();
    let extra = format!(r#"(data (i32.const 704) "{bytes}\00\00\00\00\00\00\00\00")"#);
    let run = format!(
        r"(call $pad (i32.load offset=8 (local.get $ptr)) (i32.const 704) (i32.const 1) (i32.const 712) (i32.const 1)
            (f64.const 0) (i32.const 256))
          (if (result i32) (i32.load8_u (i32.const 256))
            (then (i32.const 256))
            (else (i32.store offset=8 (local.get $ptr) (i32.load (i32.const 260))) {GIVE_BACK}))"
    );
    scorer_of("scorehost:operations/scorer@0.1.0", IMPORTS, &extra, FINE, &run)
}

async fn answer(bench: &Bench, engine: &Engine, before: u64) -> Result<Vec<f32>, (ErrorKind, String)> {
    let mut replica = bench.replica(engine, &pads(before)).await.unwrap();
    let answer = replica.infer(x(&[1.0, 2.0]), &CallContext::new("r")).await;
    assert!(replica.healthy());
    let failed = |failure: scorehost_core::Failure| (failure.kind, failure.message.into_owned());
    answer.map(|outputs| floats(&outputs[0].tensor)).map_err(failed)
}

#[tokio::test]
async fn a_guest_gets_the_result_of_an_operation_as_a_handle() {
    let (engine, bench) = (engine(), bench());
    assert_eq!(answer(&bench, &engine, 3).await, Ok(vec![0.0, 0.0, 0.0, 1.0, 2.0]));
}

#[tokio::test]
async fn a_result_beyond_the_scorers_memory_is_refused_before_it_is_made_and_the_replica_goes_on() {
    let (engine, bench) = (engine(), bench());
    // The cap is 64 MiB.
    for before in [20_000_000, 1 << 40, u64::MAX] {
        let (kind, message) = answer(&bench, &engine, before).await.unwrap_err();
        assert_eq!(kind, ErrorKind::InvalidInput);
        assert!(message.contains("it may hold 67108872") || message.contains("more elements"), "{before}: {message}");
    }
    assert_eq!(answer(&bench, &engine, 10_000_000).await.unwrap().len(), 10_000_002);
}

#[tokio::test]
async fn long_work_lets_others_go_on_first_and_is_not_begun_too_late() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &pads(10_000_000)).await.unwrap();
    let call = CallContext {
        deadline: Some(Deadline::at(Instant::now() + std::time::Duration::from_secs(50))),
        ..CallContext::new("r")
    };
    let mut infer = replica.infer(x(&[1.0]), &call);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(infer.as_mut().poll(&mut context).is_pending());
    assert!(scorehost_core::order::take_long_slice(), "it says why it waits");
    assert_eq!(infer.await.unwrap()[0].tensor.elements(), 10_000_001);
}

#[test]
fn components_without_operations_import_none_and_with_them_say_so() {
    let capabilities = |component: &[u8]| inspect(component).unwrap().capabilities;
    let found =
        |component: &[u8]| capabilities(component).into_iter().find(|capability| capability.name == "operations");
    let capability = found(&pads(0)).unwrap();
    assert!(capability.granted && capability.imports == ["scorehost:operations/arrays@0.1.0"], "{capability:?}");
    assert_eq!(found(&scorer_with("", "", FINE, GIVE_BACK)), None);
}
