#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::{Admission, Grants};

use super::*;

fn spec(name: &str) -> Arc<ServiceSpec> {
    Arc::new(ServiceSpec {
        name: name.parse().unwrap(),
        scorer: None,
        models: Vec::new(),
        variables: BTreeMap::new(),
        admission: Admission::default(),
        grants: Grants::default(),
        collect: false,
    })
}

fn phase(observed: Option<Observed>) -> String {
    match observed {
        Some(Observed::Progressing { phase }) => phase,
        other => format!("{other:?}"),
    }
}

#[test]
fn a_report_of_a_generation_that_is_no_longer_wanted_is_ignored() {
    let (board, name) = (Board::default(), "digits".parse().unwrap());
    let first = board.put(spec("digits"));
    let second = board.put(spec("digits"));
    board.report(&name, first, Observed::Ready);
    assert_eq!(phase(board.observed(&name)), "waiting for its turn");
    board.report(&name, second, Observed::Ready);
    assert!(matches!(board.observed(&name), Some(Observed::Ready)));
}

#[test]
fn a_restored_description_keeps_its_generation_and_what_was_known_of_it() {
    let (board, name) = (Board::default(), "digits".parse().unwrap());
    let first = board.put(spec("digits"));
    board.report(&name, first, Observed::Ready);
    let before = board.placed(&name);
    let second = board.put(spec("digits"));
    board.restore(&name, before);
    assert_eq!(board.subscribe().borrow()[&name].generation, first);
    assert!(matches!(board.observed(&name), Some(Observed::Ready)));
    board.report(&name, second, Observed::Failed(Failure::invalid("late")));
    assert!(matches!(board.observed(&name), Some(Observed::Ready)));
}

#[test]
fn a_removed_service_is_leaving_until_it_is_reported_gone() {
    let (board, name) = (Board::default(), "digits".parse().unwrap());
    let generation = board.put(spec("digits"));
    board.remove(&name);
    assert_eq!(board.leaving(), std::slice::from_ref(&name));
    board.report(&name, generation, Observed::Ready);
    assert_eq!(phase(board.observed(&name)), "stopping");
    board.report(&name, generation, Observed::Gone);
    assert!(board.leaving().is_empty() && board.observed(&name).is_none());
}

#[test]
fn generations_grow_over_all_services() {
    let board = Board::default();
    assert!(board.put(spec("one")) < board.put(spec("two")));
}
