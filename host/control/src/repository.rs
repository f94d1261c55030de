//! The Open Inference Protocol's load, unload and index over the same operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use scorehost_core::{BoxFuture, Failure, Repository, RepositoryEntry, ServiceName};

use crate::deploy::Change;
use crate::desired::Observed;
use crate::files::DeploymentConfig;
use crate::models::find;
use crate::operations::Progress;
use crate::services::{Control, has_graph};
use crate::wire;

impl Repository for Control {
    fn index(&self) -> BoxFuture<'_, Result<Vec<RepositoryEntry>, Failure>> {
        Box::pin(self.repository_index())
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(progress) = self.start_load(name).await? else { return Ok(()) };
            outcome(&progress).await
        })
    }

    fn unload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let service: ServiceName = name.parse()?;
            let (stored, _) = self.known_service(&service)?;
            if !stored.running {
                return Ok(());
            }
            outcome(&*self.launch("unload", &service, Change::Stop, Vec::new())?).await
        })
    }
}

impl Control {
    /// Services first, then the newest version of each model with a graph that no service is named after.
    async fn repository_index(&self) -> Result<Vec<RepositoryEntry>, Failure> {
        let mut entries = BTreeMap::new();
        for (stored, _) in self.0.catalog.list() {
            let (ready, reason) = match self.0.board.observed(&stored.spec.key()) {
                Some(Observed::Ready) => (true, String::new()),
                Some(Observed::Progressing { phase }) => (false, phase),
                Some(Observed::Failed(failure)) => (false, failure.to_string()),
                Some(Observed::Gone) | None => (false, "unloaded".to_owned()),
            };
            let name = stored.spec.name.to_string();
            entries.insert(name.clone(), RepositoryEntry { name, version: "1".to_owned(), ready, reason });
        }
        let models = self.0.store(|registry| Ok::<_, Failure>(registry.models()?)).await?;
        let mut newest = BTreeMap::new();
        for model in models.into_iter().filter(has_graph) {
            let version = newest.entry(model.id.name.to_string()).or_insert(0);
            *version = model.id.version.max(*version);
        }
        for (name, version) in newest {
            let reason = "registered, not deployed".to_owned();
            let entry = RepositoryEntry { name: name.clone(), version: version.to_string(), ready: false, reason };
            entries.entry(name).or_insert(entry);
        }
        Ok(entries.into_values().collect())
    }

    /// Begins to load; `None` where there is nothing to do.
    async fn start_load(&self, name: &str) -> Result<Option<Arc<Progress>>, Failure> {
        let stored = name.parse::<ServiceName>().ok().and_then(|service| self.0.catalog.stored(&service));
        if let Some(stored) = stored {
            let service = stored.spec.name.clone();
            let ready = matches!(self.0.board.observed(&stored.spec.key()), Some(Observed::Ready));
            if stored.running && ready {
                return Ok(None);
            }
            return Ok(Some(self.launch("load", &service, Change::Run(stored.spec), Vec::new())?));
        }
        // The model must exist before its name is judged as a service's name, so that a wrong name reads "not found".
        let model = name.to_owned();
        let model = self.0.store(move |registry| find(registry, &model)).await?;
        let service: ServiceName = model.id.name.as_str().parse().map_err(|error: scorehost_core::IdError| {
            Failure::from(error)
                .with_hint(format!("deploy it under another name: scorehost deploy -n NAME -m {}", model.id))
        })?;
        let deployment = wire::Deployment { models: vec![model.id.to_string()], ..wire::Deployment::default() };
        Ok(Some(self.deploy_service(service, deployment, &DeploymentConfig::default(), Vec::new()).await?))
    }
}

/// The end of an operation as a result.
async fn outcome(progress: &Progress) -> Result<(), Failure> {
    match progress.finished().await.error {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}
