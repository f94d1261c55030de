//! `POST …/infer` over HTTP.

use std::io::Write;
use std::time::Instant;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::client::{Answer, exchange, post};
use crate::fakes::Server;

const PATH: &str = "/v2/models/tensors/infer";

fn binary(server: &Server, json: &str, data: &[u8]) -> Answer {
    let length = json.len().to_string();
    let headers = [("Inference-Header-Content-Length", length.as_str())];
    exchange(server.http(), "POST", PATH, &headers, &[json.as_bytes(), data].concat())
}

#[test]
fn json_in_json_out() {
    let server = Server::start();
    let body = r#"{"id":"7\"","inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[[1,2.5]]}]}"#;
    let answer = post(server.http(), PATH, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let expected = r#"{"model_name":"tensors","model_version":"3","id":"7\"","outputs":[{"name":"OUT-x","datatype":"FP32","shape":[1,2],"data":[1.0,2.5]}]}"#;
    assert_eq!(answer.text(), expected);
}

#[test]
fn every_dtype_survives_json() {
    let server = Server::start();
    let rows = [
        ("BOOL", "[true,false]"),
        ("UINT8", "[0,255]"),
        ("UINT16", "[0,65535]"),
        ("UINT32", "[0,4294967295]"),
        ("UINT64", "[0,18446744073709551615]"),
        ("INT8", "[-128,127]"),
        ("INT16", "[-32768,32767]"),
        ("INT32", "[-2147483648,2147483647]"),
        ("INT64", "[-9223372036854775808,9223372036854775807]"),
        ("FP16", "[1.5,-2.0]"),
        ("BF16", "[1.5,-2.0]"),
        ("FP32", r#"[0.1,"NaN"]"#),
        ("FP64", r#"[-1.6169220026529025,"-Infinity"]"#),
        ("BYTES", r#"["a\"b","é"]"#),
    ];
    for (datatype, data) in rows {
        let body = format!(r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"{datatype}","data":{data}}}]}}"#);
        let answer = post(server.http(), PATH, &body);
        assert!(answer.text().ends_with(&format!(r#""data":{data}}}]}}"#)), "{datatype}: {}", answer.text());
    }
}

#[test]
fn binary_in_binary_out() {
    let server = Server::start();
    let json = r#"{"parameters":{"binary_data_output":true},"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}"#;
    let data = [1f32.to_le_bytes(), 2f32.to_le_bytes()].concat();
    let answer = binary(&server, json, &data);
    let expected = r#"{"model_name":"tensors","model_version":"3","outputs":[{"name":"OUT-x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}}]}"#;
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("inference-header-content-length"), Some(&*expected.len().to_string()));
    assert_eq!(answer.body, [expected.as_bytes(), &data].concat());
}

#[test]
fn an_output_decides_for_itself() {
    let server = Server::start();
    let json = r#"{"parameters":{"binary_data_output":true},"inputs":[
        {"name":"x","shape":[1],"datatype":"UINT8","parameters":{"binary_data_size":1}},
        {"name":"y","shape":[1],"datatype":"UINT8","data":[9]}],
        "outputs":[{"name":"OUT-x","parameters":{"binary_data":false}},{"name":"OUT-y"}]}"#;
    let answer = binary(&server, json, &[8]);
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    let header: serde_json::Value = serde_json::from_slice(&answer.body[..length]).unwrap();
    assert_eq!(header["outputs"][0]["data"], serde_json::json!([8]));
    assert_eq!(header["outputs"][1]["parameters"]["binary_data_size"], 1);
    assert_eq!(&answer.body[length..], [9]);
}

