//! `deploymentconfig.json` as it is kept, and how parts of it change.

use serde_json::{Map, Value, json};

use crate::wire::Scale;

/// Keys that are not kept with a version: they belong to the whole service, or they are secrets that do not act here.
const NOT_KEPT: [&str; 7] =
    ["authEnabled", "tokenAuthEnabled", "keys", "versionName", "trafficPercentile", "sslCertificate", "sslKey"];

/// A configuration where none is given.
pub(crate) fn nothing_said() -> Value {
    json!({"computeType": "local"})
}

/// What is kept with a version.
pub(crate) fn kept(mut config: Value) -> Value {
    if let Value::Object(fields) = &mut config {
        fields.retain(|key, _| !NOT_KEPT.contains(&key.as_str()));
    }
    config
}

/// JSON Merge Patch (RFC 7386).
pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else { return };
    for (key, change) in changes {
        if change.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), change);
        }
    }
}

/// A configuration with a patch applied. A patch that fixes the number of replicas ends the automatic scaling that it
/// contradicts, and the other way round; a warm-up's body is a value of its own and is never merged.
pub(crate) fn patched(config: &Value, patch: &Value) -> Value {
    let mut config = config.clone();
    let given = |pointer: &str| patch.pointer(pointer).is_some_and(|value| !value.is_null());
    let scaled = given("/autoScaler") || given("/scorehost/scaling/minReplicas");
    if given("/numReplicas") && !scaled {
        remove(&mut config, &["autoScaler"]);
        remove(&mut config, &["scorehost", "scaling", "minReplicas"]);
    } else if scaled && !given("/numReplicas") {
        remove(&mut config, &["numReplicas"]);
    }
    let body = |key: &str| given(&format!("/scorehost/warmUp/{key}"));
    if body("body") || body("bodyBase64") {
        remove(&mut config, &["scorehost", "warmUp", "body"]);
        remove(&mut config, &["scorehost", "warmUp", "bodyBase64"]);
    }
    merge(&mut config, patch);
    if let (Some(body), Some(merged)) =
        (patch.pointer("/scorehost/warmUp/body"), config.pointer_mut("/scorehost/warmUp/body"))
    {
        *merged = body.clone();
    }
    config
}

fn remove(config: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let parent = parents.iter().try_fold(config, |value, key| value.get_mut(*key));
    if let Some(Value::Object(fields)) = parent {
        fields.remove(*last);
    }
}

/// The patch of a change of replicas; a bound that is not given stays. The automatic scaling's minimum is at least 1 in
/// the Azure file, so 0 goes into the extension.
pub(crate) fn scaling(scale: &Scale) -> Value {
    if let Some(replicas) = scale.num_replicas {
        return json!({"numReplicas": replicas});
    }
    let mut scaler = Map::from_iter([("autoscaleEnabled".to_owned(), Value::Bool(true))]);
    let mut extra = Map::new();
    if let Some(min) = scale.min_replicas {
        let (of_file, of_extension) = if min == 0 { (Value::Null, json!(0)) } else { (json!(min), Value::Null) };
        scaler.insert("minReplicas".to_owned(), of_file);
        extra.insert("minReplicas".to_owned(), of_extension);
    }
    if let Some(max) = scale.max_replicas {
        scaler.insert("maxReplicas".to_owned(), json!(max));
    }
    let mut patch = json!({"autoScaler": scaler});
    if !extra.is_empty() {
        patch["scorehost"] = json!({"scaling": extra});
    }
    patch
}

#[cfg(test)]
mod tests;
