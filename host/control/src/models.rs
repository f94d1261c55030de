//! Models: register, list, show, delete.

use bytes::Bytes;
use http::{Response, StatusCode};
use scorehost_core::{Digest, Failure, ModelId, ModelName};
use scorehost_registry::{NewFile, NewModel, RegisteredModel, Registry, RegistryError};

use crate::ControlError;
use crate::body::{self, Body, BodyError};
use crate::routes::Query;
use crate::services::Control;
use crate::{respond, wire};

impl Control {
    pub(crate) async fn register<B>(&self, content: B) -> Result<Response<Body>, Failure>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
        B::Error: Into<BodyError>,
    {
        let content = body::read(content, self.0.config.max_json_bytes).await?;
        let model: wire::NewModel = body::json(&content)?;
        let (count, limit) = (model.files.len(), self.0.config.max_model_files);
        if count == 0 || count > limit {
            return Err(ControlError::FileCount { count, limit }.into());
        }
        let registered = self.0.store(move |registry| register(registry, model)).await?;
        Ok(respond::json(StatusCode::CREATED, &shown(&registered)))
    }

    pub(crate) async fn models(&self, query: &Query) -> Result<Response<Body>, Failure> {
        let name = query.get("name").map(str::parse::<ModelName>).transpose()?;
        let mut models = self.0.store(|registry| Ok::<_, Failure>(registry.models()?)).await?;
        models.retain(|model| name.as_ref().is_none_or(|name| model.id.name == *name));
        models.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(respond::json(StatusCode::OK, &wire::Models { models: models.iter().map(shown).collect() }))
    }

    pub(crate) async fn model(&self, name: &str) -> Result<Response<Body>, Failure> {
        let name = name.to_owned();
        let model = self.0.store(move |registry| find(registry, &name)).await?;
        Ok(respond::json(StatusCode::OK, &shown(&model)))
    }

    pub(crate) async fn delete_model(&self, name: &str) -> Result<Response<Body>, Failure> {
        let id: ModelId = name.parse()?;
        // From here on no deployment can begin to use it.
        let _gate = self.0.models_gate.lock().await;
        let services = self.0.catalog.users(&id);
        if !services.is_empty() {
            return Err(ControlError::InUse { model: id, services }.into());
        }
        self.0.store(move |registry| registry.delete_model(&id)).await?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }
}

fn register(registry: &Registry, model: wire::NewModel) -> Result<RegisteredModel, Failure> {
    let mut files = Vec::with_capacity(model.files.len());
    for file in model.files {
        let digest: Digest = file.digest.parse()?;
        let stored = registry.blob_size(&digest)?;
        let stored = stored.ok_or_else(|| ControlError::MissingBlob { path: file.path.clone(), digest })?;
        if stored != file.size {
            return Err(ControlError::BlobSize { path: file.path, digest, declared: file.size, stored }.into());
        }
        files.push(NewFile { path: file.path, digest });
    }
    let name = model.name.parse()?;
    Ok(registry.register(NewModel { name, description: model.description, tags: model.tags, files })?)
}

/// The model of a `name:version`, or the newest one of a `name`.
pub(crate) fn find(registry: &Registry, name: &str) -> Result<RegisteredModel, Failure> {
    if name.contains(':') {
        return Ok(registry.model(&name.parse()?)?);
    }
    match registry.latest(&name.parse()?) {
        Err(RegistryError::NameMissing { .. }) => {
            let known = known(registry.models()?.iter().map(|model| model.id.to_string()));
            Err(ControlError::NoModel { model: name.to_owned(), known }.into())
        }
        found => Ok(found?),
    }
}

/// A list of names for a message: at most 20.
pub(crate) fn known(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.take(21).collect();
    if names.len() > 20 {
        names[20] = "…".to_owned();
    }
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn shown(model: &RegisteredModel) -> wire::Model {
    let files = model.files.iter().map(|file| wire::ModelFile {
        path: file.path.clone(),
        digest: file.digest.to_string(),
        size: file.size,
    });
    wire::Model {
        id: model.id.to_string(),
        name: model.id.name.to_string(),
        version: model.id.version,
        description: model.description.clone(),
        tags: model.tags.clone(),
        created: model.created,
        size: model.files.iter().map(|file| file.size).sum(),
        files: files.collect(),
    }
}
