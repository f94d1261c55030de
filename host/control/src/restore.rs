//! After a restart: documents back into services, and services back onto the board.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scorehost_core::{EndpointSpec, Failure, ServiceName, VersionName};
use scorehost_registry::{DocumentChange, Registry};

use crate::ControlError;
use crate::catalog::{Service, Version};
use crate::document::{self, ENDPOINT, FIRST_FORMAT, Front, OPERATION, VERSION};
use crate::services::Control;
use crate::traffic;
use crate::wire::Operation;

/// What the registry holds.
#[derive(Default)]
struct Found {
    services: BTreeMap<ServiceName, Service>,
    operations: Vec<Operation>,
    /// Services of the first format, which are written anew.
    migrated: Vec<ServiceName>,
    /// Whether everything could be read.
    complete: bool,
}

impl Control {
    /// Puts every stored service on the board, and removes contents that nothing refers to. Returns how many services
    /// should run. A description that cannot be read is reported in the log and kept.
    ///
    /// # Errors
    /// Where the registry cannot be read.
    pub async fn restore(&self) -> Result<usize, Failure> {
        let found = self.0.store(find).await?;
        self.migrate(&found).await?;
        self.0.operations.recall(found.operations);
        let versions = || found.services.values().flat_map(|service| service.versions.values());
        let components: BTreeSet<_> =
            versions().filter_map(|version| version.spec.scorer.map(|scorer| scorer.component)).collect();
        let mut running = 0;
        for (name, service) in found.services {
            running += usize::from(self.put_back(&service));
            self.0.catalog.store(&name, Some(service));
        }
        // An unreadable description may refer to a component, so then nothing is removed.
        if found.complete {
            self.0.store(move |registry| registry.collect_garbage(&components).map(drop)).await?;
        }
        Ok(running)
    }

    /// The front first, so that nobody gets in before it is known who may; it is there for a stopped service, too.
    fn put_back(&self, service: &Service) -> bool {
        self.0.board.put_endpoint(Arc::clone(&service.front));
        for (_, version) in service.running() {
            self.0.board.put(Arc::clone(&version.spec));
        }
        service.running().next().is_some()
    }

    /// Writes services of the first format as their front and version, each in one step.
    async fn migrate(&self, found: &Found) -> Result<(), Failure> {
        for name in &found.migrated {
            let mut changes = document::changes(None, found.services.get(name));
            changes.push(DocumentChange { kind: FIRST_FORMAT, key: name.to_string(), bytes: None });
            self.0.store(move |registry| registry.change_documents(&changes)).await?;
            tracing::warn!(
                service = %name,
                "everyone may call this service, as before; to ask for keys: scorehost service update {name} --set authEnabled=true"
            );
        }
        Ok(())
    }
}

fn find(registry: &Registry) -> Result<Found, Failure> {
    let mut found = Found { complete: true, ..Found::default() };
    let versions = found.versions(registry)?;
    found.fronts(registry, versions)?;
    found.first_format(registry)?;
    for (key, content) in registry.documents(OPERATION)? {
        match serde_json::from_slice(&content) {
            Ok(operation) => found.operations.push(operation),
            Err(error) => tracing::warn!(operation = key, %error, "a former operation is not shown"),
        }
    }
    Ok(found)
}

type Versions = BTreeMap<ServiceName, BTreeMap<VersionName, Version>>;

impl Found {
    fn versions(&mut self, registry: &Registry) -> Result<Versions, Failure> {
        let mut versions = Versions::new();
        for (key, content) in registry.documents(VERSION)? {
            match document::decode_version(&key, &content) {
                Ok(version) => {
                    let of_service = versions.entry(version.spec.name.clone()).or_default();
                    of_service.insert(version.spec.version.clone(), version);
                }
                Err(error) => self.unreadable(&key, &error),
            }
        }
        Ok(versions)
    }

    fn fronts(&mut self, registry: &Registry, mut versions: Versions) -> Result<(), Failure> {
        for (key, content) in registry.documents(ENDPOINT)? {
            let read = document::decode_endpoint(&key, &content);
            match read.and_then(|front| joined(front, &mut versions, &key)) {
                Ok(service) => drop(self.services.insert(service.name().clone(), service)),
                Err(error) => self.unreadable(&key, &error),
            }
        }
        for (name, versions) in versions {
            for version in versions.keys() {
                let reason = "its service has no readable endpoint".to_owned();
                self.unreadable(&name, &ControlError::Document { document: format!("{name}/{version}"), reason });
            }
        }
        Ok(())
    }

    fn first_format(&mut self, registry: &Registry) -> Result<(), Failure> {
        for (key, content) in registry.documents(FIRST_FORMAT)? {
            match document::decode_first_format(&key, &content) {
                Ok(service) if self.services.contains_key(service.name()) => {
                    let reason = "the service is there in the newer format as well, which counts".to_owned();
                    self.unreadable(&key, &ControlError::Document { document: key.clone(), reason });
                }
                Ok(service) => {
                    self.migrated.push(service.name().clone());
                    self.services.insert(service.name().clone(), service);
                }
                Err(error) => self.unreadable(&key, &error),
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, key: impl std::fmt::Display, error: &ControlError) {
        self.complete = false;
        tracing::error!(document = %key, %error, "a stored description is not restored");
    }
}

/// A front with its versions. One whose versions cannot all be read goes on with the others, as long as its default version is there.
fn joined(front: Front, versions: &mut Versions, key: &str) -> Result<Service, ControlError> {
    let Front { spec, created, updated } = front;
    let versions = versions.remove(&spec.name).unwrap_or_default();
    let default = &spec.traffic.default;
    if !versions.contains_key(default) {
        let reason = format!("its default version {default} cannot be read");
        return Err(ControlError::Document { document: key.to_owned(), reason });
    }
    let mut service = Service { front: spec, versions, created, updated };
    let mut shares = service.front.traffic.clone();
    let named = shares.split.iter().map(|(version, _)| version.clone()).chain(shares.control.clone());
    let named = named.chain(shares.shadow.as_ref().map(|shadow| shadow.version.clone()));
    let lost: Vec<VersionName> = named.filter(|version| !service.versions.contains_key(version)).collect();
    if !lost.is_empty() {
        lost.iter().for_each(|version| traffic::withdraw(&mut shares, version));
        let front = EndpointSpec { traffic: shares, ..(*service.front).clone() };
        service.front = Arc::new(front);
    }
    Ok(service)
}
