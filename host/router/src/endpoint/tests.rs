#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use scorehost_core::{Headers, Sticky};

use super::*;
use crate::fakes::{Does, Fake};

const REQUESTS: usize = 100_000;

/// A service with traffic to the versions of `split`, "1" the default, and these versions live.
fn endpoint(split: &[(&str, f64)], sticky: Option<Sticky>, live: &[&str]) -> Endpoint {
    let split = split.iter().map(|(version, percent)| (version.parse().unwrap(), *percent)).collect();
    let mut endpoint = Endpoint::new("ant".parse().unwrap(), None);
    endpoint.set_traffic(Some(Traffic { split, sticky, ..Traffic::all_to(VersionName::first()) }));
    for version in live {
        endpoint.put(Fake::new("ant", version, Does::Add(0.0)));
    }
    endpoint
}

fn chosen(endpoint: &Endpoint, asked: &Asked<'_>) -> String {
    endpoint.route(asked).unwrap().service.status().version.to_string()
}

/// How many of `requests` each version got.
fn counts(endpoint: &Endpoint, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        *counts.entry(chosen(endpoint, &Asked::default())).or_default() += 1;
    }
    counts
}

/// The observed parts are within `tolerance` percent of `expected`, all in percent.
fn check(counts: &BTreeMap<String, usize>, expected: &[(&str, f64)], tolerance: f64) {
    let total: usize = counts.values().sum();
    for (version, percent) in expected {
        let observed = *counts.get(*version).unwrap_or(&0) as f64 * 100.0 / total as f64;
        assert!((observed - percent).abs() <= tolerance, "{version}: {observed} instead of {percent} in {counts:?}");
    }
    assert!(counts.keys().all(|version| expected.iter().any(|(known, _)| known == version)), "{counts:?}");
}

struct Named<'a>(&'a str, &'a str);

impl Headers for Named<'_> {
    fn first(&self, name: &str) -> Option<&str> {
        name.eq_ignore_ascii_case(self.0).then_some(self.1)
    }

    fn all(&self) -> Vec<(&str, &str)> {
        vec![(self.0, self.1)]
    }
}

/// The version of each of many callers.
fn callers(endpoint: &Endpoint) -> Vec<String> {
    let ask =
        |caller: usize| chosen(endpoint, &Asked { caller: Some(&format!("caller-{caller}")), ..Asked::default() });
    (0..20_000).map(ask).collect()
}

fn moved(before: &[String], after: &[String]) -> f64 {
    before.iter().zip(after).filter(|(before, after)| before != after).count() as f64 * 100.0 / before.len() as f64
}

#[test]
fn the_observed_split_is_within_one_percent_of_any_split() {
    let rows: [&[(&str, f64)]; 7] = [
        &[("2", 10.0)],
        &[("2", 50.0)],
        &[("2", 1.0)],
        &[("2", 33.3), ("3", 33.3)],
        &[("2", 0.1), ("3", 99.9)],
        &[("2", 5.0), ("3", 10.0), ("4", 20.0), ("5", 25.0), ("6", 30.0)],
        &[("2", 100.0)],
    ];
    for split in rows {
        let endpoint = endpoint(split, None, &["1", "2", "3", "4", "5", "6"]);
        let rest = 100.0 - split.iter().map(|(_, percent)| percent).sum::<f64>();
        let expected = [split, &[("1", rest)]].concat();
        check(&counts(&endpoint, REQUESTS), &expected, 0.02);
    }
}

#[test]
fn every_stretch_of_requests_has_its_share() {
    let endpoint = endpoint(&[("2", 10.0)], None, &["1", "2"]);
    for _ in 0..100 {
        let treated = counts(&endpoint, 100).get("2").copied().unwrap_or(0);
        assert!((8..=12).contains(&treated), "{treated} of 100");
    }
}

#[test]
fn callers_that_alternate_are_divided_alike() {
    let endpoint = endpoint(&[("2", 50.0)], None, &["1", "2"]);
    let mut even = BTreeMap::new();
    for number in 0..10_000 {
        let version = chosen(&endpoint, &Asked::default());
        if number % 2 == 0 {
            *even.entry(version).or_default() += 1;
        }
    }
    check(&even, &[("1", 50.0), ("2", 50.0)], 1.0);
}

#[test]
fn threads_divide_together_as_one_does() {
    let endpoint = endpoint(&[("2", 10.0), ("3", 30.0)], None, &["1", "2", "3"]);
    let mut all = BTreeMap::<String, usize>::new();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| counts(&endpoint, REQUESTS / 8))).collect();
        for thread in threads {
            for (version, count) in thread.join().unwrap() {
                *all.entry(version).or_default() += count;
            }
        }
    });
    check(&all, &[("1", 60.0), ("2", 10.0), ("3", 30.0)], 0.1);
}

