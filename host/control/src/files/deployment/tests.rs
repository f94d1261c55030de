#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scorehost_core::{
    Admission, Batching, Collection, CollectionFormat, DeviceKind, DeviceRequest, Grants, Outbound, Precision,
    Recording, ResponseCache, Scaling, Secret, WarmUp,
};
use serde_json::{Value, json};

use super::*;

/// A file that is right must read; one that is not must have exactly these violations.
fn check(text: &str, expected: &[&str]) {
    let found = match DeploymentConfig::parse(text) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.violations.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(found, expected, "{text}");
}

#[test]
fn a_file_with_nothing_but_its_target_has_the_documented_defaults() {
    let config = DeploymentConfig::parse(r#"{"computeType": "LOCAL"}"#).unwrap();
    assert_eq!(config, DeploymentConfig::default());
    let admission = config.admission();
    assert_eq!((config.scaling().min, config.scaling().max, admission.requests_per_replica), (1, 10, 1));
    assert_eq!(admission.max_queue_wait, Duration::from_millis(500));
    assert_eq!(admission.scoring_timeout, Duration::from_secs(60));
    assert_eq!(config.grants().memory_bytes, 512 << 20);
    assert_eq!(config.access(), AccessPlan::Keys { primary: None, secondary: None });
    assert!(config.warnings().is_empty() && config.devices() == DeviceRequest::default());
}

#[test]
fn every_key_is_read() {
    let config = DeploymentConfig::parse(
        r#"{"computeType": "aksEndpoint", "autoScaler": {"autoscaleEnabled": true, "minReplicas": 2, "maxReplicas": 4,
            "refreshPeriodInSeconds": 3, "targetUtilization": 55}, "authEnabled": false, "tokenAuthEnabled": true,
            "containerResourceRequirements": {"cpu": 0.5, "memoryInGB": 1, "cpuLimit": 2, "memoryInGBLimit": 1.5},
            "gpuCores": 1, "dataCollection": {"storageEnabled": true}, "appInsightsEnabled": true,
            "scoringTimeoutMs": 1000, "maxConcurrentRequestsPerContainer": 3, "maxQueueWaitMs": 50,
            "keys": {"primaryKey": "a", "secondaryKey": "b"}, "livenessProbeRequirements": {"periodSeconds": 1,
            "initialDelaySeconds": 2, "timeoutSeconds": 3, "successThreshold": 4, "failureThreshold": 5},
            "namespace": "team-a", "computeTargetName": "cluster", "versionName": "blue", "trafficPercentile": 12.5}"#,
    )
    .unwrap();
    let scaling = AutoScaler {
        enabled: true,
        min_replicas: 2,
        max_replicas: 4,
        refresh_period_seconds: Some(3),
        target_utilization: Some(55),
    };
    assert_eq!(config.scaling, scaling);
    assert_eq!(config.grants().memory_bytes, 3 << 29);
    assert!(config.collection().is_some());
    assert_eq!(config.liveness.initial_delay_seconds, Some(2));
    assert_eq!(config.traffic_percentile, Some(12.5));
    assert_eq!(config.version_name.as_ref().map(ToString::to_string).as_deref(), Some("blue"));
    assert_eq!(config.authentication.secondary_key.as_ref().map(Secret::reveal), Some("b"));
    assert_eq!(config.access(), AccessPlan::Tokens);
    assert_eq!((config.admission().weight, config.scaling().processors), (500, 0.5));
    let devices = config.devices();
    assert_eq!((devices.device, devices.copies, devices.fallback), (Some(DeviceKind::Gpu), Some(1), None));
}

