#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use super::*;

const NORMAL: Priority = Priority::Normal;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Serves `turns` times: whoever is next uses `cost` of its flow and joins again. Returns the turns of each.
fn shares(flows: &[(&'static str, &Arc<Flow>, u32, u64)], turns: usize) -> HashMap<&'static str, usize> {
    let mut queue = FairQueue::default();
    for (index, (_, flow, ..)) in flows.iter().enumerate() {
        queue.push(flow, NORMAL, index);
    }
    let mut served = HashMap::new();
    for _ in 0..turns {
        let index = queue.pop().unwrap();
        let (name, flow, weight, cost) = flows[index];
        flow.charge(millis(cost), weight);
        queue.push(flow, NORMAL, index);
        *served.entry(name).or_default() += 1;
    }
    served
}

#[test]
fn time_is_shared_not_turns() {
    let (short, long) = (Flow::new(), Flow::new());
    let served = shares(&[("short", &short, 100, 1), ("long", &long, 100, 9)], 1000);
    assert_eq!((served["short"], served["long"]), (900, 100));
}

#[test]
fn weights_divide_the_time() {
    let (light, heavy) = (Flow::new(), Flow::new());
    let served = shares(&[("light", &light, 100, 1), ("heavy", &heavy, 300, 1)], 400);
    assert_eq!((served["light"], served["heavy"]), (100, 300));
}

#[test]
fn many_things_of_one_flow_count_as_one() {
    let (flood, other) = (Flow::new(), Flow::new());
    let flows = [("flood", &flood, 100, 1); 50];
    let served = shares(&[flows.as_slice(), &[("other", &other, 100, 1)]].concat(), 1000);
    assert_eq!((served["flood"], served["other"]), (500, 500));
}

#[test]
fn nobody_saves_up_while_it_needs_nothing() {
    let (busy, late) = (Flow::new(), Flow::new());
    assert_eq!(shares(&[("busy", &busy, 100, 1)], 1000)["busy"], 1000);
    let mut queue = FairQueue::default();
    queue.push(&busy, NORMAL, "busy");
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(queue.pop().unwrap());
        busy.charge(millis(1), 100);
        queue.push(&busy, NORMAL, "busy");
    }
    // The newcomer starts at the queue's time: one turn at once, then turn by turn, not a thousand turns in a row.
    queue.push(&late, NORMAL, "late");
    for _ in 0..6 {
        let next = queue.pop().unwrap();
        order.push(next);
        let flow = if next == "busy" { &busy } else { &late };
        flow.charge(millis(1), 100);
        queue.push(flow, NORMAL, next);
    }
    assert_eq!(order.iter().filter(|next| **next == "late").count(), 3, "{order:?}");
    assert_eq!(order[3], "late", "{order:?}");
}

#[test]
fn a_flow_far_ahead_waits_for_no_more_than_a_tenth_of_a_second() {
    let (ahead, other) = (Flow::new(), Flow::new());
    ahead.charge(Duration::from_secs(3600), 100);
    let served = shares(&[("ahead", &ahead, 100, 1), ("other", &other, 100, 1)], 301);
    assert_eq!((served["other"], served["ahead"]), (200, 101));
}

#[test]
fn what_is_charged_while_it_waits_counts_at_its_turn() {
    let (first, second) = (Flow::new(), Flow::new());
    let mut queue = FairQueue::default();
    queue.push(&first, NORMAL, "first");
    queue.push(&second, NORMAL, "second");
    first.charge(millis(5), 100);
    assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some("second"), Some("first"), None));
    assert!(queue.is_empty());
}

#[test]
fn priorities_order_one_flow_and_not_the_others() {
    let (one, two) = (Flow::new(), Flow::new());
    let mut queue = FairQueue::default();
    queue.push(&one, Priority::Low, "one low");
    queue.push(&two, Priority::High, "two high");
    queue.push(&one, Priority::High, "one high");
    assert_eq!(queue.line(&one).unwrap().len(), 2);
    assert_eq!(queue.pop(), Some("one high"));
    one.charge(millis(1), 100);
    assert_eq!(queue.pop(), Some("two high"));
    assert_eq!(queue.pop(), Some("one low"));
}

#[test]
fn leaving_things_leave_no_trace() {
    let (one, two) = (Flow::new(), Flow::new());
    let mut queue = FairQueue::default();
    queue.push(&one, Priority::Low, 1);
    queue.push(&two, NORMAL, 2);
    queue.push(&two, NORMAL, 3);
    assert_eq!(queue.displace(&one, NORMAL), Some(1));
    assert!(queue.line(&one).is_none());
    queue.retain(&two, |item| *item == 3);
    assert_eq!((queue.len(), queue.pop(), queue.len()), (1, Some(3), 0));
    queue.push(&two, NORMAL, 4);
    assert_eq!((queue.drain(), queue.pop()), (vec![4], None));
}

/// The company of the first thing in a queue of `(flow, item)`, of at most `room` items that `fits`.
fn company(things: &[(usize, u32)], spent: [u64; 2], room: usize, fits: fn(u32) -> bool) -> (Vec<u32>, Vec<u32>) {
    let flows = [Flow::new(), Flow::new()];
    let mut queue = FairQueue::default();
    for (flow, item) in things {
        queue.push(&flows[*flow], NORMAL, *item);
    }
    flows.iter().zip(spent).for_each(|(flow, spent)| flow.charge(millis(spent), 100));
    let mut left = room;
    let joined = queue.company(|item| {
        if left == 0 {
            return Company::Full;
        }
        if !fits(*item) {
            return Company::Stays;
        }
        left -= 1;
        Company::Joins(1_000_000)
    });
    assert_eq!(queue.len(), things.len() - joined.len());
    let rest: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
    (joined, rest)
}

#[test]
fn company_comes_from_all_flows_by_what_they_have_used() {
    let things = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 11), (1, 12), (1, 13)];
    assert_eq!(company(&things, [0, 0], 4, |_| true).0, [1, 11, 2, 12]);
    assert_eq!(company(&things, [2, 0], 4, |_| true).0, [11, 12, 1, 13], "the one that is behind goes first");
    let (joined, rest) = company(&things, [0, 0], 9, |_| true);
    assert_eq!((joined.len(), rest), (7, vec![]));
}

#[test]
fn what_does_not_join_keeps_its_place() {
    let things = [(0, 1), (0, 2), (0, 3), (0, 4), (1, 11)];
    let (joined, rest) = company(&things, [0, 0], 9, |item| item % 2 == 0);
    assert_eq!((joined, rest), (vec![2, 4], vec![1, 3, 11]));
    let nothing = company(&things, [0, 0], 0, |_| true);
    assert_eq!(nothing.0, [0u32; 0]);
}

#[test]
fn a_long_queue_is_searched_only_so_far() {
    let things: Vec<_> = (0..20_000).map(|item| (0, item)).collect();
    let (joined, _) = company(&things, [0, 0], 9, |item| item > 10_000);
    assert_eq!(joined, [0u32; 0]);
}
