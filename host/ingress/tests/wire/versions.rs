//! Which version of a service answers, and how the answer says so.

use serde_json::json;

use crate::client::{exchange, get};
use crate::fakes::Server;

const BODY: &[u8] = br#"{"inputs":[{"name":"x","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#;

#[test]
fn a_version_is_addressed_by_path_or_header_and_named_in_the_answer() {
    let server = Server::start();
    type Pairs<'a> = &'a [(&'a str, &'a str)];
    let rows: [(&str, Pairs<'_>, &str); 4] = [
        ("/v2/models/pair/infer", &[], "1"),
        ("/v2/models/pair/versions/2/infer", &[], "2"),
        ("/v2/models/pair/infer", &[("x-scorehost-version", "2")], "2"),
        ("/api/v1/service/pair/score", &[("x-scorehost-version", "2")], "2"),
    ];
    for (path, headers, version) in rows {
        let answer = exchange(server.http(), "POST", path, headers, BODY);
        assert_eq!(answer.status, 200, "{path}: {}", answer.json());
        assert_eq!(answer.header("x-scorehost-version"), Some(version), "{path}");
        assert_eq!(answer.json()["model_version"], version, "{path}");
    }
}

#[test]
fn a_service_of_one_version_says_nothing_of_it() {
    let server = Server::start();
    let answer = exchange(server.http(), "POST", "/v2/models/tensors/infer", &[], BODY);
    assert_eq!((answer.status, answer.header("x-scorehost-version")), (200, None));
}

#[test]
fn a_path_and_a_header_that_differ_are_refused() {
    let server = Server::start();
    let headers = [("x-scorehost-version", "1")];
    let answer = exchange(server.http(), "POST", "/v2/models/pair/versions/2/infer", &headers, BODY);
    let message = "the path names version '2' and the header x-scorehost-version names '1'";
    assert_eq!((answer.status, answer.json()), (400, json!({ "error": message })));
}

#[test]
fn metadata_lists_the_versions_and_statistics_has_a_row_for_each() {
    let server = Server::start();
    assert_eq!(get(server.http(), "/v2/models/pair").json()["versions"], json!(["1", "2"]));
    let rows = |path: &str| get(server.http(), path).json()["model_stats"].as_array().map_or(0, Vec::len);
    assert_eq!(rows("/v2/models/pair/stats"), 2);
    assert_eq!(rows("/v2/models/pair/versions/2/stats"), 1);
}
