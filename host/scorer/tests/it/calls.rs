//! Orderly calls through both worlds.

use std::sync::Arc;

use bytes::Bytes;
use scorehost_core::{CallContext, ErrorKind, Headers, Interface, NamedTensor, NamedTensors, RawRequest};

use crate::guests::{self, FINE, GIVE_BACK, PLAIN, scorer_with, script};
use crate::support::{bench, engine, floats, x};
use crate::wasi::post;

#[tokio::test]
async fn a_scorer_gives_back_the_tensors_it_got_without_touching_them() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::identity()).await.unwrap();
    let Interface::Tensors(signature) = replica.interface().clone() else { panic!("not world scorer") };
    assert_eq!(signature.inputs[0].shape, [-1]);
    let inputs = x(&[1.0, 2.5, -3.0]);
    let bytes = inputs[0].tensor.data().as_ptr();
    for _ in 0..3 {
        let outputs = replica.infer(inputs.clone(), &CallContext::new("r1")).await.unwrap();
        assert_eq!(floats(&outputs[0].tensor), [1.0, 2.5, -3.0]);
        assert_eq!(outputs[0].tensor.data().as_ptr(), bytes, "the elements were copied");
    }
    assert!(replica.healthy());
}

#[tokio::test]
async fn an_entry_script_answers_a_body() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::echo()).await.unwrap();
    let Interface::EntryScript(description) = replica.interface().clone() else { panic!("not an entry script") };
    assert_eq!(description.input_schema.as_deref(), Some("{}"));
    let request = RawRequest {
        method: "POST".into(),
        path: "/".into(),
        query: "a=1".into(),
        body: Bytes::from_static(b"{\"data\": [1, 2]}"),
        content_type: None,
    };
    let response = replica.score(request, &CallContext::new("r1")).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"{\"data\": [1, 2]}"[..]));
    let refused = replica.infer(x(&[1.0]), &CallContext::new("r2")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    assert!(replica.healthy());
}

#[tokio::test]
async fn a_scorer_runs_a_model_of_its_deployment() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::calls_model("x")).await.unwrap();
    for value in [1.5, -4.0] {
        let outputs = replica.infer(x(&[value]), &CallContext::new("r1")).await.unwrap();
        assert_eq!((&*outputs[0].name, floats(&outputs[0].tensor)), ("x", vec![value * 2.0]));
    }
}

#[tokio::test]
async fn inputs_are_checked_against_what_the_scorer_declares() {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::identity()).await.unwrap();
    let mut check = async |inputs: NamedTensors, expect: &str| {
        let failure = replica.infer(inputs, &CallContext::new("r")).await.unwrap_err();
        assert_eq!((failure.kind, &*failure.message), (ErrorKind::InvalidInput, expect));
    };
    let tensor = x(&[1.0])[0].tensor.clone();
    check(vec![NamedTensor::new("y", tensor.clone())], "input 'y', which is not declared; declared: [x]").await;
    check(
        vec![NamedTensor::new("x", tensor.reshape([1, 1].as_slice()).unwrap())],
        "input 'x' as FP32 [1, 1]; declared: FP32 [-1]",
    )
    .await;
    check(vec![], "input 'x' not at all; declared: FP32 [-1]").await;
    check([x(&[1.0]), x(&[2.0])].concat(), "input 'x' more than once").await;
    assert!(replica.infer(x(&[1.0]), &CallContext::new("r")).await.is_ok());
}

