#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

/// A curve that has seen runs of these sizes, which took what `cost` says.
fn seen(sizes: impl IntoIterator<Item = u64>, cost: impl Fn(u64) -> u64) -> CostCurve {
    let mut curve = CostCurve::default();
    sizes.into_iter().for_each(|rows| curve.record(rows, micros(cost(rows))));
    curve
}

fn bounds(max_rows: u64, target: Option<u64>) -> Bounds {
    Bounds { max_rows, target: target.map(micros), wanted: false }
}

#[test]
fn nothing_is_known_before_the_first_run() {
    let curve = CostCurve::default();
    assert_eq!((curve.predict(8), curve.limit(&bounds(32, None))), (None, 2));
}

#[test]
fn a_straight_line_is_found() {
    let curve = seen([1, 2, 4, 8, 4, 2, 1, 8], |rows| 1000 + 50 * rows);
    for rows in [1, 3, 8, 64] {
        let predicted = curve.predict(rows).unwrap().as_micros() as u64;
        assert!(predicted.abs_diff(1000 + 50 * rows) < 10, "{rows}: {predicted}");
    }
}

#[test]
fn sizes_grow_step_by_step_to_where_fixed_costs_do_not_matter() {
    let mut curve = CostCurve::default();
    let mut steps = Vec::new();
    for _ in 0..40 {
        let rows = curve.limit(&bounds(1024, None));
        steps.push(rows);
        curve.record(rows, micros(1000 + 250 * rows));
    }
    assert_eq!(steps[..6], [2, 4, 8, 16, 32, 64]);
    assert!(steps[30..].iter().all(|rows| (75..=85).contains(rows)), "20 * 1000 / 250 is 80: {steps:?}");
}

#[test]
fn rows_that_cost_as_much_together_as_alone_are_not_merged() {
    let curve = seen([1, 2, 1, 2, 1, 1], |rows| 700 * rows);
    assert_eq!(curve.limit(&bounds(32, None)), 1);
}

#[test]
fn it_is_tried_again_after_some_runs() {
    let mut curve = seen([1, 2, 1, 2, 1, 1], |rows| 700 * rows);
    let runs = (0..2000).find(|_| {
        curve.record(1, micros(700));
        curve.limit(&bounds(32, None)) > 1
    });
    assert!((30..300).contains(&runs.unwrap()), "{runs:?}");
}

#[test]
fn with_a_target_sizes_are_tried_again_too_while_runs_end_in_time() {
    let (mut curve, mut sizes) = (CostCurve::default(), Vec::new());
    for _ in 0..400 {
        let rows = curve.limit(&bounds(32, Some(5000)));
        sizes.push(rows);
        curve.record(rows, micros(2000 + 60 * rows));
    }
    let usual = sizes[200..].iter().sum::<u64>() / 200;
    assert!((7..=8).contains(&usual), "8 rows take 2480 of 2500 µs: {sizes:?}");
    let late = sizes.iter().filter(|rows| 2000 + 60 * *rows > 2500).count();
    assert!(late <= 20, "{late} of 400 runs were late: {sizes:?}");
}

#[test]
fn a_run_that_was_interrupted_moves_little() {
    let mut curve = seen([1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8], |rows| 1000 + 500 * rows);
    let before = curve.limit(&bounds(32, Some(8000)));
    curve.record(4, Duration::from_secs(60));
    let after = curve.limit(&bounds(32, Some(8000)));
    assert!(before >= 5 && after >= 1 && after <= before, "{before} {after}");
    for rows in [1, 2, 4, 8, 4, 2].into_iter().cycle().take(80) {
        curve.record(rows, micros(1000 + 500 * rows));
    }
    assert!(curve.limit(&bounds(32, Some(8000))).abs_diff(before) <= 1);
}

