use super::*;

#[test]
fn merge_patches_as_rfc_7386_shows() {
    for (target, patch, expected) in [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
        (json!({"a": "foo"}), json!(null), json!(null)),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ] {
        let mut merged = target.clone();
        merge(&mut merged, &patch);
        assert_eq!(merged, expected, "{target} {patch}");
    }
}

#[test]
fn a_fixed_number_of_replicas_and_automatic_scaling_end_each_other() {
    let automatic = json!({"autoScaler": {"autoscaleEnabled": true, "maxReplicas": 5}, "scorehost": {"scaling": {"minReplicas": 0}}});
    let fixed = json!({"numReplicas": 3});
    assert_eq!(patched(&automatic, &fixed), json!({"numReplicas": 3, "scorehost": {"scaling": {}}}));
    let scaled = json!({"autoScaler": {"maxReplicas": 9}});
    assert_eq!(patched(&fixed, &scaled), scaled);
    assert_eq!(
        patched(&fixed, &json!({"scorehost": {"scaling": {"minReplicas": 0}}})),
        json!({"scorehost": {"scaling": {"minReplicas": 0}}})
    );
    // What contradicts itself in one patch stays to be refused.
    let both = json!({"numReplicas": 3, "autoScaler": {"autoscaleEnabled": true}});
    assert_eq!(patched(&json!({}), &both), both);
}

#[test]
fn a_warm_up_body_is_replaced_whole() {
    let config = json!({"scorehost": {"warmUp": {"count": 2, "body": {"old": 1}}}});
    let patch = json!({"scorehost": {"warmUp": {"body": {"new": null}}}});
    assert_eq!(patched(&config, &patch), json!({"scorehost": {"warmUp": {"count": 2, "body": {"new": null}}}}));
    let other = json!({"scorehost": {"warmUp": {"bodyBase64": "eA=="}}});
    assert_eq!(patched(&config, &other), json!({"scorehost": {"warmUp": {"count": 2, "bodyBase64": "eA=="}}}));
}

#[test]
fn what_belongs_to_the_service_and_what_is_secret_is_not_kept() {
    let config = json!({"computeType": "aci", "authEnabled": true, "keys": {"primaryKey": "x"}, "versionName": "v2",
        "trafficPercentile": 1, "tokenAuthEnabled": false, "sslKey": "x", "sslCertificate": "x", "numReplicas": 1});
    assert_eq!(kept(config), json!({"computeType": "aci", "numReplicas": 1}));
}
