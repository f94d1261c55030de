//! The Open Inference Protocol's load, unload and index over the same operations.

use std::collections::BTreeMap;
use std::sync::Arc;

use scorehost_core::{BoxFuture, Failure, Repository, RepositoryEntry, ServiceName, VersionName};

use crate::catalog::Service;
use crate::deploy::has_graph;
use crate::desired::Observed;
use crate::endpoint::succeeded;
use crate::models::find;
use crate::operations::Progress;
use crate::plan::Plan;
use crate::services::Control;
use crate::wire;

impl Repository for Control {
    fn index(&self) -> BoxFuture<'_, Result<Vec<RepositoryEntry>, Failure>> {
        Box::pin(self.repository_index())
    }

    fn load<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let Some(progress) = self.start_load(name).await? else { return Ok(()) };
            succeeded(&progress).await
        })
    }

    fn unload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let name: ServiceName = name.parse()?;
            let (service, _) = self.known_service(&name)?;
            if service.running().next().is_none() {
                return Ok(());
            }
            let progress = self
                .launch_existing("unload", &name, Vec::new(), |service, context| Ok(Plan::unload(service, context)))?;
            succeeded(&progress).await
        })
    }
}

impl Control {
    /// Every version of every service first, then the newest version of each model with a graph that no service is named after.
    async fn repository_index(&self) -> Result<Vec<RepositoryEntry>, Failure> {
        let mut entries: BTreeMap<String, Vec<RepositoryEntry>> = BTreeMap::new();
        for (service, _) in self.0.catalog.list() {
            let versions = service.in_order().into_iter().map(|(version, _)| self.entry(&service, version)).collect();
            entries.insert(service.name().to_string(), versions);
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
            entries.entry(name).or_insert_with(|| vec![entry]);
        }
        Ok(entries.into_values().flatten().collect())
    }

    fn entry(&self, service: &Service, version: &VersionName) -> RepositoryEntry {
        let (ready, reason) = match self.0.board.observed(&service.key(version)) {
            Some(Observed::Ready) => (true, String::new()),
            Some(Observed::Progressing { phase }) => (false, phase),
            Some(Observed::Failed(failure)) => (false, failure.to_string()),
            Some(Observed::Gone) | None => (false, "unloaded".to_owned()),
        };
        RepositoryEntry { name: service.name().to_string(), version: version.to_string(), ready, reason }
    }

    /// Begins to load; `None` where there is nothing to do.
    async fn start_load(&self, name: &str) -> Result<Option<Arc<Progress>>, Failure> {
        let stored = name.parse::<ServiceName>().ok().and_then(|service| self.0.catalog.stored(&service));
        let Some(stored) = stored else { return self.load_model(name).await.map(Some) };
        let board = &self.0.board;
        let ready = |service: &Service, version: &VersionName| {
            matches!(board.observed(&service.key(version)), Some(Observed::Ready))
        };
        if stored.versions.iter().all(|(name, version)| version.running && ready(&stored, name)) {
            return Ok(None);
        }
        let progress = self.launch_existing("load", stored.name(), Vec::new(), |service, context| {
            Ok(Plan::load(service, |version| ready(service, version), context))
        });
        progress.map(Some)
    }

    async fn load_model(&self, name: &str) -> Result<Arc<Progress>, Failure> {
        // The model must exist before its name is judged as a service's name, so that a wrong name reads "not found".
        let model = name.to_owned();
        let model = self.0.store(move |registry| find(registry, &model)).await?;
        let service: ServiceName = model.id.name.as_str().parse().map_err(|error: scorehost_core::IdError| {
            Failure::from(error)
                .with_hint(format!("deploy it under another name: scorehost deploy -n NAME -m {}", model.id))
        })?;
        let deployment = wire::Deployment { models: vec![model.id.to_string()], ..wire::Deployment::default() };
        self.deploy_service(service, deployment).await
    }
}
