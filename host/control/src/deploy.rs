//! Deploy, update and scale: requests into candidates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use scorehost_core::{Digest, Failure, ModelRef, ResponseCache, ScorerRef, ServiceName, ServiceSpec, VersionName};
use scorehost_registry::{RegisteredModel, Registry};
use serde_json::Value;

use crate::body::{self, Body, BodyError};
use crate::catalog::Version;
use crate::files::{DeploymentConfig, ModelConfiguration, configuration_path, graph_path};
use crate::models::{find, known};
use crate::operations::Progress;
use crate::plan::{Candidate, Plan};
use crate::services::{Control, accepted};
use crate::{ControlError, merge, wire};

/// Replicas at most in a change of their number.
const MOST_REPLICAS: u32 = 1_000_000;
/// Bytes of a model's configuration at most.
const MOST_CONFIGURATION_BYTES: u64 = 1 << 20;

impl Control {
    pub(crate) async fn deploy<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let name: ServiceName = name.parse()?;
        let deployment = body::json(&body::read(content, self.0.config.max_json_bytes).await?)?;
        Ok(accepted(&*self.deploy_service(name, deployment).await?).await)
    }

    /// Checks a deployment against the registry and starts its operation.
    pub(crate) async fn deploy_service(
        &self,
        name: ServiceName,
        deployment: wire::Deployment,
    ) -> Result<Arc<Progress>, Failure> {
        let wire::Deployment { models, scorer, signature, deployment, variables, version, traffic } = deployment;
        let kept = deployment.unwrap_or_else(merge::nothing_said);
        let config = DeploymentConfig::from_value(&kept)?;
        let version = named_version(version, &config)?;
        let mut warnings = config.warnings();
        let scorer = scorer.as_deref().map(str::parse::<Digest>).transpose()?;
        let _gate = self.0.models_gate.lock().await;
        let Resolved { models, notes, cached } =
            self.0.store(move |registry| resolve(registry, &models, scorer.as_ref())).await?;
        warnings.extend(notes);
        warnings.extend(self.admit(scorer, signature).await?);
        warnings.extend(self.unknown_services(&config));
        let percent = traffic.or(config.traffic_percentile);
        let parts = Parts { scorer: scorer.map(|component| ScorerRef { component }), models, variables, cached };
        let spec = specification(ServiceSpec::new(name.clone()), parts, &config);
        let candidate = Candidate { spec, config, kept: merge::kept(kept), version, percent };
        self.launch("deploy", &name, warnings, |before, context| Plan::deploy(before, candidate, context))
    }

    pub(crate) async fn update<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let name: ServiceName = name.parse()?;
        let update = body::json(&body::read(content, self.0.config.max_json_bytes).await?)?;
        Ok(accepted(&*self.update_service("update", &name, update).await?).await)
    }

    pub(crate) async fn scale<B>(&self, name: &str, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let name: ServiceName = name.parse()?;
        let scale: wire::Scale = body::json(&body::read(content, self.0.config.max_json_bytes).await?)?;
        check_scale(&scale)?;
        let deployment = Some(merge::scaling(&scale));
        let update = wire::Update { version: scale.version, deployment, ..wire::Update::default() };
        Ok(accepted(&*self.update_service("scale", &name, update).await?).await)
    }

    /// Changes a part of a version and leaves everything else as it is.
    async fn update_service(
        &self,
        action: &'static str,
        name: &ServiceName,
        update: wire::Update,
    ) -> Result<Arc<Progress>, Failure> {
        let (service, _) = self.known_service(name)?;
        let version = update.version.as_deref().map(str::parse::<VersionName>).transpose()?;
        let former = service.version(version.as_ref().unwrap_or(service.default()))?.clone();
        let (config, kept) = patched(&former, update.deployment.as_ref())?;
        let mut warnings = config.warnings();
        let _gate = self.0.models_gate.lock().await;
        warnings.extend(self.unknown_services(&config));
        let brought = update.scorer.is_some();
        let parts = self.parts(&former.spec, update.models, update.scorer, update.variables).await?;
        if let Some(scorer) = parts.scorer.filter(|_| brought) {
            warnings.extend(self.admit(Some(scorer.component), update.signature).await?);
        }
        let spec = specification((*former.spec).clone(), parts, &config);
        let candidate = Candidate { spec, config, kept, version: None, percent: None };
        self.launch_existing(action, name, warnings, |before, context| {
            Plan::update(before, &former.spec, candidate, context)
        })
    }

    /// Services that a deployment may call and that are not there: they may come later.
    fn unknown_services(&self, config: &DeploymentConfig) -> Vec<String> {
        let granted = config.grants().services.into_iter();
        let unknown = granted.filter(|name| self.0.catalog.get(name).is_none());
        unknown.map(|name| format!("$.scorehost.grants.services: there is no service '{name}' yet")).collect()
    }

    /// What a version consists of once its changes are applied.
    async fn parts(
        &self,
        former: &ServiceSpec,
        models: Option<Vec<String>>,
        scorer: Option<String>,
        changes: BTreeMap<String, Option<String>>,
    ) -> Result<Parts, Failure> {
        let scorer = match scorer {
            Some(digest) => Some(ScorerRef { component: digest.parse()? }),
            None => former.scorer,
        };
        let names = models.unwrap_or_else(|| former.models.iter().map(|model| model.id.to_string()).collect());
        let component = scorer.map(|scorer| scorer.component);
        let Resolved { models, cached, .. } =
            self.0.store(move |registry| resolve(registry, &names, component.as_ref())).await?;
        let mut variables = former.variables.clone();
        for (name, value) in changes {
            match value {
                Some(value) => variables.insert(name, value),
                None => variables.remove(&name),
            };
        }
        Ok(Parts { scorer, models, variables, cached })
    }
}