#[test]
fn the_sequence_goes_on_when_a_version_is_replaced() {
    let mut endpoint = endpoint(&[("2", 10.0)], None, &["1", "2"]);
    let mut treated = 0;
    for _ in 0..1000 {
        treated += usize::from(chosen(&endpoint, &Asked::default()) == "2");
        endpoint.put(Fake::new("ant", "2", Does::Add(0.0)));
        endpoint = endpoint.clone();
    }
    assert!((95..=105).contains(&treated), "{treated} of 1000");
}

#[test]
fn the_default_stands_in_for_a_version_that_is_not_ready() {
    let mut endpoint = endpoint(&[("2", 40.0), ("3", 40.0)], None, &["1", "3"]);
    check(&counts(&endpoint, 1000), &[("1", 60.0), ("3", 40.0)], 1.0);
    endpoint.put(Fake::new("ant", "2", Does::Add(0.0)));
    check(&counts(&endpoint, 1000), &[("1", 20.0), ("2", 40.0), ("3", 40.0)], 1.0);
    endpoint.remove(&VersionName::first());
    let ready = (0..1000).filter(|_| endpoint.route(&Asked::default()).is_ok()).count();
    assert!((790..=810).contains(&ready), "only the default's part is refused: {ready}");
}

#[test]
fn percentages_that_are_none_take_nothing() {
    let endpoint = endpoint(&[("2", f64::NAN), ("3", -5.0), ("4", 0.0)], None, &["1", "2", "3", "4"]);
    assert!(endpoint.division.is_none());
    check(&counts(&endpoint, 1000), &[("1", 100.0)], 0.0);
}

#[test]
fn a_caller_stays_with_its_version_and_callers_are_divided_by_the_split() {
    let endpoint = endpoint(&[("2", 10.0), ("3", 30.0)], Some(Sticky::Caller), &["1", "2", "3"]);
    let (first, again) = (callers(&endpoint), callers(&endpoint));
    assert_eq!(first, again);
    let mut shares = BTreeMap::new();
    first.into_iter().for_each(|version| *shares.entry(version).or_default() += 1);
    check(&shares, &[("1", 60.0), ("2", 10.0), ("3", 30.0)], 1.0);
}

#[test]
fn as_few_callers_move_as_a_changed_split_needs() {
    let with = |split: &[(&str, f64)]| callers(&endpoint(split, Some(Sticky::Caller), &["1", "2", "3"]));
    let before = with(&[("2", 10.0), ("3", 10.0)]);
    let more = with(&[("2", 20.0), ("3", 10.0)]);
    // 10 % have to; the weighted draw moves 10.9 %.
    assert!(moved(&before, &more) < 12.0, "{}", moved(&before, &more));
    let reordered = with(&[("3", 10.0), ("2", 10.0)]);
    assert_eq!(before, reordered);
    let one_less = with(&[("2", 10.0)]);
    assert!(moved(&before, &one_less) < 12.0, "{}", moved(&before, &one_less));
}

#[test]
fn a_header_keeps_a_caller_and_requests_without_it_are_divided_freely() {
    let sticky = Some(Sticky::Header("x-session".to_owned()));
    let endpoint = endpoint(&[("2", 50.0)], sticky, &["1", "2"]);
    let session = Named("X-Session", "s-17");
    let asked = Asked { headers: Some(&session), ..Asked::default() };
    let mine = chosen(&endpoint, &asked);
    assert!((0..1000).all(|_| chosen(&endpoint, &asked) == mine));
    check(&counts(&endpoint, 10_000), &[("1", 50.0), ("2", 50.0)], 0.1);
}

#[test]
fn a_sticky_callers_version_that_is_not_ready_is_stood_in_for() {
    let sticky = Some(Sticky::Caller);
    let mut endpoint = endpoint(&[("2", 50.0)], sticky, &["1", "2"]);
    let before = callers(&endpoint);
    let second = endpoint.remove(&"2".parse().unwrap()).unwrap();
    assert!(callers(&endpoint).iter().all(|version| version == "1"));
    endpoint.put(second);
    assert_eq!(callers(&endpoint), before);
}

#[test]
fn a_version_is_addressed_past_the_split() {
    let endpoint = endpoint(&[("2", 0.0)], None, &["1", "2"]);
    let routed = endpoint.route(&Asked { version: Some("2"), ..Asked::default() }).unwrap();
    assert_eq!((&*routed.service.status().version, routed.several), ("2", true));
}

#[test]
fn an_answer_of_the_only_version_needs_no_name() {
    let endpoint = endpoint(&[], None, &["1"]);
    assert!(!endpoint.route(&Asked::default()).unwrap().several);
}
