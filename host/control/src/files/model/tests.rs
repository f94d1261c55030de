#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scorehost_core::{DType, Priority};

use super::*;

const FULL: &str = r#"
    name: "digits" platform: "onnxruntime_onnx" backend: "onnxruntime" max_batch_size: 16
    input [ { name: "x" data_type: TYPE_FP32 format: FORMAT_NONE dims: [ 3, -1 ] } ]
    output [ { name: "y" data_type: TYPE_INT64 dims: 1 label_filename: "labels.txt" } ]
    dynamic_batching {
        preferred_batch_size: [ 16, 4 ] max_queue_delay_microseconds: 250 preserve_ordering: true
        priority_levels: 2 default_priority_level: 1
        default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 1000 allow_timeout_override: true max_queue_size: 9 }
    }
    instance_group [ { kind: KIND_GPU count: 2 gpus: [ 0 ] } ]
    model_warmup [ { name: "zeros" batch_size: 2 inputs { key: "x" value { data_type: TYPE_FP32 dims: [3, 5] zero_data: true } } } ]
    response_cache { enable: true }
    version_policy { latest { num_versions: 1 } }
    optimization { graph { level: 1 } }
"#;

#[test]
fn every_field_is_read_or_named() {
    let read = ModelConfiguration::parse("config.pbtxt", FULL.as_bytes()).unwrap();
    assert_eq!((read.max_batch_size, read.response_cache), (16, true));
    let dynamic = DynamicBatching {
        preferred: vec![4, 16],
        max_delay: Duration::from_micros(250),
        default_priority: Priority::High,
        timeout: Some(Duration::from_millis(1)),
        max_queue: Some(9),
    };
    assert_eq!(read.dynamic_batching, Some(dynamic));
    let input = Declared { name: "x".to_owned(), dtype: Some(DType::F32), dims: Some(vec![3, -1]) };
    let output = Declared { name: "y".to_owned(), dtype: Some(DType::I64), dims: Some(vec![1]) };
    assert_eq!((read.inputs, read.outputs), (vec![input], vec![output]));
    let warm = WarmUpInput { name: "x".to_owned(), dtype: DType::F32, dims: vec![3, 5], fill: Fill::Zeros };
    let warm = ModelWarmUp { name: "zeros".to_owned(), rows: Some(2), count: 1, inputs: vec![warm] };
    assert_eq!(read.warm_ups, [warm]);
    let about: Vec<&str> = read.notes.iter().filter_map(|note| note.split(": ").next()).collect();
    assert_eq!(
        about,
        [
            "version_policy",
            "optimization",
            "instance_group.count",
            "instance_group.kind",
            "dynamic_batching.preserve_ordering",
            "output 'y'"
        ]
    );
}

#[test]
fn json_says_the_same() {
    let json = r#"{"max_batch_size": 16, "dynamic_batching": {"preferred_batch_size": [4]}, "input": [{"name": "x", "dims": ["3"]}],
        "model_warmup": [{"name": "w", "count": 3, "inputs": {"x": {"data_type": "TYPE_FP32", "dims": [3], "random_data": true}}}]}"#;
    let read = ModelConfiguration::parse("m/config.json", json.as_bytes()).unwrap();
    let text = r#"max_batch_size: 16 dynamic_batching { preferred_batch_size: 4 } input { name: "x" dims: 3 }
        model_warmup { name: "w" count: 3 inputs { key: "x" value { data_type: TYPE_FP32 dims: 3 random_data: true } } }"#;
    assert_eq!(read, ModelConfiguration::parse("config.pbtxt", text.as_bytes()).unwrap());
}

#[test]
fn all_violations_come_at_once_with_their_paths() {
    let text = r#"
        backend: "tensorflow" max_batch_sise: 1 max_batch_size: 4 sequence_batching { }
        dynamic_batching { preferred_batch_size: [ 8 ] priority_levels: 2 default_priority_level: 5 default_queue_policy { timeout_action: DELAY } }
        input { name: "x" data_type: TYPE_FLOAT reshape { shape: [] } } input { name: "x" } output { dims: [-2] }
        model_warmup { inputs { key: "x" value { zero_data: true random_data: true } } batch_size: 5 }
        model_transaction_policy { decoupled: true }
    "#;
    let error = ModelConfiguration::parse("config.pbtxt", text.as_bytes()).unwrap_err();
    let paths: Vec<&str> = error.violations.iter().map(|violation| violation.path.as_str()).collect();
    for expected in [
        "$.max_batch_sise",
        "$.sequence_batching",
        "$.model_transaction_policy.decoupled",
        "$.backend",
        "$.dynamic_batching.default_queue_policy.timeout_action",
        "$.dynamic_batching.preferred_batch_size[0]",
        "$.dynamic_batching.default_priority_level",
        "$.input[0].reshape",
        "$.input[0].data_type",
        "$.input[1].name",
        "$.output.name",
        "$.model_warmup.batch_size",
        "$.model_warmup.inputs.value",
    ] {
        assert!(paths.contains(&expected), "{expected} is not in {paths:?}");
    }
    assert_eq!(paths.len(), 13, "{paths:?}");
    let failure = scorehost_core::Failure::from(error);
    assert_eq!(failure.hint.as_deref(), Some("docs/reference/model-configuration.md lists the keys with their rules"));
    assert!(
        failure.message.contains("config.pbtxt has 13 errors")
            && failure.message.contains("did you mean 'max_batch_size'?")
    );
}

#[test]
fn merging_needs_a_batch() {
    let error = ModelConfiguration::parse("config.pbtxt", b"dynamic_batching { }").unwrap_err();
    assert_eq!(error.violations[0].to_string(), "$.dynamic_batching: needs max_batch_size above 0");
    let empty = ModelConfiguration::parse("config.pbtxt", b"").unwrap();
    assert_eq!(empty, ModelConfiguration::default());
}

#[test]
fn what_is_not_of_the_format_is_told() {
    for (path, content, expected) in [
        ("config.pbtxt", &b"max_batch_size 3"[..], "is not in the text format: line 1, column 16"),
        ("config.pbtxt", b"\xff", "is not UTF-8"),
        ("config.json", b"{", "is not JSON"),
        ("config.json", b"[]", "must be an object"),
    ] {
        let error = ModelConfiguration::parse(path, content).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
