#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn every_row_of_the_table_parses() {
    assert_eq!(NETS.len(), TABLE.len());
}

#[test]
fn what_addresses_are_for() {
    let check =
        |address: &str, expect: &str| assert_eq!(reach(address.parse().unwrap()).to_string(), expect, "{address}");
    check("8.8.8.8", "public");
    check("100.63.255.255", "public");
    check("172.15.255.255", "public");
    check("172.32.0.1", "public");
    check("198.20.0.1", "public");
    check("0.0.0.0", "unspecified");
    check("0.1.2.3", "unspecified");
    check("127.0.0.1", "loopback");
    check("127.255.255.254", "loopback");
    check("10.1.2.3", "private");
    check("172.16.0.1", "private");
    check("172.31.255.255", "private");
    check("192.168.1.1", "private");
    check("100.64.0.1", "shared (carrier-grade NAT)");
    check("100.127.255.255", "shared (carrier-grade NAT)");
    check("169.254.169.254", "link-local");
    check("198.18.0.1", "benchmarking");
    check("192.0.0.8", "reserved");
    check("192.0.2.1", "documentation");
    check("203.0.113.7", "documentation");
    check("224.0.0.251", "multicast");
    check("239.255.255.255", "multicast");
    check("240.0.0.1", "reserved");
    check("255.255.255.255", "broadcast");
    check("2606:4700::1111", "public");
    check("2a00:1450:4001::1", "public");
    check("::", "unspecified");
    check("::1", "loopback");
    check("fc00::1", "private (unique local)");
    check("fdff::1", "private (unique local)");
    check("fe80::1", "link-local");
    check("fec0::1", "private (site-local)");
    check("ff02::1", "multicast");
    check("2001:db8::1", "documentation");
    check("2001::1", "reserved");
    check("3fff::1", "documentation");
    check("100::1", "reserved");
    check("5f00::1", "reserved");
    check("4000::1", "reserved");
}

#[test]
fn an_address_inside_another_is_what_it_is_itself() {
    let check =
        |address: &str, expect: &str| assert_eq!(reach(address.parse().unwrap()).to_string(), expect, "{address}");
    check("::ffff:127.0.0.1", "loopback");
    check("::ffff:10.0.0.1", "private");
    check("::ffff:8.8.8.8", "public");
    check("64:ff9b::169.254.169.254", "link-local");
    check("64:ff9b::8.8.8.8", "public");
    check("64:ff9b:1::8.8.8.8", "private (local NAT64)");
    check("2002:7f00:1::", "loopback");
    check("2002:a00:1::1", "private");
    check("2002:808:808::1", "public");
    check("::127.0.0.1", "reserved");
    check("::0.0.0.2", "reserved");
}
