#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use bytes::Bytes;

use super::*;

/// Files of a model that hold what is said.
struct Files(Vec<(&'static str, &'static str)>);

impl ModelFiles for Files {
    fn paths(&self) -> Vec<String> {
        self.0.iter().map(|(path, _)| (*path).to_owned()).collect()
    }

    fn read(&self, path: &str) -> Result<Bytes, Failure> {
        let found = self.0.iter().find(|(known, _)| *known == path);
        found
            .map(|(_, content)| Bytes::from_static(content.as_bytes()))
            .ok_or_else(|| Failure::not_found("no such file"))
    }
}

fn of(configuration: &'static str) -> Configured {
    Configured::read("model.onnx", &Files(vec![("config.pbtxt", configuration), ("model.onnx", "")])).unwrap()
}

fn signature() -> Signature {
    let spec = |name: &str, shape: &[i64]| TensorSpec { name: name.into(), dtype: DType::F32, shape: shape.to_vec() };
    Signature { inputs: vec![spec("x", &[-1, 4])], outputs: vec![spec("y", &[-1])] }
}

#[test]
fn the_configuration_is_found_beside_the_graph_and_above_a_numbered_folder() {
    type Row = (&'static str, &'static [(&'static str, &'static str)], Option<u32>);
    let rows: [Row; 6] = [
        ("model.onnx", &[("config.pbtxt", "max_batch_size: 4")], Some(4)),
        ("1/model.onnx", &[("config.pbtxt", "max_batch_size: 4")], Some(4)),
        ("m/1/model.onnx", &[("m/config.pbtxt", "max_batch_size: 4")], Some(4)),
        ("m/model.onnx", &[("config.pbtxt", "max_batch_size: 4")], None),
        ("model.onnx", &[("config.json", "{\"max_batch_size\": 5}")], Some(5)),
        ("model.onnx", &[("config.json", "{\"hidden_size\": 384}")], None),
    ];
    for (graph, files, expected) in rows {
        let files = files.iter().map(|(path, content)| -> (&'static str, &'static str) {
            (String::leak((*path).to_owned()), String::leak((*content).to_owned()))
        });
        let found = Configured::read(graph, &Files(files.collect())).unwrap();
        assert_eq!(found.most_rows(), expected, "{graph}");
    }
}

#[test]
fn the_deployment_goes_before_the_model_and_the_model_before_the_host() {
    let nothing = Batching::default();
    let defaults = Configured::default().batches(&nothing).unwrap();
    assert_eq!((defaults.max_rows, defaults.rows_from), (32, RowsFrom::Graph));
    let model =
        of("max_batch_size: 64 dynamic_batching { preferred_batch_size: [4, 64] max_queue_delay_microseconds: 500 }");
    let by_model = model.batches(&nothing).unwrap();
    assert_eq!((by_model.max_rows, by_model.rows_from, by_model.preferred), (64, RowsFrom::Operator, vec![4, 64]));
    assert_eq!(by_model.max_delay, Duration::from_micros(500));
    let asked = Batching {
        max_size: Some(8),
        max_delay: Some(Duration::ZERO),
        latency_target: Some(Duration::from_millis(20)),
        isolated: true,
        ..Batching::default()
    };
    let by_deployment = model.batches(&asked).unwrap();
    assert_eq!((by_deployment.max_rows, by_deployment.preferred, by_deployment.isolated), (8, vec![4], true));
    assert_eq!(by_deployment.max_delay, Duration::ZERO);
    assert_eq!(model.batches(&Batching { enabled: Some(false), ..asked }), None);
}

#[test]
fn a_configuration_without_dynamic_batching_merges_nothing() {
    let plain = of("max_batch_size: 8");
    assert_eq!((plain.batches(&Batching::default()), plain.most_rows()), (None, Some(8)));
    let on = Batching { enabled: Some(true), ..Batching::default() };
    assert_eq!(plain.batches(&on).unwrap().max_rows, 8);
    assert_eq!(of("max_batch_size: 0").batches(&on), None, "there is no batch in its shapes");
}

#[test]
fn the_stricter_queue_holds() {
    let model = of("max_batch_size: 8 dynamic_batching { default_priority_level: 1 priority_levels: 2
        default_queue_policy { default_timeout_microseconds: 250000 max_queue_size: 5 } }");
    let limits = model.limits(&Admission::default());
    assert_eq!(
        (limits.max_queue, limits.max_wait, limits.default_priority),
        (5, Duration::from_millis(250), Priority::High)
    );
    let strict = Admission { max_queue: 2, max_queue_wait: Duration::from_millis(10), ..Admission::default() };
    let limits = model.limits(&strict);
    assert_eq!((limits.max_queue, limits.max_wait), (2, Duration::from_millis(10)));
}

#[test]
fn declarations_are_held_against_the_model() {
    let check = |configuration| of(configuration).check(&signature()).map_err(|failure| failure.message.into_owned());
    assert_eq!(
        check("max_batch_size: 8 input { name: 'x' data_type: TYPE_FP32 dims: 4 } output { name: 'y' dims: [] }"),
        Ok(())
    );
    assert_eq!(check("input { name: 'x' dims: [-1, 4] }"), Ok(()));
    let wrong = check(
        "max_batch_size: 8 input { name: 'x' data_type: TYPE_INT32 dims: 4 } input { name: 'q' } output { name: 'y' dims: 3 }",
    );
    assert_eq!(
        wrong.unwrap_err(),
        "the model's configuration does not fit the model:
  input 'x' is FP32 in the model, declared as INT32
  input 'q' is not in the model, which has [x]
  output 'y' has dims [] in the model, declared as [3]"
    );
}

#[test]
fn warm_ups_hold_what_they_say() {
    for dtype in DType::ALL {
        for vary in [false, true] {
            let tensor = filled(dtype, Shape::from_slice(&[3, 5]), vary).unwrap();
            let zeros = tensor.data().iter().all(|byte| *byte == 0);
            assert_eq!(zeros, !vary || dtype == DType::Bytes, "{dtype}");
        }
    }
    assert!(filled(DType::F64, Shape::from_slice(&[u64::MAX, 3]), false).is_err());
}
