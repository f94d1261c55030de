//! Operations on tensors from scorers of every language, over HTTP.

use serde_json::Value;

use crate::guests::{build, text};
use crate::host::{Host, root};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures/operations").join(name)).unwrap()
}

/// What PIL and numpy make of the same picture; a level of 255 is the resampling's freedom.
fn check(answer: &Value) {
    let expected: Value = serde_json::from_slice(&fixture("picture.expected.json")).unwrap();
    assert_eq!(answer["brightest"], expected["brightest"], "{answer}");
    for channel in 0..3 {
        let (got, wanted) = (answer["mean"][channel].as_f64().unwrap(), expected["mean"][channel].as_f64().unwrap());
        assert!((got - wanted).abs() < 1.0 / 255.0, "{answer}, expected {expected}");
    }
}

fn measures_a_picture(example: &str) {
    let Some(component) = build(&format!("plugins/examples/{example}")) else { return };
    let host = Host::start();
    host.ok(&["deploy", "-n", "picture", "--scorer", text(&component)]);
    let post = |body: &[u8]| host.post("/api/v1/service/picture/score", &[("content-type", "image/png")], body);
    for _ in 0..3 {
        let answer = post(&fixture("rgb.png"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        check(&answer.json());
    }
    let wrong = post(&fixture("rgb.png")[..500]);
    assert_eq!(wrong.status, 400, "{}", wrong.text());
    assert!(wrong.text().contains("the image cannot be decoded"), "{}", wrong.text());
    assert_eq!(post(&fixture("rgba.png")).status, 200);
}

#[test]
fn a_python_scorer_measures_a_picture_in_the_host() {
    measures_a_picture("picture-python");
}

#[test]
fn a_javascript_scorer_measures_a_picture_in_the_host() {
    measures_a_picture("picture-javascript");
}

#[test]
fn a_c_scorer_measures_a_picture_in_the_host() {
    measures_a_picture("picture-c");
}
