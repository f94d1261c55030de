use super::*;
use crate::gatekeeper::tests::FakeClock;

fn peer(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

fn attempts(limit: u32) -> (Arc<FakeClock>, Attempts) {
    let clock = Arc::new(FakeClock::default());
    (Arc::clone(&clock), Attempts::new(clock, limit, Duration::from_secs(60)))
}

fn guess(attempts: &Attempts, peer: IpAddr, count: u32) {
    (0..count).for_each(|number| attempts.failed(peer, &format!("guess {number} of {peer}")));
}

#[test]
fn an_address_that_guesses_is_refused_for_a_window_and_no_other_is() {
    let (clock, attempts) = attempts(5);
    guess(&attempts, peer(1), 4);
    assert_eq!(attempts.refused(peer(1)), None);
    attempts.failed(peer(1), "the fifth");
    assert_eq!(attempts.refused(peer(1)), Some(Duration::from_secs(60)));
    assert_eq!(attempts.refused(peer(2)), None);
    clock.advance(Duration::from_secs(59));
    assert_eq!(attempts.refused(peer(1)), Some(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(1));
    assert_eq!(attempts.refused(peer(1)), None);
    // It begins anew, not where it stopped.
    guess(&attempts, peer(1), 4);
    assert_eq!(attempts.refused(peer(1)), None);
}

#[test]
fn the_same_wrong_credential_counts_once() {
    let (_, attempts) = attempts(5);
    (0..1000).for_each(|_| attempts.failed(peer(1), "an old key"));
    (0..1000).for_each(|_| attempts.failed(peer(1), "another old key"));
    assert_eq!(attempts.refused(peer(1)), None);
}

#[test]
fn slow_failures_never_add_up() {
    let (clock, attempts) = attempts(5);
    for number in 0..100 {
        attempts.failed(peer(1), &number.to_string());
        clock.advance(Duration::from_secs(16));
        assert_eq!(attempts.refused(peer(1)), None, "{number}");
    }
}

#[test]
fn a_flood_of_addresses_does_not_free_one_that_is_refused() {
    let (_, attempts) = attempts(2);
    guess(&attempts, peer(1), 2);
    for number in 0..50_000_u32 {
        attempts.failed(IpAddr::from(number.to_be_bytes()), "once");
    }
    assert!(attempts.refused(peer(1)).is_some());
}

#[test]
fn a_caller_cannot_hop_through_its_own_ipv6_network() {
    let (_, attempts) = attempts(4);
    for host in 0..4 {
        attempts.failed(format!("2001:db8::{host}").parse().unwrap(), &host.to_string());
    }
    assert!(attempts.refused("2001:db8::ffff".parse().unwrap()).is_some());
    assert!(attempts.refused("2001:db8:0:1::1".parse().unwrap()).is_none());
    guess(&attempts, "::ffff:192.0.2.7".parse().unwrap(), 4);
    assert!(attempts.refused(peer(7)).is_some());
}

#[test]
fn zero_counts_nothing() {
    let (_, attempts) = attempts(0);
    guess(&attempts, peer(1), 1000);
    assert_eq!(attempts.refused(peer(1)), None);
}
