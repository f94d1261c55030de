//! `service update` and `service scale`.

use scorehost_control::client::Client;
use scorehost_control::wire::{Scale, Update};
use scorehost_core::Failure;
use serde_json::{Map, Value};

use super::show;
use crate::CliError;
use crate::args::{ScaleArgs, UpdateArgs};
use crate::commands::{deploy, operation};
use crate::error::Doing;
use crate::screen::Screen;

pub(super) fn update(client: &Client, arguments: UpdateArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let name = arguments.service.clone();
    let doing = || format!("update service '{name}'");
    let update = changes(&arguments)?;
    if update.models.is_none() && update.deployment.is_none() && update.variables.is_empty() {
        let failure = Failure::invalid("nothing is to be changed");
        return Err(failure.with_hint("give --set KEY=VALUE, --dc FILE, --var KEY=VALUE or --model NAME")).doing(doing);
    }
    let started = client.update(&name, &update).doing(doing)?;
    match operation::conclude(client, started, arguments.no_wait, screen)? {
        Some(_) => show(client, &name, screen),
        None => Ok(()),
    }
}

pub(super) fn scale(client: &Client, arguments: &ScaleArgs, screen: &mut Screen<'_>) -> Result<(), CliError> {
    let name = &arguments.service;
    let scale = Scale {
        version: arguments.version.as_ref().map(ToString::to_string),
        num_replicas: arguments.replicas,
        min_replicas: arguments.min,
        max_replicas: arguments.max,
    };
    let started = client.scale(name, &scale).doing(|| format!("scale service '{name}'"))?;
    match operation::conclude(client, started, arguments.no_wait, screen)? {
        Some(_) => show(client, name, screen),
        None => Ok(()),
    }
}

fn changes(arguments: &UpdateArgs) -> Result<Update, CliError> {
    let given = arguments.variables.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let removed = arguments.removed.iter().map(|name| (name.clone(), None));
    let mut deployment = arguments.dc.as_deref().map(deploy::deployment_config).transpose()?;
    for (key, value) in &arguments.settings {
        let target = deployment.get_or_insert_with(|| Value::Object(Map::new()));
        set(target, key, value).doing(|| format!("set '{key}'"))?;
    }
    Ok(Update {
        version: arguments.version.as_ref().map(ToString::to_string),
        models: (!arguments.models.is_empty()).then(|| arguments.models.clone()),
        scorer: None,
        signature: None,
        deployment,
        variables: given.chain(removed).collect(),
    })
}

/// Sets one key; dots lead into objects. What is JSON is taken as JSON, everything else as text.
fn set(target: &mut Value, key: &str, value: &str) -> Result<(), Failure> {
    if key == "keys" || key.starts_with("keys.") {
        let failure =
            Failure::invalid("a key is not given on the command line, where everyone on the machine can read it");
        return Err(failure.with_hint("scorehost service keys SERVICE --regenerate primary --key-file FILE"));
    }
    let mut place = target;
    for part in key.split('.') {
        if part.is_empty() {
            return Err(Failure::invalid("a key has an empty part").with_hint("write it like autoScaler.maxReplicas"));
        }
        if place.is_null() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(fields) = place else {
            return Err(Failure::invalid(format!("'{part}' would be below a value that is no object")));
        };
        place = fields.entry(part).or_insert(Value::Null);
    }
    *place = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_nested_and_typed() {
        let mut target = json!({"autoScaler": {"minReplicas": 1}});
        for (key, value) in [
            ("autoScaler.maxReplicas", "5"),
            ("numReplicas", "null"),
            ("authEnabled", "false"),
            ("namespace", "team-a"),
            ("scorehost.scaling.minReplicas", "0"),
        ] {
            set(&mut target, key, value).unwrap();
        }
        let expected = json!({
            "autoScaler": {"minReplicas": 1, "maxReplicas": 5},
            "numReplicas": null,
            "authEnabled": false,
            "namespace": "team-a",
            "scorehost": {"scaling": {"minReplicas": 0}},
        });
        assert_eq!(target, expected);
    }

    #[test]
    fn wrong_settings_are_refused() {
        let mut target = json!({"numReplicas": 1});
        for (key, named) in
            [("numReplicas.x", "no object"), ("a..b", "empty part"), ("keys.primaryKey", "command line")]
        {
            let failure = set(&mut target, key, "1").unwrap_err();
            assert!(failure.message.contains(named), "{key}: {failure}");
        }
    }
}
