use std::io;

use scorehost_build::BuildError;
use scorehost_control::wire;
use scorehost_core::{ErrorKind, Failure};

use super::stage::run;
use crate::CliError;

fn failed(kind: ErrorKind) -> CliError {
    CliError::Failed { doing: "list models".to_owned(), failure: Failure::new(kind, "it broke").with_hint("mend it") }
}

#[test]
fn an_error_has_what_was_tried_the_cause_and_the_next_step() {
    assert_eq!(failed(ErrorKind::Internal).render(), "error: could not list models\n  it broke\nhint: mend it\n");
    let answer = CliError::Answer { service: "digits".into(), status: 502, message: "run() raised".into() };
    assert_eq!(
        answer.render(),
        "error: service 'digits' answered 502\n  run() raised\nhint: scorehost service logs digits\n"
    );
    let scorer = Failure::new(ErrorKind::ScorerFault, "unreachable").with_detail("0: run\n1: main\n");
    assert_eq!(
        CliError::Scorer { failure: scorer }.render(),
        "error: the scorer failed\n  unreachable\n  0: run\n  1: main\n"
    );
}

#[test]
fn a_compilers_words_are_shown_as_it_printed_them() {
    let output = "error[E0425]: cannot find value `x`\n --> src/lib.rs:3:5".to_owned();
    let error = CliError::Build(BuildError::Compiler { tool: "cargo".into(), code: Some(101), output });
    assert!(
        error.render().contains("  error[E0425]: cannot find value `x`\n   --> src/lib.rs:3:5\n"),
        "{}",
        error.render()
    );
    assert_eq!(error.exit_code(), 7);
}

#[test]
fn each_kind_has_its_exit_code() {
    let codes = ErrorKind::ALL.map(|kind| failed(kind).exit_code());
    assert_eq!(codes, [2, 1, 1, 3, 4, 2, 2, 5, 6, 7, 5, 1]);
    for (status, code) in [(400, 2), (404, 3), (409, 4), (500, 1), (502, 7), (503, 5), (504, 6)] {
        let answer = CliError::Answer { service: String::new(), status, message: String::new() };
        assert_eq!(answer.exit_code(), code, "{status}");
    }
}

#[test]
fn a_failed_operation_shows_the_end_of_the_log() {
    let operation = wire::Operation {
        id: "1-1".into(),
        action: "deploy".into(),
        service: "digits".into(),
        version: None,
        state: wire::OperationState::TimedOut,
        phase: "init".into(),
        revision: 3,
        warnings: Vec::new(),
        log: Vec::new(),
        started_ms: 0,
        updated_ms: 0,
        error: Some(wire::Error { kind: "deadline".into(), message: "too slow".into(), hint: None }),
        remains: Some("version 1 answers as before".into()),
    };
    let error = CliError::Operation { operation: Box::new(operation), log: vec!["loading".into()] };
    assert_eq!(error.exit_code(), 6);
    assert_eq!(
        error.render(),
        "error: could not deploy service 'digits': TimedOut\n  too slow\n  version 1 answers as before\n  log of the service:\n  loading\nhint: scorehost service logs digits\n"
    );
}

#[test]
fn a_reader_that_left_is_no_failure() {
    struct Closed;
    impl io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let error = CliError::from(io::Write::write_all(&mut Closed, b"x").unwrap_err());
    assert!(error.is_broken_pipe() && error.exit_code() == 0);
}

#[test]
fn without_a_server_the_hint_starts_one() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = run(&["model", "list", "--server", &format!("http://{address}")]);
    assert_eq!(ran.code, 5);
    assert!(ran.out.is_empty(), "{ran:?}");
    assert!(ran.err.starts_with("error: could not list models\n  no server answers at"), "{ran:?}");
    assert!(ran.err.contains("hint: start one with 'scorehost serve --data-dir DIR'"), "{ran:?}");
}