#[test]
fn a_placement_says_what_the_models_run_on() {
    let read = |keys: &str| {
        DeploymentConfig::parse(&format!(r#"{{"computeType": "local", {keys}}}"#)).map(|config| config.devices())
    };
    let asked =
        read(r#""gpuCores": 2, "scorehost": {"placement": {"precision": "FP16", "cpuFallback": true}}"#).unwrap();
    let wanted = DeviceRequest {
        device: Some(DeviceKind::Gpu),
        precision: Some(Precision::F16),
        copies: Some(2),
        fallback: Some(true),
    };
    assert_eq!(asked, wanted);
    assert_eq!(read(r#""scorehost": {"placement": {"device": "fpga"}}"#).unwrap().device, Some(DeviceKind::Fpga));
    let violation = read(r#""gpuCores": 1, "scorehost": {"placement": {"device": "cpu"}}"#).unwrap_err().to_string();
    assert!(
        violation.contains("$.scorehost.placement.device: must be gpu where gpuCores is above 0, is cpu"),
        "{violation}"
    );
    let violation = read(r#""scorehost": {"placement": {"device": "tpu"}}"#).unwrap_err().to_string();
    assert!(violation.contains("$.scorehost.placement.device") && violation.contains("fpga"), "{violation}");
}

#[test]
fn a_fixed_number_of_replicas_is_both_bounds() {
    let config = DeploymentConfig::parse(r#"{"computeType": "aks", "numReplicas": 3}"#).unwrap();
    assert!(!config.scaling.enabled);
    assert_eq!((config.scaling().min, config.scaling().max), (3, 3));
}

#[test]
fn each_rule_has_its_violation() {
    check("{}", &["$.computeType: is required: one of aks, aksendpoint, local, aci"]);
    check("[]", &["$: must be an object, is []"]);
    check(r#"{"computeType": "vm"}"#, &["$.computeType: must be one of aks, aksendpoint, local, aci, is \"vm\""]);
    let local = |rest: &str| format!(r#"{{"computeType": "local", {rest}}}"#);
    let rows = [
        (
            r#""autoScaler": {"autoscaleEnabled": true}, "numReplicas": 1"#,
            "$.numReplicas: must not be given where autoScaler.autoscaleEnabled is true",
        ),
        (
            r#""autoScaler": {"autoscaleEnabled": false}"#,
            "$.numReplicas: is required where autoScaler.autoscaleEnabled is false",
        ),
        (r#""autoScaler": {"minReplicas": 11}"#, "$.autoScaler.minReplicas: must not be above maxReplicas: 11 > 10"),
        (
            r#""autoScaler": {"targetUtilization": 101}"#,
            "$.autoScaler.targetUtilization: must be a whole number from 1 to 100, is 101",
        ),
        (r#""numReplicas": 0"#, "$.numReplicas: must be a whole number above 0, is 0"),
        (r#""numReplicas": "two""#, r#"$.numReplicas: must be a whole number above 0, is "two""#),
        (
            r#""authEnabled": true, "tokenAuthEnabled": true"#,
            "$.tokenAuthEnabled: must not be true where authEnabled is true",
        ),
        (
            r#""containerResourceRequirements": {"cpu": -1}"#,
            "$.containerResourceRequirements.cpu: must be a number above 0, is -1",
        ),
        (
            r#""containerResourceRequirements": {"memoryInGBLimit": 0.25}"#,
            "$.containerResourceRequirements.memoryInGBLimit: must not be below memoryInGB: 0.25 < 0.5",
        ),
        (r#""gpuCores": 1.5"#, "$.gpuCores: must be a whole number from 0 to 1024, is 1.5"),
        (r#""scoringTimeoutMs": 0"#, "$.scoringTimeoutMs: must be a whole number above 0, is 0"),
        (
            r#""namespace": "-a""#,
            "$.namespace: must be 1-63 characters of a-z, 0-9 and '-', not at either end, is '-a'",
        ),
        (r#""trafficPercentile": 10"#, "$.trafficPercentile: is only for computeType aksendpoint"),
        (r#""port": 70000"#, "$.port: must be a port from 1 to 65535, is 70000"),
        (r#""scoringTimeOut": 5"#, "$.scoringTimeOut: unknown key; did you mean 'scoringTimeoutMs'?"),
        (
            r#""livenessProbeRequirements": {"period": 1}"#,
            "$.livenessProbeRequirements.period: unknown key; known are periodSeconds, initialDelaySeconds, timeoutSeconds, successThreshold, failureThreshold",
        ),
        (r#""dataCollection": true"#, "$.dataCollection: must be an object, is true"),
    ];
    for (rest, expected) in rows {
        check(&local(rest), &[expected]);
    }
    check(r#"{"computeType": "aks", "port": 80}"#, &["$.port: is only for computeType local"]);
}

#[test]
fn all_violations_come_at_once() {
    check(
        r#"{"computeType": "local", "numReplicas": 0, "maxQueueWaitMs": -1}"#,
        &[
            "$.numReplicas: must be a whole number above 0, is 0",
            "$.maxQueueWaitMs: must be a whole number above 0, is -1",
        ],
    );
}

#[test]
fn what_this_host_does_not_do_is_said() {
    let rows = [
        (json!({"computeType": "aks"}), "computeType"),
        (json!({"authEnabled": false, "keys": {"primaryKey": "secret-secret-secret"}}), "keys"),
        (json!({"keys": {"primaryKey": "secret"}}), "keys"),
        (json!({"containerResourceRequirements": {"cpu": 2}}), "containerResourceRequirements.cpu"),
        (json!({"containerResourceRequirements": {"cpuLimit": 1}}), "containerResourceRequirements.cpuLimit"),
        (json!({"containerResourceRequirements": {"memoryInGB": 8}}), "containerResourceRequirements.memoryInGB"),
        (json!({"appInsightsEnabled": true}), "appInsightsEnabled"),
        (json!({"livenessProbeRequirements": {"periodSeconds": 5}}), "livenessProbeRequirements"),
        (json!({"namespace": "a"}), "namespace"),
        (json!({"port": 8000}), "port"),
        (json!({"sslEnabled": true, "cname": "a"}), "sslEnabled, cname"),
    ];
    for (mut document, key) in rows {
        if document.get("computeType").is_none() {
            document["computeType"] = json!("local");
        }
        let warnings = DeploymentConfig::from_value(&document).unwrap().warnings();
        assert!(
            matches!(&warnings[..], [warning] if warning.starts_with(key) && !warning.contains("secret")),
            "{document}: {warnings:?}"
        );
    }
}

#[test]
fn what_acts_is_not_warned_about() {
    let document = json!({"computeType": "local", "authEnabled": true, "keys": {"primaryKey": "0123456789abcdef"},
        "autoScaler": {"maxReplicas": 3, "targetUtilization": 50, "refreshPeriodInSeconds": 2},
        "containerResourceRequirements": {"cpu": 0.5},
        "scorehost": {"admission": {"weight": 5}, "collection": {}, "scaling": {"minReplicas": 0, "idleAfterSeconds": 5}}});
    let config = DeploymentConfig::from_value(&document).unwrap();
    assert_eq!(config.warnings(), Vec::<String>::new());
}

#[test]
fn scaling_is_read_whole() {
    let document = json!({"computeType": "local", "autoScaler": {"refreshPeriodInSeconds": 5, "targetUtilization": 50},
        "scorehost": {"scaling": {"minReplicas": 0, "idleAfterSeconds": 5}}});
    let scaling = DeploymentConfig::from_value(&document).unwrap().scaling();
    assert_eq!((scaling.min, scaling.max, scaling.target_utilization), (0, 10, 50));
    assert_eq!((scaling.refresh, scaling.idle_after), (Duration::from_secs(5), Duration::from_secs(5)));
}

#[test]
fn secrets_are_in_no_message_and_in_no_debug_output() {
    let given =
        json!({"computeType": "local", "keys": {"primaryKey": "tell-nobody-of-this", "secondaryKey": 123_456_789}});
    let violations = DeploymentConfig::from_value(&given).unwrap_err().to_string();
    assert!(violations.contains("$.keys.secondaryKey") && !violations.contains("123456789"), "{violations}");
    let right = json!({"computeType": "local", "keys": {"primaryKey": "tell-nobody-of-this"}});
    let config = DeploymentConfig::from_value(&right).unwrap();
    assert!(!format!("{config:?}").contains("nobody"));
}

#[test]
fn the_extension_says_what_the_file_has_no_key_for() {
    let document = json!({"computeType": "local", "scorehost": {
        "admission": {"maxQueue": 5, "weight": 300, "requestsPerSecond": 12.5},
        "grants": {"clock": true, "services": ["rank", "embed", "rank"], "outbound": ["API.example.com", "*.example.com:8443", "[::1]:80", "fe80::1",
            {"host": "db.internal", "port": 5432, "private": true}]},
        "collection": {"outputs": false, "format": "parquet", "sample": 0.5, "redact": ["name"], "maxBytes": 1000},
        "recording": {"maxRequests": 7},
        "warmUp": {"count": 2, "body": {"data": [1]}},
        "responseCache": {"maxBytes": 1000, "ttlSeconds": 1.5},
        "modelMemory": {"pin": true},
        "batching": {"enabled": true, "isolated": true, "maxBatchSize": 8, "maxDelayMs": 1.5,
            "preferredBatchSizes": [8, 4, 8], "latencyTargetMs": 20}}});
    let config = DeploymentConfig::from_value(&document).unwrap();
    let admission = config.admission();
    assert_eq!((admission.max_queue, admission.weight, admission.rate_limit), (5, 300, Some(12.5)));
    let place = |host: &str, port, private| Outbound { host: host.to_owned(), port, private };
    let outbound = vec![
        place("api.example.com", None, false),
        place("*.example.com", Some(8443), false),
        place("::1", Some(80), false),
        place("fe80::1", None, false),
        place("db.internal", Some(5432), true),
    ];
    let services = vec!["embed".parse().unwrap(), "rank".parse().unwrap()];
    assert_eq!(config.grants(), Grants { clock: true, outbound, services, ..Grants::default() });
    let cache = ResponseCache { max_bytes: 1000, keep_for: Some(Duration::from_millis(1500)) };
    assert_eq!((config.response_cache(), config.pin_models()), (Some(cache), true));
    let batching = Batching {
        enabled: Some(true),
        isolated: true,
        max_size: Some(8),
        max_delay: Some(Duration::from_micros(1500)),
        preferred: vec![4, 8],
        latency_target: Some(Duration::from_millis(20)),
    };
    assert_eq!(config.batching(), batching);
    let collection = Collection {
        outputs: false,
        format: CollectionFormat::Parquet,
        sample: 0.5,
        redact: vec!["name".to_owned()],
        max_bytes: 1000,
        ..Collection::default()
    };
    assert_eq!(config.collection(), Some(collection));
    assert_eq!(config.recording(), Some(Recording { sample: 1.0, max_requests: 7, max_body: 1 << 20 }));
    let body = br#"{"data":[1]}"#.as_slice().into();
    assert_eq!(config.warm_up(), Some(WarmUp { count: 2, body, content_type: Some("application/json".to_owned()) }));
}

#[test]
fn a_warm_up_body_is_text_or_base64() {
    let of = |warm_up: Value| {
        let document = json!({"computeType": "local", "scorehost": {"warmUp": warm_up}});
        DeploymentConfig::from_value(&document).unwrap().warm_up().unwrap()
    };
    assert_eq!(&of(json!({"body": "a b"})).body[..], b"a b");
    let bytes = of(json!({"bodyBase64": "AAEC", "contentType": "application/octet-stream"}));
    assert_eq!((&bytes.body[..], bytes.content_type.as_deref()), (&[0, 1, 2][..], Some("application/octet-stream")));
    assert_eq!(of(json!({})), WarmUp { count: 1, body: bytes::Bytes::new(), content_type: None });
}

#[test]
fn the_parser_agrees_with_the_table_of_documents() {
    let table = include_str!("../../../../../tests/fixtures/configuration/deploymentconfig.json");
    let rows: Vec<Value> = serde_json::from_str(table).unwrap();
    for row in &rows {
        let read = DeploymentConfig::from_value(&row["document"]);
        assert_eq!(read.is_ok(), row["valid"] == true, "{}: {read:?}", row["name"]);
    }
    assert!(rows.len() > 100, "the table was read");
}

#[test]
fn the_schema_has_the_keys_and_the_defaults_of_the_parser() {
    let schema: Value = serde_json::from_str(crate::files::DEPLOYMENT_SCHEMA).unwrap();
    let check = |pointer: &str, known: &[&str]| {
        let properties = schema.pointer(pointer).and_then(Value::as_object).unwrap();
        let mut known: Vec<&str> = known.to_vec();
        known.sort_unstable();
        let mut keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, known, "{pointer}");
    };
    let top: Vec<&str> = KEYS.into_iter().chain(CONTAINER_INSTANCE).collect();
    check("/properties", &top);
    check("/properties/autoScaler/properties", &read::AUTO_SCALER);
    check("/properties/containerResourceRequirements/properties", &read::RESOURCES);
    check("/properties/livenessProbeRequirements/properties", &read::LIVENESS);
    check("/properties/scorehost/properties", &extension::BLOCKS.map(|(name, _)| name));
    for (name, keys) in extension::BLOCKS {
        check(&format!("/properties/scorehost/properties/{name}/properties"), keys);
    }
    let default = |pointer: &str| schema.pointer(&format!("/properties/{pointer}/default")).and_then(Value::as_f64);
    let (admission, scaling, collection) = (Admission::default(), Scaling::default(), Collection::default());
    let rows = [
        ("autoScaler/properties/minReplicas", f64::from(scaling.min)),
        ("autoScaler/properties/maxReplicas", f64::from(scaling.max)),
        ("autoScaler/properties/refreshPeriodInSeconds", scaling.refresh.as_secs_f64()),
        ("autoScaler/properties/targetUtilization", f64::from(scaling.target_utilization)),
        ("containerResourceRequirements/properties/cpu", scaling.processors),
        (
            "containerResourceRequirements/properties/memoryInGB",
            Grants::default().memory_bytes as f64 / (1u64 << 30) as f64,
        ),
        ("scoringTimeoutMs", admission.scoring_timeout.as_millis() as f64),
        ("maxConcurrentRequestsPerContainer", f64::from(admission.requests_per_replica)),
        ("maxQueueWaitMs", admission.max_queue_wait.as_millis() as f64),
        ("scorehost/properties/scaling/properties/idleAfterSeconds", scaling.idle_after.as_secs_f64()),
        ("scorehost/properties/admission/properties/maxQueue", f64::from(admission.max_queue)),
        ("scorehost/properties/collection/properties/sample", collection.sample),
        ("scorehost/properties/collection/properties/maxBytes", collection.max_bytes as f64),
        ("scorehost/properties/recording/properties/maxRequests", 1000.0),
    ];
    for (pointer, expected) in rows {
        assert_eq!(default(pointer), Some(expected), "{pointer}");
    }
}
