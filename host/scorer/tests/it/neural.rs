//! wasi:nn guests.

use scorehost_core::{CallContext, ErrorKind};

use crate::guests;
use crate::support::{bench, engine, floats, x};

/// Runs a guest that loads its graph with `load`.
async fn compute(load: &str) -> Result<Vec<f32>, scorehost_core::Failure> {
    let (engine, bench) = (engine(), bench());
    let mut replica = bench.replica(&engine, &guests::neural(load)).await?;
    let outputs = replica.infer(x(&[1.0, 4.0]), &CallContext::new("r")).await?;
    Ok(floats(&outputs[0].tensor))
}

#[tokio::test]
async fn a_graph_of_the_deployment_is_loaded_by_name() {
    let load = "(call $by_name (i32.const 512) (i32.const 5) (i32.const 192))";
    assert_eq!(compute(load).await.unwrap(), [2.0, 8.0]);
}

#[tokio::test]
async fn a_graph_is_loaded_from_onnx_bytes() {
    let load = "(call $load (i32.const 528) (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 192))";
    assert_eq!(compute(load).await.unwrap(), [2.0, 8.0]);
}

#[tokio::test]
async fn other_encodings_and_unknown_names_are_errors_of_the_guest() {
    let openvino = "(call $load (i32.const 528) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 192))";
    let failure = compute(openvino).await.unwrap_err();
    assert!(failure.message.contains("expected onnx"), "{failure}");
    let unknown = "(call $by_name (i32.const 520) (i32.const 4) (i32.const 192))";
    let failure = compute(unknown).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::InvalidInput);
    assert!(failure.message.contains("no model 'onnx'; it has: [twice:3]"), "{failure}");
}