/// What a version is made of, beside its settings.
struct Parts {
    scorer: Option<ScorerRef>,
    models: Vec<ModelRef>,
    variables: BTreeMap<String, String>,
    /// Whether the model itself asks for kept answers.
    cached: bool,
}

fn specification(base: ServiceSpec, parts: Parts, config: &DeploymentConfig) -> ServiceSpec {
    let Parts { scorer, models, variables, cached } = parts;
    ServiceSpec {
        name: base.name,
        version: base.version,
        scorer,
        models,
        variables,
        admission: config.admission(),
        scaling: config.scaling(),
        grants: config.grants(),
        collection: config.collection(),
        recording: config.recording(),
        warm_up: config.warm_up(),
        response_cache: config.response_cache().or_else(|| cached.then(ResponseCache::default)),
        pin_models: config.pin_models(),
        batching: config.batching(),
        devices: config.devices(),
    }
}

/// The configuration of a version with a patch applied, checked whole, and what is kept of it.
fn patched(former: &Version, patch: Option<&Value>) -> Result<(DeploymentConfig, Value), Failure> {
    let config = match patch {
        Some(Value::Object(_)) | None => {
            merge::patched(&former.config, patch.unwrap_or(&Value::Object(Default::default())))
        }
        Some(_) => return Err(ControlError::Patch.into()),
    };
    let read = DeploymentConfig::from_value(&config)?;
    Ok((read, merge::kept(config)))
}

/// The version that a deployment names: in the request, or in its file.
fn named_version(asked: Option<String>, config: &DeploymentConfig) -> Result<Option<VersionName>, Failure> {
    let asked = asked.as_deref().map(str::parse::<VersionName>).transpose()?;
    match (asked, config.version_name.clone()) {
        (Some(asked), Some(of_file)) if asked != of_file => Err(ControlError::TwoVersions { asked, of_file }.into()),
        (asked, of_file) => Ok(asked.or(of_file)),
    }
}

