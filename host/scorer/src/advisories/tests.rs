#![allow(clippy::unwrap_used, reason = "tests")]

use std::cmp::Ordering;

use super::*;

fn dependency(ecosystem: &str, name: &str, version: &str) -> Dependency {
    Dependency { ecosystem: ecosystem.into(), name: name.into(), version: version.into() }
}

#[test]
fn versions_are_ordered_as_their_ecosystem_has_it() {
    let check = |ecosystem: &str, ascending: &[&str]| {
        for pair in ascending.windows(2) {
            assert_eq!(order(ecosystem)(pair[0], pair[1]), Ordering::Less, "{pair:?}");
            assert_eq!(order(ecosystem)(pair[1], pair[0]), Ordering::Greater, "{pair:?}");
        }
    };
    check(
        "crates.io",
        &[
            "0.9.9",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.0.10",
            "1.2",
            "10.0.0",
        ],
    );
    check(
        "PyPI",
        &["1.0.dev1", "1.0a1.dev1", "1.0a1", "1.0a2", "1.0b1", "1.0rc1", "1.0", "1.0.post1", "1.0.1", "1.10", "1!0.1"],
    );
    assert_eq!(order("crates.io")("1.0.0+build", "1.0"), Ordering::Equal);
    assert_eq!(order("PyPI")("1.0.0", "1"), Ordering::Equal);
}

#[test]
fn base_scores_are_those_of_the_specification() {
    let check = |vector: &str, score: Option<f64>| assert_eq!(cvss::base_score(vector), score, "{vector}");
    check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(9.8));
    check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(10.0));
    check("CVSS:3.0/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N", Some(5.4));
    check("CVSS:3.1/AV:L/AC:H/PR:N/UI:N/S:U/C:N/I:N/A:H", Some(5.1));
    check("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0.0));
    check("CVSS:4.0/AV:N", None);
    check("AV:N/AC:L/Au:N/C:P/I:P/A:P", None);
}

/// Advisories as the ecosystems' own databases write them, shortened.
const LIST: &str = r#"
{"id": "RUSTSEC-2020-0001", "summary": "Stack overflow", "affected": [{"package": {"ecosystem": "crates.io", "name": "parser"},
  "ranges": [{"type": "SEMVER", "events": [{"introduced": "0.0.0-0"}, {"fixed": "1.2.3"}, {"introduced": "2.0.0"}, {"fixed": "2.0.5"}]}]}],
 "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]}
[{"id": "PYSEC-2021-7", "details": "Reads too much.\nMore words.", "affected": [{"package": {"ecosystem": "PyPI", "name": "Some_Package"},
  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"last_affected": "2.0.post1"}]}], "versions": ["9.9"]}]},
 {"id": "GHSA-x", "summary": "Gone", "withdrawn": "2022-01-01T00:00:00Z", "affected": [{"package": {"ecosystem": "npm", "name": "left"},
  "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}]}]}]
{"id": "RUSTSEC-2021-0002", "summary": "old is unmaintained", "affected": [{"package": {"ecosystem": "crates.io", "name": "old"},
  "ranges": [{"type": "SEMVER", "events": [{"introduced": "0.0.0-0"}]}], "database_specific": {"informational": "unmaintained"}}]}
{"id": "GHSA-y", "summary": "By word", "affected": [{"package": {"ecosystem": "npm", "name": "right"}, "versions": ["1.0.0"]}],
 "database_specific": {"severity": "MODERATE"}}
"#;

#[test]
fn known_flaws_are_found_by_ecosystem_name_and_version() {
    let list = Advisories::parse(LIST).unwrap();
    assert_eq!(list.len(), 4);
    let check = |ecosystem: &str, name: &str, version: &str, expect: Option<(&str, Severity)>| {
        let findings = list.find(&[dependency(ecosystem, name, version)]);
        let found = findings.first().map(|finding| (finding.advisory.as_str(), finding.severity));
        assert_eq!(found, expect, "{ecosystem} {name} {version}");
    };
    let stack = Some(("RUSTSEC-2020-0001", Severity::Critical));
    check("crates.io", "parser", "0.1.0", stack);
    check("crates.io", "parser", "1.2.3-rc.1", stack);
    check("crates.io", "parser", "1.2.3", None);
    check("crates.io", "parser", "1.9.0", None);
    check("crates.io", "parser", "2.0.0", stack);
    check("crates.io", "parser", "2.0.5", None);
    check("npm", "parser", "0.1.0", None);
    check("crates.io", "parsers", "0.1.0", None);
    let reads = Some(("PYSEC-2021-7", Severity::Medium));
    check("PyPI", "some-package", "2.0", reads);
    check("PyPI", "some.package", "2.0.post1", reads);
    check("PyPI", "some-package", "2.1", None);
    check("PyPI", "some-package", "9.9", reads);
    check("npm", "left", "1.0.0", None);
    check("crates.io", "old", "3.0.0", Some(("RUSTSEC-2021-0002", Severity::Low)));
    check("npm", "right", "1.0.0", Some(("GHSA-y", Severity::Medium)));
    check("npm", "right", "1.0.1", None);
}

#[test]
fn the_worst_comes_first_with_the_version_that_mends_it() {
    let list = Advisories::parse(LIST).unwrap();
    let findings = list.find(&[dependency("crates.io", "old", "1.0.0"), dependency("crates.io", "parser", "1.0.0")]);
    assert_eq!(findings[0].fixed.as_deref(), Some("1.2.3"));
    assert_eq!(findings[0].summary, "Stack overflow");
    assert_eq!(findings[1].fixed, None);
}

#[test]
fn a_list_that_is_none_names_the_first_wrong_advisory() {
    let error = Advisories::parse("{\"id\": \"A\"}\n{\"name\": 3}").unwrap_err().to_string();
    assert!(error.contains("advisory 2") && error.contains("id"), "{error}");
    assert!(Advisories::parse("{\"id\"").is_err());
    assert!(Advisories::parse("").unwrap().is_empty());
}
