//! Orderly calls through both worlds.

use bytes::Bytes;
use scorehost_core::{CallContext, ErrorKind, Interface, RawRequest};

use crate::guests;
use crate::support::{bench, engine, floats, x};

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
