#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn name() -> ServiceName {
    "echo".parse().unwrap()
}

#[test]
fn verdicts_are_counted_and_differences_summed_up() {
    let all = Comparisons::default();
    let pair = all.pair(&name(), &"2".into(), &"1".into());
    (0..5).for_each(|_| pair.copied());
    pair.dropped();
    let verdicts = [
        Verdict::Equal,
        Verdict::Differs(Some(0.5)),
        Verdict::Differs(Some(2.0)),
        Verdict::Differs(None),
        Verdict::Failed,
    ];
    verdicts.into_iter().for_each(|verdict| pair.compared(verdict));
    let [snapshot] = all.snapshot_of(&name()).try_into().unwrap();
    assert_eq!((snapshot.copied, snapshot.dropped), (5, 1));
    assert_eq!((snapshot.equal, snapshot.differing, snapshot.failed), (1, 3, 1));
    assert_eq!((snapshot.largest_difference, snapshot.mean_difference), (Some(2.0), Some(1.25)));
}

#[test]
fn answers_that_no_number_compares_have_no_difference() {
    let all = Comparisons::default();
    let pair = all.pair(&name(), &"2".into(), &"1".into());
    assert!(all.snapshot().is_empty(), "nothing was copied yet");
    pair.copied();
    pair.compared(Verdict::Differs(None));
    let snapshot = &all.snapshot()[0];
    assert_eq!((snapshot.differing, snapshot.largest_difference, snapshot.mean_difference), (1, None, None));
}

#[test]
fn a_deleted_version_is_forgotten_in_both_roles() {
    let all = Comparisons::default();
    for (version, with) in [("2", "1"), ("3", "2"), ("3", "1")] {
        all.pair(&name(), &version.into(), &with.into()).copied();
    }
    all.remove_version(&name(), "2");
    let left: Vec<_> = all.snapshot().iter().map(|left| format!("{}/{}", left.version, left.with)).collect();
    assert_eq!(left, ["3/1"]);
    all.remove(&name());
    assert!(all.snapshot().is_empty());
}
