use std::collections::BTreeMap;
use std::path::Path;

use scorehost_control::client::{Client, digest_of_bytes};
use scorehost_control::files::DeploymentConfig;
use scorehost_control::wire;
use scorehost_core::Failure;
use serde_json::{Value, json};

use super::{operation, scorer, service};
use crate::args::DeployArgs;
use crate::error::Doing;
use crate::progress::Bar;
use crate::screen::Screen;
use crate::source::{read, read_text};
use crate::{CliError, Host};

/// Variables of a deployment by name.
type Variables = BTreeMap<String, String>;

pub(super) fn run(
    host: &dyn Host,
    client: &Client,
    arguments: DeployArgs,
    screen: &mut Screen<'_>,
) -> Result<(), CliError> {
    let name = arguments.name.clone();
    let doing = || format!("deploy service '{name}'");
    let deployment = arguments.dc.as_deref().map(deployment_config).transpose()?;
    let (component, mut variables) = component(&arguments, screen)?;
    variables.extend(arguments.variables);
    let scorer = match component {
        Some(component) => {
            check(host, &component).doing(doing)?;
            Some(upload(client, &component).doing(doing)?)
        }
        None => None,
    };
    let signature = arguments.signature.as_deref().map(read_text).transpose()?;
    let deployment = wire::Deployment {
        models: arguments.models,
        scorer,
        signature: signature.map(|line| line.trim().to_owned()),
        deployment: if arguments.no_auth { Some(opened(deployment)) } else { deployment },
        variables,
        version: arguments.version.map(|version| version.to_string()),
        traffic: arguments.traffic,
    };
    let started = client.deploy(&name, &deployment).doing(doing)?;
    match operation::conclude(client, started, arguments.no_wait && !arguments.wait, screen)? {
        Some(_) => service::show(client, &name, screen),
        None => Ok(()),
    }
}

/// The configuration with a service that everyone may call.
fn opened(deployment: Option<Value>) -> Value {
    let mut deployment = deployment.unwrap_or_else(|| json!({"computeType": "local"}));
    if let Value::Object(fields) = &mut deployment {
        fields.insert("authEnabled".to_owned(), Value::Bool(false));
        fields.remove("tokenAuthEnabled");
        fields.remove("keys");
    }
    deployment
}

/// Reads and checks the file here, where its name is known, and passes it on as it is.
pub(super) fn deployment_config(path: &Path) -> Result<Value, CliError> {
    let text = read_text(path)?;
    let doing = || format!("use '{}'", path.display());
    DeploymentConfig::parse(&text).doing(doing)?;
    serde_json::from_str(&text).map_err(|error| Failure::invalid(error.to_string())).doing(doing)
}

/// The scorer's component, given or built, and the variables of its environment.
fn component(arguments: &DeployArgs, screen: &mut Screen<'_>) -> Result<(Option<Vec<u8>>, Variables), CliError> {
    if let Some(path) = &arguments.scorer {
        return Ok((Some(read(path)?), Variables::new()));
    }
    let Some(path) = &arguments.ic else { return Ok((None, Variables::new())) };
    let config = scorehost_build::read_inference_config(path).doing(|| format!("use '{}'", path.display()))?;
    for warning in &config.warnings {
        screen.note(&format!("warning: {warning}"));
    }
    let built = scorer::build(&config.build, screen)?;
    Ok((Some(built.component), config.variables))
}

/// Refuses what the server would refuse, before anything is uploaded.
fn check(host: &dyn Host, component: &[u8]) -> Result<(), Failure> {
    let inspection = host.inspect(component)?;
    let refused: Vec<&str> = inspection
        .capabilities
        .iter()
        .filter(|capability| !capability.granted)
        .flat_map(|capability| capability.imports.iter().map(String::as_str))
        .collect();
    if !refused.is_empty() {
        let message = format!("the scorer imports what this host does not grant: {}", refused.join(", "));
        return Err(Failure::invalid(message).with_hint("scorehost scorer inspect shows what it can reach"));
    }
    if inspection.world.is_none() {
        let message = format!("the component is no scorer; it exports [{}]", inspection.exports.join(", "));
        return Err(Failure::invalid(message).with_hint("start from a template: scorehost scorer new rust DIR"));
    }
    Ok(())
}

fn upload(client: &Client, component: &[u8]) -> Result<String, Failure> {
    let digest = digest_of_bytes(component);
    let bar = Bar::bytes("uploading the scorer", component.len() as u64);
    let mut content = component;
    client.upload(&digest, component.len() as u64, &mut content, &mut |bytes| bar.advance(bytes))?;
    Ok(digest.to_string())
}
