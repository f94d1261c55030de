#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{
    Access, Admission, Batching, Collection, CollectionFormat, DeviceKind, DeviceRequest, EndpointSpec, Grants,
    ModelRef, Outbound, Precision, Recording, ResponseCache, Scaling, ScorerRef, Secret, ServiceSpec, Shadow, Sticky,
    Traffic, VersionName, WarmUp,
};
use serde_json::json;

use super::*;
use crate::catalog::Version;

/// A description in which nothing is as by default.
fn full() -> ServiceSpec {
    ServiceSpec {
        name: "digits".parse().unwrap(),
        version: "v2".parse().unwrap(),
        scorer: Some(ScorerRef { component: format!("sha256:{}", "ab".repeat(32)).parse().unwrap() }),
        models: vec![ModelRef { id: "digits:3".parse().unwrap() }, ModelRef { id: "labels:1".parse().unwrap() }],
        variables: BTreeMap::from([("A".to_owned(), "1".to_owned())]),
        admission: Admission {
            requests_per_replica: 2,
            max_queue_wait: Duration::from_millis(3),
            max_queue: 4,
            scoring_timeout: Duration::from_millis(5),
            weight: 6,
            rate_limit: Some(7.5),
        },
        scaling: Scaling {
            min: 0,
            max: 8,
            target_utilization: 9,
            refresh: Duration::from_millis(10),
            idle_after: Duration::from_millis(11),
            processors: 1.25,
        },
        grants: Grants {
            memory_bytes: 12,
            clock: true,
            random: true,
            outbound: vec![
                Outbound { host: "*.example.org".to_owned(), port: Some(13), private: true },
                Outbound { host: "example.org".to_owned(), port: None, private: false },
            ],
            services: vec!["embed".parse().unwrap(), "rank".parse().unwrap()],
        },
        collection: Some(Collection {
            inputs: false,
            outputs: false,
            custom: false,
            format: CollectionFormat::Parquet,
            sample: 0.5,
            redact: vec!["name".to_owned()],
            max_bytes: 14,
        }),
        recording: Some(Recording { sample: 0.25, max_requests: 15, max_body: 16 }),
        warm_up: Some(WarmUp { count: 17, body: vec![0, 255].into(), content_type: Some("image/png".to_owned()) }),
        response_cache: Some(ResponseCache { max_bytes: 18, keep_for: Some(Duration::from_millis(19)) }),
        pin_models: true,
        batching: Batching {
            enabled: Some(false),
            isolated: true,
            max_size: Some(18),
            max_delay: Some(Duration::from_micros(19)),
            preferred: vec![20, 21],
            latency_target: Some(Duration::from_micros(22)),
        },
        devices: DeviceRequest {
            device: Some(DeviceKind::Gpu),
            precision: Some(Precision::BF16),
            copies: Some(2),
            fallback: Some(true),
        },
    }
}

fn service(versions: &[(&str, ServiceSpec)]) -> Service {
    let version = |spec: &ServiceSpec| Version {
        spec: Arc::new(spec.clone()),
        config: Arc::new(json!({"computeType": "aks"})),
        running: false,
        created: 1,
        updated: 2,
    };
    let front = EndpointSpec {
        name: "digits".parse().unwrap(),
        access: Access::Keys { primary: Secret::new("one"), secondary: Secret::new("two") },
        traffic: Traffic {
            default: versions[0].0.parse().unwrap(),
            split: vec![("v9".parse().unwrap(), 12.5)],
            control: Some("v9".parse().unwrap()),
            sticky: Some(Sticky::Header("x-user".to_owned())),
            shadow: Some(Shadow { version: "v9".parse().unwrap(), percent: 3.0 }),
        },
    };
    let versions = versions.iter().map(|(name, spec)| (name.parse::<VersionName>().unwrap(), version(spec)));
    Service { front: Arc::new(front), versions: versions.collect(), created: 3, updated: 4 }
}

#[test]
fn every_field_of_a_version_comes_back() {
    for spec in [full(), ServiceSpec::new("digits".parse().unwrap())] {
        let service = service(&[("v2", spec)]);
        let version = &service.versions[&"v2".parse().unwrap()];
        assert_eq!(decode_version("digits/v2", &super::version::encode(version)).unwrap(), *version);
    }
}

#[test]
fn every_field_of_a_front_comes_back() {
    let service = service(&[("v2", full())]);
    for access in [service.front.access.clone(), Access::Open, Access::Tokens] {
        let front = Arc::new(EndpointSpec { access, ..(*service.front).clone() });
        let service = Service { front: Arc::clone(&front), ..service.clone() };
        let read = decode_endpoint("digits", &endpoint::encode(&service)).unwrap();
        assert_eq!((read.spec, read.created, read.updated), (front, 3, 4));
    }
}

#[test]
fn a_change_writes_what_differs_and_removes_what_goes() {
    let spec =
        |variable: &str| ServiceSpec { variables: BTreeMap::from([(variable.to_owned(), String::new())]), ..full() };
    let (one, two) = (service(&[("v1", full()), ("v2", full())]), service(&[("v2", spec("B")), ("v3", full())]));
    let rows = |before, after| -> Vec<(String, bool)> {
        changes(before, after)
            .into_iter()
            .map(|change| (format!("{} {}", change.kind, change.key), change.bytes.is_some()))
            .collect()
    };
    let row = |name: &str, written| (name.to_owned(), written);
    assert_eq!(
        rows(Some(&one), Some(&two)),
        [
            row("endpoint digits", true),
            row("version digits/v2", true),
            row("version digits/v3", true),
            row("version digits/v1", false)
        ]
    );
    assert_eq!(rows(Some(&one), Some(&one)), [row("endpoint digits", true)]);
    let all_gone = [row("endpoint digits", false), row("version digits/v1", false), row("version digits/v2", false)];
    assert_eq!(rows(Some(&one), None), all_gone);
    assert_eq!(rows(None, None), []);
}

#[test]
fn a_document_of_a_later_release_is_refused_by_its_format() {
    let service = service(&[("v2", full())]);
    let later = |content: Vec<u8>| String::from_utf8(content).unwrap().replace("\"format\":2", "\"format\":3");
    let version = later(super::version::encode(&service.versions[&"v2".parse().unwrap()]));
    let error = decode_version("digits/v2", version.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("format 3") && error.contains("digits/v2"), "{error}");
    let front = later(endpoint::encode(&service));
    assert!(decode_endpoint("digits", front.as_bytes()).is_err());
}