#[test]
fn sizes_that_the_operator_asked_for_need_not_pay_and_keep_the_target() {
    let wanted = |max_rows, target| Bounds { wanted: true, ..bounds(max_rows, target) };
    assert_eq!(CostCurve::default().limit(&wanted(32, None)), 32);
    let curve = seen([1, 2, 4, 8, 16, 1, 2, 4, 8, 16], |rows| 700 * rows);
    assert_eq!((curve.limit(&wanted(32, None)), curve.limit(&wanted(32, Some(14_001)))), (32, 10));
}

proptest! {
    #[test]
    fn the_limit_is_within_its_bounds_whatever_was_measured(
        runs in prop::collection::vec((0u64..=u64::MAX, 0u64..=u64::MAX), 0..60),
        max in 0u64..5000,
        target in prop::option::of(0u64..=u64::MAX),
    ) {
        let mut curve = CostCurve::default();
        runs.iter().for_each(|(rows, nanos)| curve.record(*rows, Duration::from_nanos(*nanos)));
        let limit = curve.limit(&bounds(max, target));
        prop_assert!((1..=max.max(1)).contains(&limit));
        let same = runs.iter().fold(CostCurve::default(), |mut curve, (rows, nanos)| {
            curve.record(*rows, Duration::from_nanos(*nanos));
            curve
        });
        prop_assert_eq!(same.limit(&bounds(max, target)), limit, "the same measurements give the same limit");
    }

    #[test]
    fn more_time_and_more_room_never_make_batches_smaller(
        runs in prop::collection::vec((1u64..200, 1u64..1_000_000), 1..60),
        max in 1u64..500, more in 0u64..500, target in 1u64..1_000_000, later in 0u64..1_000_000,
    ) {
        let mut curve = CostCurve::default();
        runs.iter().for_each(|(rows, time)| curve.record(*rows, micros(*time)));
        let limit = |max, target| curve.limit(&bounds(max, target));
        prop_assert!(limit(max + more, Some(target)) >= limit(max, Some(target)));
        prop_assert!(limit(max, Some(target + later)) >= limit(max, Some(target)));
        prop_assert!(limit(max, None) >= limit(max, Some(target)));
    }

    #[test]
    fn a_batch_of_the_limit_takes_half_the_target_and_one_row_more_would_not(
        fixed in 0u64..20_000, per_row in 100u64..5_000, target in 2_000u64..1_000_000,
    ) {
        let cost = |rows: u64| fixed + per_row * rows;
        let curve = seen((0..64).map(|step| 1 + step % 64), cost);
        let limit = curve.limit(&bounds(64, Some(target)));
        let slack = target / 100 + 2;
        prop_assert!(limit == 1 || cost(limit) <= target / 2 + slack, "{} {}", limit, cost(limit));
        let worthwhile = 20 * fixed / per_row;
        let free = limit >= 64 || limit + 1 >= worthwhile;
        prop_assert!(free || cost(limit + 1) + slack >= target / 2, "{} {}", limit, cost(limit + 1));
    }

    /// Closed loop: whoever gets an answer calls again at once; runs vary by a fifth.
    #[test]
    fn the_runs_of_a_closed_loop_keep_the_target(
        fixed in 100u64..5_000, per_row in 50u64..2_000, callers in 2u64..64,
        noise in prop::collection::vec(0.9f64..1.1, 400),
    ) {
        let target = 2 * (fixed + 8 * per_row);
        let (mut curve, mut late) = (CostCurve::default(), 0);
        for (number, noise) in noise.iter().enumerate() {
            let rows = curve.limit(&bounds(256, Some(target))).min(callers);
            let takes = |rows| (fixed + per_row * rows) as f64 * noise;
            let (took, half) = (takes(rows), target as f64 / 2.0);
            // Where one row alone would have been late, no rule helps.
            if number >= 100 && took > half && takes(1) <= half {
                late += 1;
            }
            curve.record(rows, Duration::from_secs_f64(took / 1e6));
        }
        prop_assert!(late <= 15, "{late} of 300 runs took more than half the target");
    }
}
