use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn need(min: u32, wanted: u32) -> Need {
    Need { min, wanted, memory: GIB, processors: 0.1, weight: 100 }
}

fn budget(memory: u64) -> Budget {
    Budget { memory: memory * GIB, processors: 100.0, replicas: 1000 }
}

#[test]
fn everyone_gets_what_they_want_where_it_fits() {
    assert_eq!(share(&[need(1, 4), need(0, 3), need(2, 0)], &budget(9)), [4, 3, 2]);
}

#[test]
fn a_shortage_is_shared_evenly_and_small_wishes_are_met() {
    assert_eq!(share(&[need(0, 100), need(0, 2), need(0, 100)], &budget(10)), [4, 2, 4]);
}

#[test]
fn minimums_come_first_and_count() {
    assert_eq!(share(&[need(6, 10), need(0, 10)], &budget(10)), [6, 4]);
    assert_eq!(share(&[need(6, 10), need(6, 10)], &budget(10)), [6, 6]);
}

#[test]
fn weight_divides_a_shortage_in_proportion() {
    let heavy = Need { weight: 300, ..need(0, 100) };
    assert_eq!(share(&[heavy, need(0, 100)], &budget(40)), [30, 10]);
}

#[test]
fn the_dominant_resource_decides() {
    // Nine cores and 18 GiB of the paper: one service is short of memory, the other of cores.
    let (memory, cores) = (
        Need { memory: 4 * GIB, processors: 1.0, ..need(0, 100) },
        Need { memory: GIB, processors: 3.0, ..need(0, 100) },
    );
    let budget = Budget { memory: 18 * GIB, processors: 9.0, replicas: 1000 };
    assert_eq!(share(&[memory, cores], &budget), [3, 2]);
}

#[test]
fn who_does_not_fit_leaves_the_rest_to_smaller_ones() {
    let large = Need { memory: 6 * GIB, ..need(0, 3) };
    assert_eq!(share(&[large, need(0, 100)], &budget(10)), [1, 4]);
}

#[test]
fn what_is_left_over_may_be_used_until_the_next_decision() {
    let needs = [need(1, 2), need(0, 0), need(0, 0)];
    let granted = share(&needs, &budget(12));
    assert_eq!(granted, [2, 0, 0]);
    assert_eq!(spare(&needs, &granted, &[10, 1, 10], &budget(12)), [6, 1, 5], "as evenly as a shortage is shared");
    assert_eq!(spare(&needs, &granted, &[4, 3, 3], &budget(12)), [4, 3, 3]);
    assert_eq!(spare(&needs, &granted, &[10, 10, 10], &budget(2)), [2, 0, 0]);
}

#[test]
fn a_shortage_has_a_name() {
    let needs = [need(0, 10)];
    let check = |budget: Budget, expected| assert_eq!(shortage(&needs, &share(&needs, &budget), 0, &budget), expected);
    check(budget(4), Some(Resource::Memory));
    check(Budget { processors: 0.3, ..budget(100) }, Some(Resource::Processors));
    check(Budget { replicas: 3, ..budget(100) }, Some(Resource::Replicas));
    check(budget(100), None);
}

fn needs() -> impl Strategy<Value = Vec<Need>> {
    let one = (0u32..4, 0u32..40, 0u64..4, 0u32..30, 1u32..1000).prop_map(|(min, wanted, memory, tenths, weight)| {
        Need { min, wanted, memory: memory * GIB, processors: f64::from(tenths) / 10.0, weight }
    });
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn nobody_gets_less_than_the_minimum_or_more_than_they_want(needs in needs(), memory in 0u64..60, cores in 0u32..20, replicas in 0u32..100) {
        let budget = Budget { memory: memory * GIB, processors: cores.into(), replicas };
        for (need, granted) in needs.iter().zip(share(&needs, &budget)) {
            prop_assert!(granted >= need.min && granted <= need.wanted.max(need.min));
        }
    }

    #[test]
    fn what_is_added_to_the_minimums_stays_within_the_budget(needs in needs(), memory in 0u64..60, cores in 0u32..20, replicas in 0u32..100) {
        let budget = Budget { memory: memory * GIB, processors: cores.into(), replicas };
        let granted = share(&needs, &budget);
        let sum = |of: &dyn Fn(&Need, u32) -> f64| needs.iter().zip(&granted).map(|(need, granted)| of(need, *granted)).sum::<f64>();
        let minimum = |of: &dyn Fn(&Need) -> f64| needs.iter().map(of).sum::<f64>();
        let taken = sum(&|need, granted| need.memory as f64 * f64::from(granted));
        prop_assert!(taken <= (budget.memory as f64).max(minimum(&|need| need.memory as f64 * f64::from(need.min))));
        prop_assert!(sum(&|need, granted| need.processors * f64::from(granted - need.min)) <= budget.processors + 1e-6);
        let count = sum(&|_, granted| granted.into());
        prop_assert!(count <= f64::from(budget.replicas).max(minimum(&|need| need.min.into())));
    }

    #[test]
    fn nothing_is_left_over_that_somebody_could_use(needs in needs(), memory in 0u64..60, cores in 0u32..20, replicas in 0u32..100) {
        let budget = Budget { memory: memory * GIB, processors: cores.into(), replicas };
        let granted = share(&needs, &budget);
        let left = Left::after(&needs, &granted, &budget);
        for (need, granted) in needs.iter().zip(&granted).filter(|(need, granted)| **granted < need.wanted) {
            prop_assert!(!{ left }.take(need, 1), "{need:?} got {granted} and one more would fit");
        }
    }

    #[test]
    fn asking_for_more_takes_nothing_from_who_asks_for_less(wanted in 1u32..10, greedy in 10u32..1000, memory in 2u64..40) {
        let modest = share(&[need(0, wanted), need(0, 10)], &budget(memory))[0];
        let beside = share(&[need(0, wanted), need(0, greedy)], &budget(memory))[0];
        prop_assert_eq!(beside.min(wanted.min((memory / 2) as u32)), modest.min(wanted.min((memory / 2) as u32)));
    }

    #[test]
    fn all_that_may_be_used_together_fits(needs in needs(), most in 0u32..60, memory in 0u64..60, cores in 0u32..20, replicas in 0u32..100) {
        let budget = Budget { memory: memory * GIB, processors: cores.into(), replicas };
        let granted = share(&needs, &budget);
        let limits = spare(&needs, &granted, &vec![most; needs.len()], &budget);
        for (granted, limit) in granted.iter().zip(&limits) {
            prop_assert!(limit >= granted && *limit <= most.max(*granted));
        }
        let added: u32 = limits.iter().zip(&granted).map(|(limit, granted)| limit - granted).sum();
        let left = Left::after(&needs, &granted, &budget);
        prop_assert!(added <= left.replicas);
        let memory: u64 = needs.iter().zip(limits.iter().zip(&granted)).map(|(need, (limit, granted))| need.memory * u64::from(limit - granted)).sum();
        prop_assert!(memory <= left.memory);
    }
}
