#![allow(clippy::unwrap_used, reason = "tests")]

use scorehost_core::Access;

use super::*;

fn spec(name: &str) -> Arc<ServiceSpec> {
    Arc::new(ServiceSpec::new(name.parse().unwrap()))
}

fn phase(observed: Option<Observed>) -> String {
    match observed {
        Some(Observed::Progressing { phase }) => phase,
        other => format!("{other:?}"),
    }
}

#[test]
fn a_report_of_a_generation_that_is_no_longer_wanted_is_ignored() {
    let (board, key) = (Board::default(), spec("digits").key());
    let first = board.put(spec("digits"));
    let second = board.put(spec("digits"));
    board.report(&key, first, Observed::Ready);
    assert_eq!(phase(board.observed(&key)), "waiting for its turn");
    board.report(&key, second, Observed::Ready);
    assert!(matches!(board.observed(&key), Some(Observed::Ready)));
}

#[test]
fn a_restored_description_keeps_its_generation_and_what_was_known_of_it() {
    let (board, key) = (Board::default(), spec("digits").key());
    let first = board.put(spec("digits"));
    board.report(&key, first, Observed::Ready);
    let before = board.placed(&key);
    let second = board.put(spec("digits"));
    board.restore(&key, before);
    assert_eq!(board.subscribe().borrow().versions[&key].generation, first);
    assert!(matches!(board.observed(&key), Some(Observed::Ready)));
    board.report(&key, second, Observed::Failed(Failure::invalid("late")));
    assert!(matches!(board.observed(&key), Some(Observed::Ready)));
}

#[test]
fn a_removed_service_is_leaving_until_it_is_reported_gone() {
    let (board, key) = (Board::default(), spec("digits").key());
    let generation = board.put(spec("digits"));
    board.remove(&key);
    assert_eq!(board.leaving(), std::slice::from_ref(&key));
    board.report(&key, generation, Observed::Ready);
    assert_eq!(phase(board.observed(&key)), "stopping");
    board.report(&key, generation, Observed::Gone);
    assert!(board.leaving().is_empty() && board.observed(&key).is_none());
}

#[test]
fn generations_grow_over_all_services() {
    let board = Board::default();
    assert!(board.put(spec("one")) < board.put(spec("two")));
}

#[test]
fn a_front_changes_without_a_new_generation() {
    let (board, spec) = (Board::default(), spec("digits"));
    let generation = board.put(Arc::clone(&spec));
    let front = |access| Arc::new(EndpointSpec::new(spec.name.clone(), access, spec.version.clone()));
    board.put_endpoint(front(Access::Tokens));
    assert_eq!(board.endpoint(&spec.name).map(|front| front.access.clone()), Some(Access::Tokens));
    assert_eq!(board.subscribe().borrow().versions[&spec.key()].generation, generation);
    board.remove_endpoint(&spec.name);
    assert!(board.endpoint(&spec.name).is_none());
}
