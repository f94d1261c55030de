#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn merges_repetitions_and_drops_blanks() {
    // Classes: 0 blank, 1 "a", 2 "b", 3 space.
    check(&[0, 1, 1, 0, 1, 2, 2, 3, 3, 2, 0], "aab b");
    check(&[1, 0, 0, 1], "aa");
    check(&[3], " ");
    check(&[0, 0], "");
    check(&[], "");
}

#[test]
fn the_score_is_the_mean_of_the_characters_kept() {
    let answer = Tensor {
        shape: vec![1, 4, 4],
        data: [[0.1, 0.9, 0.0, 0.0], [0.3, 0.7, 0.0, 0.0], [0.8, 0.0, 0.2, 0.0], [0.0, 0.0, 0.5, 0.4]].concat(),
    };
    let found = transcripts(&answer, 1, &alphabet()).unwrap();
    // The repeated step at 0.7 and the blank do not count.
    assert_eq!(found[0].text, "ab");
    assert!((found[0].score - 0.7).abs() < 1e-6);
}

#[test]
fn every_line_is_decoded_for_itself() {
    let answer = Tensor { shape: vec![2, 1, 4], data: [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]].concat() };
    let texts: Vec<String> =
        transcripts(&answer, 2, &alphabet()).unwrap().into_iter().map(|found| found.text).collect();
    assert_eq!(texts, ["a", "b"]);
}

#[test]
fn not_a_number_reads_as_nothing() {
    let answer = Tensor { shape: vec![1, 2, 4], data: vec![f32::NAN; 8] };
    assert_eq!(transcripts(&answer, 1, &alphabet()).unwrap(), [Transcript { text: String::new(), score: 0.0 }]);
}

#[test]
fn refuses_an_answer_of_another_shape() {
    for (shape, length) in [(vec![2, 1, 4], 8), (vec![1, 2, 5], 10), (vec![1, 4], 4), (vec![1, 2, 4], 7)] {
        let answer = Tensor { shape, data: vec![0.0; length] };
        let error = transcripts(&answer, 1, &alphabet()).unwrap_err();
        assert!(error.to_string().contains("expected [1, steps, 4]"), "{error}");
    }
}

fn check(classes: &[usize], expected: &str) {
    let data = classes.iter().flat_map(|&class| (0..4).map(move |at| if at == class { 1.0 } else { 0.0 })).collect();
    let answer = Tensor { shape: vec![1, classes.len(), 4], data };
    assert_eq!(transcripts(&answer, 1, &alphabet()).unwrap()[0].text, expected, "{classes:?}");
}

fn alphabet() -> Alphabet {
    Alphabet::from_lines("a\nb\n")
}