/// Slices, reshapes, shares and reads a tensor in the guest; the answer is built from all of it.
#[tokio::test]
async fn tensor_handles_slice_reshape_share_and_read() {
    let imports = r#"
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.slice" (func $slice (param i32 i64 i64 i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.reshape" (func $reshape (param i32 i32 i32 i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.share" (func $share (param i32) (result i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.read" (func $read (param i32 i64 i64 i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.dtype" (func $dtype (param i32) (result i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.shape" (func $shape (param i32 i32)))
      (import "scorehost:scoring/tensors@0.1.0" "[method]tensor.byte-length" (func $bytes (param i32) (result i64)))
      (import "scorehost:scoring/tensors@0.1.0" "[resource-drop]tensor" (func $drop (param i32)))
      (import "scorehost:scoring/collect@0.1.0" "enabled" (func $enabled (result i32)))
      (import "scorehost:scoring/collect@0.1.0" "record-tensor" (func $record (param i32 i32 i32 i32 i32)))"#;
    let extra = r#"
      (data (i32.const 512) "\01\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00") (data (i32.const 528) "inputs")
      (func $expect (param i32) (if (i32.eqz (local.get 0)) (then unreachable)))"#;
    let run = format!(
        r"(local $given i32) (local $rows i32)
        (local.set $given (i32.load offset=8 (local.get $ptr)))
        (call $expect (i32.eq (call $dtype (local.get $given)) (i32.const 11)))
        (call $expect (i64.eq (call $bytes (local.get $given)) (i64.const 16)))
        (call $shape (local.get $given) (i32.const 160))
        (call $expect (i64.eq (i64.load (i32.load (i32.const 160))) (i64.const 4)))
        ;; beyond the end: an error, not a trap
        (call $slice (local.get $given) (i64.const 2) (i64.const 5) (i32.const 160))
        (call $expect (i32.load8_u (i32.const 160)))
        (call $slice (local.get $given) (i64.const 1) (i64.const 3) (i32.const 160))
        (call $expect (i32.eqz (i32.load8_u (i32.const 160))))
        (local.set $rows (i32.load (i32.const 164)))
        ;; the handle that came in goes; its slice stays whole
        (call $drop (local.get $given))
        (call $read (local.get $rows) (i64.const 4) (i64.const 4) (i32.const 160))
        (call $expect (f32.eq (f32.load (i32.load (i32.const 164))) (f32.const 3)))
        (call $read (local.get $rows) (i64.const 4) (i64.const 5) (i32.const 160))
        (call $expect (i32.load8_u (i32.const 160)))
        (call $reshape (local.get $rows) (i32.const 512) (i32.const 2) (i32.const 160))
        (call $expect (i32.eqz (i32.load8_u (i32.const 160))))
        (call $expect (call $enabled))
        (call $record (i32.const 528) (i32.const 6) (i32.const 16) (i32.const 1) (i32.load (i32.const 164)))
        (i32.store offset=8 (local.get $ptr) (call $share (local.get $rows)))
        (call $drop (local.get $rows))
        {GIVE_BACK}"
    );
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &scorer_with(imports, extra, FINE, &run)).await.unwrap();
    let outputs = replica.infer(x(&[1.0, 2.0, 3.0, 4.0]), &CallContext::new("r5")).await.unwrap();
    assert_eq!(floats(&outputs[0].tensor), [2.0, 3.0]);
    assert_eq!(bench.records.all(), ["r5 inputs x FP32 [1, 2]"]);
}

struct Colours;

impl Headers for Colours {
    fn first(&self, name: &str) -> Option<&str> {
        name.eq_ignore_ascii_case("X-Colour").then_some("blue")
    }

    fn all(&self) -> Vec<(&str, &str)> {
        vec![("X-Colour", "blue")]
    }
}

#[tokio::test]
async fn a_guest_reads_id_headers_and_variables_of_its_request() {
    let check = async |function: &str, signature: &str, call: &str, text: &str, expect: &str| {
        let imports = format!(r#"(import "scorehost:scoring/context@0.1.0" "{function}" (func $ask {signature}))"#);
        let body = format!("(call $ask {call} (i32.const 160)) {text}");
        let (engine, bench) = (engine(), bench());
        let mut replica = bench.replica(&engine, &script(PLAIN, &imports, &body)).await.unwrap();
        let call = CallContext { headers: Some(Arc::new(Colours)), ..CallContext::new("req-1") };
        let response = replica.score(post(b""), &call).await.unwrap();
        assert_eq!(std::str::from_utf8(&response.body).unwrap(), expect);
    };
    let plain = "(local.set $p (i32.load (i32.const 160))) (local.set $n (i32.load (i32.const 164)))";
    let some = "(local.set $p (i32.load (i32.const 164))) (local.set $n (i32.load (i32.const 168)))";
    check("request-id", "(param i32)", "", plain, "req-1").await;
    check("service", "(param i32)", "", plain, "digits").await;
    check("version", "(param i32)", "", plain, "7").await;
    check("header", "(param i32 i32 i32)", "(i32.const 512) (i32.const 8)", some, "blue").await;
    check("variable", "(param i32 i32 i32)", "(i32.const 528) (i32.const 6)", some, "green").await;
}