#[test]
fn large_tensors_come_back_whole() {
    let server = Server::start();
    let data: Vec<u8> = (0..3_000_000u32).map(|byte| byte as u8).collect();
    let input = |name| {
        format!(
            r#"{{"name":"{name}","shape":[3000000],"datatype":"UINT8","parameters":{{"binary_data_size":3000000}}}}"#
        )
    };
    let json = format!(r#"{{"parameters":{{"binary_data_output":true}},"inputs":[{},{}]}}"#, input("x"), input("y"));
    let answer = binary(&server, &json, &[&data[..], &data].concat());
    let length: usize = answer.header("inference-header-content-length").unwrap().parse().unwrap();
    assert!(answer.body[length..] == [&data[..], &data].concat());
}

#[test]
fn broken_requests_are_refused_by_name() {
    let server = Server::start();
    let input = |rest: &str| format!(r#"{{"inputs":[{{"name":"x",{rest}}}]}}"#);
    let rows = [
        (String::new(), 400, "the JSON of the request is not an inference request"),
        ("{".into(), 400, "the JSON of the request is not an inference request"),
        ("[]".into(), 400, "the JSON of the request is not an inference request"),
        (r#"{"inputs":3}"#.into(), 400, "the JSON of the request is not an inference request"),
        (input(r#""shape":[1],"datatype":"FP33","data":[1]"#), 400, "datatype 'FP33' of input 'x' is none of BOOL"),
        (input(r#""shape":[-1],"datatype":"FP32","data":[1]"#), 400, "the JSON of the request"),
        (input(r#""shape":[1],"datatype":"FP32","data":[NaN]"#), 400, "the JSON of the request"),
        (
            input(r#""shape":[1],"datatype":"FP32","data":["x"]"#),
            400,
            "data of input 'x': element 0 is 'x', which is no FP32",
        ),
        (
            input(r#""shape":[3],"datatype":"FP32","data":[1]"#),
            400,
            "data of input 'x': shape [3] has 3 elements, got 1",
        ),
        (
            input(r#""shape":[4294967296,4294967296],"datatype":"FP32","data":[1]"#),
            400,
            "shape [4294967296, 4294967296] has more elements",
        ),
        (input(r#""shape":[1],"datatype":"FP32""#), 400, "input 'x' has neither 'data' nor 'binary_data_size'"),
        (
            input(r#""shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}"#),
            400,
            "input 'x' has binary_data_size 4, but 0 bytes of the body are left for it",
        ),
        (
            input(r#""shape":[1],"datatype":"FP32","data":[1],"parameters":{"binary_data_size":4}"#),
            400,
            "input 'x' has both 'data' and 'binary_data_size'",
        ),
        (
            input(r#""shape":[1],"datatype":"FP32","parameters":{"shared_memory_region":"r"}"#),
            501,
            "shared memory regions are not offered",
        ),
        (r#"{"parameters":{"sequence_id":5},"inputs":[]}"#.into(), 501, "sequences of requests"),
        (
            r#"{"inputs":[],"outputs":[{"name":"y","parameters":{"classification":3}}]}"#.into(),
            501,
            "the classification extension is not offered",
        ),
    ];
    for (body, status, message) in rows {
        let answer = post(server.http(), PATH, &body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with(message), "{body}: {error}");
    }
}

#[test]
fn broken_binary_requests_are_refused_by_name() {
    let server = Server::start();
    let json = |size: &str| {
        format!(
            r#"{{"inputs":[{{"name":"x","shape":[2],"datatype":"UINT8","parameters":{{"binary_data_size":{size}}}}}]}}"#
        )
    };
    let check = |json: &str, data: &[u8], expected: &str| {
        let answer = binary(&server, json, data);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.text().contains(expected), "{expected}: {}", answer.text());
    };
    check(&json("2"), &[1], "binary_data_size 2, but 1 bytes of the body are left");
    check(&json("18446744073709551615"), &[1, 2], "binary_data_size 18446744073709551615, but 2 bytes");
    check(&json("18446744073709551616"), &[1, 2], "not an inference request");
    check(&json("1"), &[1], "input 'x': UINT8 of shape [2] needs 2 bytes, got 1");
    check(&json("2"), &[1, 2, 3], "1 bytes of the body belong to no input's binary_data_size");
    let bytes = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}"#;
    check(
        bytes,
        &[9, 0, 0, 0, 1],
        "input 'x': BYTES of shape [1] needs 1 length-prefixed elements, got 0 and 5 stray bytes",
    );
    for length in ["99999", "-1", "99999999999999999999", "x"] {
        let headers = [("Inference-Header-Content-Length", length)];
        let answer = exchange(server.http(), "POST", PATH, &headers, b"{}");
        assert_eq!(answer.status, 400);
        assert!(answer.text().contains("Inference-Header-Content-Length"), "{}", answer.text());
    }
    let answer = exchange(server.http(), "POST", PATH, &[], b"{\"id\":\"\xff\"}");
    assert!(answer.text().contains("the JSON of the request is not UTF-8 from byte 7 on"), "{}", answer.text());
}

#[test]
fn bytes_that_are_no_text_come_back_binary_only() {
    let server = Server::start();
    let json = r#"{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":5}}]}"#;
    let answer = binary(&server, json, &[1, 0, 0, 0, 0xff]);
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("\\\"binary_data\\\": true"), "{}", answer.text());
}

#[test]
fn encodings_are_undone_and_applied() {
    let server = Server::start();
    let data = vec!["1"; 2000].join(",");
    let body = format!(r#"{{"inputs":[{{"name":"x","shape":[2000],"datatype":"UINT8","data":[{data}]}}]}}"#);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let mut deflate = ZlibEncoder::new(Vec::new(), Compression::fast());
    deflate.write_all(body.as_bytes()).unwrap();
    for (name, packed) in [("gzip", gzip.finish().unwrap()), ("deflate", deflate.finish().unwrap())] {
        let headers = [("content-encoding", name), ("accept-encoding", name)];
        let answer = exchange(server.http(), "POST", PATH, &headers, &packed);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, Some(name)));
        assert!(answer.body.len() < 500, "{}", answer.body.len());
    }
    let answer = exchange(server.http(), "POST", PATH, &[("content-encoding", "br")], b"x");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("Content-Encoding 'br' is none of gzip, deflate, identity"));
}

#[test]
fn deadline_and_headers_travel_down() {
    let server = Server::start();
    let body = br#"{"parameters":{"timeout":5000000},"inputs":[]}"#;
    let before = Instant::now();
    exchange(server.http(), "POST", PATH, &[("x-request-id", "mine"), ("X-Custom", "Value")], body);
    let call = server.tensors.last.lock().unwrap().take().unwrap();
    assert_eq!(&*call.request_id, "mine");
    assert_eq!(call.headers.unwrap().first("x-custom"), Some("Value"));
    let left = call.deadline.unwrap().remaining(before);
    assert!(left.as_secs() >= 5, "{left:?}");
    exchange(server.http(), "POST", PATH, &[], br#"{"parameters":{"timeout":0},"inputs":[]}"#);
    assert!(server.tensors.last.lock().unwrap().take().unwrap().deadline.is_none());
}
