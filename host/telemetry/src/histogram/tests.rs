#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}

fn snapshot(durations: impl IntoIterator<Item = u64>) -> HistogramSnapshot {
    let histogram = Histogram::default();
    durations.into_iter().for_each(|duration| histogram.record(micros(duration)));
    let mut sum = HistogramSnapshot::default();
    histogram.add_to(&mut sum);
    sum
}

#[test]
fn every_duration_is_in_the_bucket_between_its_ends() {
    for micros in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 27) - 1]) {
        let bucket = bucket(micros);
        assert!(lower(bucket) <= micros && micros < lower(bucket + 1), "{micros} in {bucket}");
        assert!((lower(bucket + 1) - lower(bucket)) * 4 <= lower(bucket).max(4), "{bucket} is too wide");
    }
    assert_eq!(bucket(1 << 27), BUCKETS - 1);
    assert_eq!(bucket(u64::MAX), BUCKETS - 1);
}

#[test]
fn quantiles_are_within_an_eighth_of_an_even_distribution() {
    let even = snapshot(1..=100_000);
    for (q, expected) in [(0.5, 50_000.0), (0.9, 90_000.0), (0.99, 99_000.0)] {
        let found = even.quantile(q).unwrap().as_secs_f64() * 1e6;
        assert!((found / expected - 1.0).abs() < 0.125, "{q}: {found}");
    }
    assert_eq!(even.mean(), Some(Duration::from_nanos(50_000_500)));
}

#[test]
fn a_quantile_lies_in_the_bucket_of_the_only_value() {
    let one = snapshot([1000]);
    for q in [0.0, 0.5, 1.0] {
        let found = one.quantile(q).unwrap();
        assert!(found >= micros(896) && found <= micros(1024), "{q}: {found:?}");
    }
    assert_eq!(snapshot([]).quantile(0.5), None);
    assert_eq!(snapshot([]).mean(), None);
}

#[test]
fn what_is_too_long_for_the_buckets_counts_in_the_last_one() {
    let long = snapshot([10_000_000_000]);
    assert_eq!(long.count(), 1);
    assert_eq!(long.quantile(0.5), Some(Duration::from_micros(1 << 27)));
}

#[test]
fn counts_below_a_power_of_two_are_exact() {
    let counted = snapshot([1, 7, 8, 9, 4096]);
    assert_eq!((counted.below(8), counted.below(16), counted.below(1 << 26)), (2, 4, 5));
}

#[test]
fn snapshots_add_up_and_subtract() {
    let (first, mut both) = (snapshot([5, 50]), snapshot([5, 50, 500]));
    let since = both.since(&first);
    assert_eq!((since.count(), since.sum()), (1, micros(500)));
    both.merge(&first);
    assert_eq!((both.count(), both.sum()), (5, micros(610)));
}
