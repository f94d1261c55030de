#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const LIMIT: Duration = Duration::from_micros(200);

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

#[test]
fn work_counts_as_long_until_measured_twice() {
    let cost = CostEstimate::default();
    assert!(!cost.within(64, LIMIT));
    cost.record(64, micros(5000));
    assert!(!cost.within(64, LIMIT), "the first run is not kept");
    cost.record(64, micros(20));
    assert!(cost.within(64, LIMIT));
    assert_eq!(cost.expected(64), Some(micros(20)));
}

#[test]
fn sizes_are_told_apart() {
    let cost = CostEstimate::default();
    for _ in 0..2 {
        cost.record(64, micros(20));
        cost.record(64 << 10, micros(900));
    }
    assert!(cost.within(100, LIMIT) && !cost.within(65 << 10, LIMIT) && !cost.within(1 << 40, LIMIT));
}

#[test]
fn one_interrupted_run_does_not_make_short_work_long_but_a_change_does() {
    let cost = CostEstimate::default();
    for _ in 0..10 {
        cost.record(64, micros(20));
    }
    cost.record(64, Duration::from_secs(9));
    assert!(cost.within(64, LIMIT));
    let runs = (0..).take_while(|_| {
        cost.record(64, micros(2000));
        cost.within(64, LIMIT)
    });
    assert!(runs.count() < 8);
    for _ in 0..40 {
        cost.record(64, micros(20));
    }
    assert!(cost.within(64, LIMIT), "and back");
}
