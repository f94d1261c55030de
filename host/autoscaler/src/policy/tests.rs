use proptest::prelude::*;

use super::*;

fn policy() -> Policy {
    Policy::of(&Scaling::default(), &Admission::default())
}

fn second(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A load that was the same all the period through.
fn load(requests: u32) -> Signals {
    Signals { average: requests.into(), peak: requests, busy: requests, queued: 0 }
}

/// Decides once a second over `loads`.
fn replay(policy: &Policy, loads: impl IntoIterator<Item = Signals>) -> Vec<u32> {
    let mut history = History::default();
    (0..).zip(loads).map(|(at, load)| decide(&mut history, &load, policy, second(at))).collect()
}

#[test]
fn the_number_follows_the_target_utilization() {
    let check = |requests: u32, replicas: u32| {
        assert_eq!(replay(&policy(), [load(requests)]), [replicas], "{requests} requests");
    };
    check(0, 1);
    check(1, 2);
    check(2, 3);
    check(4, 6);
    check(7, 10);
    check(50, 10);
}

#[test]
fn a_step_is_met_by_the_next_decision_and_at_once() {
    let policy = Policy { max: 200, ..policy() };
    assert_eq!(replay(&policy, [load(1), load(70), load(70)]), [2, 100, 100]);
}

#[test]
fn waiting_requests_count_as_load() {
    let full = Signals { average: 2.0, peak: 30, busy: 2, queued: 28 };
    let policy = Policy { max: 200, ..policy() };
    assert_eq!(replay(&policy, [full]), [43]);
}

#[test]
fn a_replica_that_handles_several_requests_counts_for_several() {
    let policy = Policy { requests_per_replica: 4, ..policy() };
    assert_eq!(replay(&policy, [load(14)]), [5]);
}

#[test]
fn replicas_go_after_a_stable_minute_and_not_before() {
    let decisions = replay(&policy(), (0..65).map(|at| load(if at < 2 { 7 } else { 1 })));
    assert_eq!(&decisions[..61], &[10; 61]);
    assert_eq!(&decisions[61..], &[2; 4]);
}

#[test]
fn bursts_at_the_same_moment_keep_their_replicas() {
    // Every second ten requests come at once and take 10 ms: hardly any load, and yet ten replicas have work.
    let burst = Signals { average: 0.1, peak: 10, busy: 0, queued: 0 };
    assert_eq!(replay(&policy(), vec![burst; 200]), [10; 200]);
}

#[test]
fn the_last_replica_goes_when_no_request_came_for_long_enough() {
    let policy = Policy { min: 0, idle_after: second(5), ..policy() };
    let calls = (0..12).map(|at| load(if at == 3 { 7 } else { 0 }));
    assert_eq!(replay(&policy, calls), [1, 1, 1, 10, 10, 10, 10, 10, 0, 0, 0, 0]);
    let patient = Policy { idle_after: second(90), ..policy };
    let decisions = replay(&patient, (0..100).map(|at| load(if at == 0 { 7 } else { 0 })));
    assert_eq!((decisions[59], decisions[60], decisions[89], decisions[90]), (10, 1, 1, 0));
}

#[test]
fn what_was_needed_before_a_pause_does_not_come_back_after_it() {
    let policy = Policy { min: 0, idle_after: second(5), ..policy() };
    let calls = (0..12).map(|at| load(if at == 0 { 7 } else { u32::from(at == 8) }));
    assert_eq!(replay(&policy, calls), [10, 10, 10, 10, 10, 0, 0, 0, 2, 2, 2, 2]);
}

#[test]
fn a_short_request_keeps_the_last_replica() {
    let policy = Policy { min: 0, idle_after: second(5), ..policy() };
    let short = Signals { average: 0.000_01, peak: 1, busy: 0, queued: 0 };
    let calls = (0..20).map(|at| if at % 4 == 0 { short } else { Signals::default() });
    assert!(replay(&policy, calls).iter().all(|replicas| *replicas == 1));
}

#[test]
fn a_fixed_number_stays() {
    let policy = Policy { min: 3, max: 3, ..policy() };
    assert_eq!(replay(&policy, [load(0), load(100), load(0)]), [3, 3, 3]);
}

fn signals() -> impl Strategy<Value = Signals> {
    (0.0f64..60.0, 0u32..80, 0u32..60, 0u32..60).prop_map(|(average, extra, busy, queued)| Signals {
        average,
        peak: (average.ceil() as u32).max(busy + queued) + extra / 8,
        busy,
        queued,
    })
}

fn policies() -> impl Strategy<Value = Policy> {
    (0u32..6, 0u32..40, 1u32..=100, 1u32..5, 1u64..120).prop_map(|(min, more, target, each, idle)| Policy {
        min,
        max: (min + more).max(1),
        target: f64::from(target) / 100.0,
        requests_per_replica: each,
        stable: STABLE,
        idle_after: second(idle),
    })
}

proptest! {
    #[test]
    fn the_number_is_always_within_the_bounds(policy in policies(), loads in prop::collection::vec(signals(), 1..200)) {
        for replicas in replay(&policy, loads) {
            prop_assert!(replicas >= policy.min && replicas <= policy.max);
        }
    }

    #[test]
    fn a_steady_load_never_moves_anything(policy in policies(), load in signals(), periods in 2usize..300) {
        let steady = if load.active() { load } else { Signals { peak: 1, ..load } };
        let decisions = replay(&policy, vec![steady; periods]);
        prop_assert!(decisions.iter().all(|replicas| *replicas == decisions[0]), "{decisions:?}");
    }

    #[test]
    fn a_load_that_repeats_within_a_minute_moves_nothing_once_it_is_known(
        policy in policies(), cycle in prop::collection::vec(signals(), 1..30)
    ) {
        let policy = Policy { min: policy.min.max(1).min(policy.max), ..policy };
        let length = cycle.len();
        let decisions = replay(&policy, cycle.into_iter().cycle().take(length * 6));
        prop_assert!(decisions[length..].iter().all(|replicas| *replicas == decisions[length]), "{decisions:?}");
    }

    #[test]
    fn what_is_needed_is_there_at_the_next_decision_and_for_a_minute(
        policy in policies(), loads in prop::collection::vec(signals(), 1..150)
    ) {
        let policy = Policy { min: policy.min.max(1).min(policy.max), ..policy };
        let decisions = replay(&policy, loads.clone());
        for (at, load) in loads.iter().enumerate() {
            let needed = wanted(load, &policy);
            for decision in &decisions[at..loads.len().min(at + 60)] {
                prop_assert!(*decision >= needed);
            }
        }
    }

    #[test]
    fn more_load_never_means_fewer_replicas(policy in policies(), load in signals(), more in 0u32..20) {
        let heavier = Signals {
            average: load.average + f64::from(more),
            peak: load.peak + more,
            busy: load.busy + more,
            queued: load.queued,
        };
        prop_assert!(replay(&policy, [heavier]) >= replay(&policy, [load]));
    }

    #[test]
    fn the_history_stays_small_and_survives_a_clock_that_stands_or_jumps(
        policy in policies(), steps in prop::collection::vec((signals(), 0u64..100), 1..300)
    ) {
        let (mut history, mut now) = (History::default(), Duration::ZERO);
        for (load, step) in steps {
            now += second(step);
            let replicas = decide(&mut history, &load, &policy, now);
            prop_assert!(replicas <= policy.max);
        }
        let shown = format!("{history:?}");
        prop_assert!(shown.matches("s,").count() <= policy.max as usize + 2);
    }
}
