#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn service_names_follow_the_azure_rule() {
    for name in ["abc", "a-b", "a23456789012345678901234567890bc"] {
        assert!(name.parse::<ServiceName>().is_ok(), "{name}");
    }
    for name in ["", "ab", "Abc", "1bc", "ab-", "a_b", "a/b", "a..b", "a234567890123456789012345678901bcd"] {
        assert!(name.parse::<ServiceName>().is_err(), "{name}");
    }
}

#[test]
fn version_names_are_short_names_or_whole_numbers() {
    for name in ["1", "42", "123456789", "v2", "a", "blue-green"] {
        assert!(name.parse::<VersionName>().is_ok(), "{name}");
    }
    for name in ["", "0", "01", "1234567890", "V2", "-a", "a-", "2b", "a/b", "a234567890123456789012345678901bcd"] {
        assert!(name.parse::<VersionName>().is_err(), "{name}");
    }
}

#[test]
fn model_names_are_never_paths() {
    for name in ["..", ".hidden", "a/b", "a\\b", "", "a b", "ä"] {
        assert!(name.parse::<ModelName>().is_err(), "{name}");
    }
    assert!("resnet50_v1.5".parse::<ModelName>().is_ok());
}

#[test]
fn model_ids_need_a_positive_version() {
    assert_eq!("m:3".parse::<ModelId>().unwrap().to_string(), "m:3");
    for id in ["m", "m:", "m:0", "m:-1", "m:1:2", ":1"] {
        assert!(id.parse::<ModelId>().is_err(), "{id}");
    }
}

#[test]
fn digests_round_trip_as_text() {
    let digest = Digest::from_bytes([0xab; 32]);
    assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    assert!(format!("sha256:{}", "AB".repeat(32)).parse::<Digest>().is_err());
    assert!("sha256:é".parse::<Digest>().is_err());
}