fn check_scale(scale: &wire::Scale) -> Result<(), ControlError> {
    let wire::Scale { num_replicas, min_replicas, max_replicas, .. } = scale;
    let bounds = min_replicas.is_some() || max_replicas.is_some();
    if num_replicas.is_some() == bounds {
        return Err(ControlError::Scale);
    }
    for (what, number, least) in
        [("numReplicas", num_replicas, 1), ("minReplicas", min_replicas, 0), ("maxReplicas", max_replicas, 1)]
    {
        if let Some(number) = number.filter(|number| !(least..=MOST_REPLICAS).contains(number)) {
            return Err(ControlError::Replicas { what, number, least });
        }
    }
    Ok(())
}

/// The models of a deployment, and what their own configurations say.
struct Resolved {
    models: Vec<ModelRef>,
    /// What is there and does not act, one sentence each.
    notes: Vec<String>,
    /// Whether the model of a service without a scorer asks for kept answers.
    cached: bool,
}

/// Looks up everything that a deployment names.
fn resolve(registry: &Registry, names: &[String], scorer: Option<&Digest>) -> Result<Resolved, Failure> {
    let models: Vec<RegisteredModel> = names.iter().map(|name| find(registry, name)).collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    if let Some(model) = models.iter().find(|model| !seen.insert(&model.id)) {
        return Err(ControlError::RepeatedModel { model: model.id.clone() }.into());
    }
    match scorer {
        Some(digest) if registry.blob_size(digest)?.is_none() => {
            return Err(ControlError::NoComponent { digest: *digest }.into());
        }
        Some(_) => {}
        None => check_no_code(&models)?,
    }
    let (mut notes, mut cached) = (Vec::new(), false);
    for model in &models {
        let Some((path, configuration)) = configuration(registry, model)? else { continue };
        let place = format!("{path} of model {}", model.id);
        notes.extend(configuration.notes.into_iter().map(|note| format!("{place}: {note}")));
        if configuration.response_cache && scorer.is_some() {
            notes.push(format!(
                "{place}: response_cache acts for services without a scorer; scorehost.responseCache of the deployment keeps a scorer's answers"
            ));
        }
        cached |= configuration.response_cache && scorer.is_none();
    }
    Ok(Resolved { models: models.into_iter().map(|model| ModelRef { id: model.id }).collect(), notes, cached })
}

/// A model's own configuration, where it has one, and its path.
fn configuration(
    registry: &Registry,
    model: &RegisteredModel,
) -> Result<Option<(String, ModelConfiguration)>, Failure> {
    let Some(graph) = graph_path(model.files.iter().map(|file| file.path.as_str())) else { return Ok(None) };
    let read = |path: &str| -> Result<Bytes, Failure> {
        let file = model.files.iter().find(|file| file.path == path);
        let file = file.ok_or_else(|| Failure::internal(format!("model {} has lost its file {path}", model.id)))?;
        // What is larger is no configuration, and would be refused as one for its size.
        let read = file.size <= MOST_CONFIGURATION_BYTES;
        Ok(if read { registry.read_blob(&file.digest)? } else { Bytes::new() })
    };
    let Some(path) = configuration_path(graph, model.files.iter().map(|file| file.path.as_str()), read)? else {
        return Ok(None);
    };
    Ok(Some((path.to_owned(), ModelConfiguration::parse(path, &read(path)?)?)))
}

fn check_no_code(models: &[RegisteredModel]) -> Result<(), ControlError> {
    let [model] = models else { return Err(ControlError::NoCodeModels { count: models.len() }) };
    if has_graph(model) {
        return Ok(());
    }
    let files = known(model.files.iter().map(|file| file.path.clone()));
    Err(ControlError::NoGraph { model: model.id.clone(), files })
}

/// Whether a model has a file that can be a graph.
pub(crate) fn has_graph(model: &RegisteredModel) -> bool {
    model.files.iter().any(|file| file.path.to_ascii_lowercase().ends_with(".onnx"))
}
