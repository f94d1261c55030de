#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn rule(host: &str, port: Option<u16>, private: bool) -> Outbound {
    Outbound { host: host.into(), port, private }
}

#[test]
fn urls_are_understood_or_refused() {
    let check = |url: &str, expect: Option<&str>| {
        let target = url.parse::<Uri>().ok().and_then(|uri| Target::of(&uri).ok());
        assert_eq!(target.map(|target| target.label()).as_deref(), expect, "{url}");
    };
    check("https://Example.COM/x", Some("example.com:443"));
    check("http://example.com/x", Some("example.com:80"));
    check("https://example.com.:8443/", Some("example.com:8443"));
    check("http://127.0.0.1:9/", Some("127.0.0.1:9"));
    check("http://[::1]:9/", Some("[::1]:9"));
    check("http://[::ffff:10.0.0.1]/", Some("[::ffff:10.0.0.1]:80"));
    check("http://user@example.com/", None);
    check("http://good.com@evil.com/", None);
    check("http://example.com:0/", None);
    check("http://example.com:99999/", None);
    check("http://./", None);
    check("/path-only", None);
}

#[test]
fn names_are_covered_by_rules() {
    let check = |host: &str, port: Option<u16>, url: &str, expect: bool| {
        let rules = Rules::new(&[rule(host, port, false)]);
        let target = Target::of(&url.parse().unwrap()).unwrap();
        assert_eq!(rules.covers(&target).is_some(), expect, "{host} {port:?} {url}");
    };
    check("example.com", None, "https://example.com/", true);
    check("example.com", None, "http://EXAMPLE.com./", true);
    check("example.com", None, "https://example.com:8443/", false);
    check("example.com", Some(8443), "https://example.com:8443/", true);
    check("example.com", Some(8443), "https://example.com/", false);
    check("example.com", None, "https://a.example.com/", false);
    check("example.com", None, "https://notexample.com/", false);
    check("*.example.com", None, "https://a.example.com/", true);
    check("*.example.com", None, "https://a.b.example.com/", true);
    check("*.example.com", None, "https://example.com/", false);
    check("*.example.com", None, "https://.example.com/", false);
    check("*.example.com", None, "https://evilexample.com/", false);
    check("*.example.com", None, "https://example.com.evil.net/", false);
    check("127.0.0.1", Some(9), "http://127.0.0.1:9/", true);
    check("127.0.0.1", Some(9), "http://[::ffff:127.0.0.1]:9/", true);
    check("127.0.0.1", Some(9), "http://localhost:9/", false);
    check("localhost", Some(9), "http://127.0.0.1:9/", false);
    check("::1", Some(9), "http://[::1]:9/", true);
    check("*.0.0.1", Some(9), "http://127.0.0.1:9/", false);
    check("10.0.0.1", None, "http://10.1/", false);
}

#[test]
fn private_addresses_are_open_where_one_covering_rule_says_so() {
    let rules =
        Rules::new(&[rule("*.corp.test", None, false), rule("db.corp.test", None, true), rule("x.test", None, true)]);
    let private = |url: &str| rules.covers(&Target::of(&url.parse().unwrap()).unwrap()).map(|covered| covered.private);
    assert_eq!(private("http://web.corp.test/"), Some(false));
    assert_eq!(private("http://db.corp.test/"), Some(true));
    assert_eq!(private("http://elsewhere.test/"), None);
}
