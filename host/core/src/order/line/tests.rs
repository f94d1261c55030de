#![allow(clippy::unwrap_used, reason = "tests")]

use Priority::{High, Low, Normal};

use super::*;

fn line(items: &[(Priority, u32)]) -> Line<u32> {
    let mut line = Line::default();
    for (priority, item) in items {
        line.push(*priority, *item);
    }
    line
}

fn served(line: &mut Line<u32>) -> Vec<u32> {
    std::iter::from_fn(|| line.pop()).collect()
}

#[test]
fn high_goes_before_normal_before_low_and_each_in_its_order() {
    let mut line = line(&[(Low, 1), (Normal, 2), (High, 3), (Normal, 4), (High, 5), (Low, 6)]);
    assert_eq!((line.ahead(High), line.ahead(Normal), line.ahead(Low)), (2, 4, 6));
    assert_eq!(served(&mut line), [3, 5, 2, 4, 1, 6]);
    assert!(line.is_empty());
}

#[test]
fn every_eighth_one_is_the_one_that_waits_longest() {
    let mut line = line(&[(Low, 0)]);
    let mut order = Vec::new();
    for number in 1..=16 {
        line.push(High, number);
        order.push(line.pop().unwrap());
    }
    assert_eq!(order.iter().position(|item| *item == 0), Some(7), "{order:?}");
    assert_eq!(order[8..], [8, 9, 10, 11, 12, 13, 14, 15]);
}

#[test]
fn a_full_line_gives_up_the_last_of_the_lowest() {
    let mut line = line(&[(Low, 1), (Normal, 2), (Low, 3), (High, 4)]);
    assert_eq!(line.displace(Low), None, "nobody is below the low class");
    assert_eq!(line.displace(High), Some(3));
    assert_eq!(line.displace(Normal), Some(1));
    assert_eq!(line.displace(Normal), None);
    assert_eq!(line.displace(High), Some(2));
    assert_eq!((line.displace(High), line.len()), (None, 1));
}

#[test]
fn whoever_leaves_is_out_and_whoever_comes_back_is_first() {
    let mut line = line(&[(Normal, 1), (Normal, 2)]);
    let third = line.push(Normal, 3);
    line.push(Normal, 4);
    assert_eq!((line.remove(third), line.remove(third)), (Some(3), None));
    line.push_front(Normal, 8);
    line.push_front(Normal, 9);
    assert_eq!(served(&mut line), [9, 8, 1, 2, 4]);
}

#[test]
fn what_is_not_kept_is_gone() {
    let mut line = line(&[(High, 1), (Normal, 2), (Low, 3), (Low, 4)]);
    line.retain(|item| item % 2 == 0);
    assert_eq!(line.drain().collect::<Vec<_>>(), [2, 4]);
    assert_eq!(line.len(), 0);
}
