#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use scorehost_core::ErrorKind;

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
    assert!(config.warnings().is_empty() && config.check_supported().is_ok());
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
    assert_eq!(config.authentication.secondary_key.as_deref(), Some("b"));
    let refused = config.check_supported().unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    for key in ["tokenAuthEnabled", "gpuCores", "versionName"] {
        assert!(refused.message.contains(key), "{refused}");
    }
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
    check(r#"{"computeType": "vm"}"#, &["$.computeType: must be one of aks, aksendpoint, local, aci, is 'vm'"]);
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
        (r#"{"computeType": "aks"}"#, "computeType"),
        (r#"{"computeType": "local", "authEnabled": true}"#, "authEnabled"),
        (r#"{"computeType": "local", "keys": {"primaryKey": "secret"}}"#, "keys"),
        (r#"{"computeType": "local", "autoScaler": {"targetUtilization": 50}}"#, "autoScaler"),
        (
            r#"{"computeType": "local", "containerResourceRequirements": {"cpu": 1}}"#,
            "containerResourceRequirements.cpu",
        ),
        (
            r#"{"computeType": "local", "containerResourceRequirements": {"memoryInGB": 8}}"#,
            "containerResourceRequirements.memoryInGB",
        ),
        (r#"{"computeType": "local", "appInsightsEnabled": true}"#, "appInsightsEnabled"),
        (r#"{"computeType": "local", "livenessProbeRequirements": {"periodSeconds": 5}}"#, "livenessProbeRequirements"),
        (r#"{"computeType": "local", "namespace": "a"}"#, "namespace"),
        (r#"{"computeType": "local", "port": 8000}"#, "port"),
    ];
    for (text, key) in rows {
        let warnings = DeploymentConfig::parse(text).unwrap().warnings();
        assert!(
            matches!(&warnings[..], [warning] if warning.starts_with(key) && !warning.contains("secret")),
            "{text}: {warnings:?}"
        );
    }
}
