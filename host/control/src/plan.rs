//! What an operation makes of a service: from what is acknowledged to what is to be, without doing anything yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use scorehost_core::{Access, EndpointSpec, Failure, ServiceName, ServiceSpec, Traffic, VersionName};
use serde_json::Value;

use crate::access::{self, NewKey};
use crate::catalog::{Service, Version};
use crate::files::DeploymentConfig;
use crate::{ControlError, traffic};

/// A service as it is to be once an operation has succeeded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The service; `None` where it goes.
    pub(crate) after: Option<Service>,
    /// Versions that are realised, also where their description did not change.
    pub(crate) put: BTreeSet<VersionName>,
    /// The version that the operation is about, where it is about one.
    pub(crate) version: Option<VersionName>,
    /// What is asked for and does not act.
    pub(crate) warnings: Vec<String>,
}

/// What plans are made with.
pub(crate) struct Context<'a> {
    /// Versions of one service at most.
    pub(crate) max_versions: usize,
    /// Unix seconds.
    pub(crate) now: u64,
    pub(crate) new_key: &'a NewKey,
}

/// A version as a deployment describes it.
pub(crate) struct Candidate {
    /// Its name is that of a service with one version until it is known which version it is.
    pub(crate) spec: ServiceSpec,
    /// The configuration that the request gave.
    pub(crate) config: DeploymentConfig,
    /// What is kept of it.
    pub(crate) kept: Value,
    pub(crate) version: Option<VersionName>,
    /// Percent of the requests that it is to get.
    pub(crate) percent: Option<f64>,
}

impl Plan {
    /// Runs a candidate: as the first version of a new service, a further version, or in place of one.
    pub(crate) fn deploy(
        before: Option<&Service>,
        candidate: Candidate,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let Candidate { spec, config, kept, version, percent } = candidate;
        let named = version.or_else(|| before.map(|service| service.default().clone()));
        let version = named.unwrap_or_else(VersionName::first);
        let access = access::decide(before.map(|service| &service.front.access), &config, context.new_key)?;
        let mut service = match before {
            Some(service) => service.clone(),
            None => new_service(&spec.name, access.clone(), &version, context.now),
        };
        check_room(&service, &version, context.max_versions)?;
        let created = service.versions.get(&version).map_or(context.now, |former| former.created);
        let spec = Arc::new(ServiceSpec { version: version.clone(), ..spec });
        let made = Version { spec, config: Arc::new(kept), running: true, created, updated: context.now };
        service.versions.insert(version.clone(), made);
        let mut shares = service.front.traffic.clone();
        let mut warnings = Vec::new();
        match percent {
            Some(_) if version == shares.default => warnings
                .push(format!("trafficPercentile: version {version} is the default and gets what the others leave")),
            Some(percent) => traffic::give(&mut shares, &version, percent),
            None => {}
        }
        let front = EndpointSpec { name: service.name().clone(), access, traffic: shares };
        let put = BTreeSet::from([version.clone()]);
        Ok(Self { put, version: Some(version), warnings, ..Self::with_front(service, front, context)? })
    }

    /// Runs other settings of a version in place of `former`; nothing is realised where only the front changes.
    pub(crate) fn update(
        before: &Service,
        former: &Arc<ServiceSpec>,
        candidate: Candidate,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        let version = former.version.clone();
        let current = before.version(&version)?;
        if !Arc::ptr_eq(&current.spec, former) {
            return Err(ControlError::Changed { service: before.name().clone() }.into());
        }
        let access = access::decide(Some(&before.front.access), &candidate.config, context.new_key)?;
        let changed = candidate.spec != **former;
        let mut service = before.clone();
        let made = Version {
            spec: if changed { Arc::new(candidate.spec) } else { Arc::clone(former) },
            config: Arc::new(candidate.kept),
            updated: context.now,
            ..current.clone()
        };
        let put = if changed && made.running { BTreeSet::from([version.clone()]) } else { BTreeSet::new() };
        service.versions.insert(version.clone(), made);
        let front = EndpointSpec { access, ..(*before.front).clone() };
        Ok(Self { put, version: Some(version), ..Self::with_front(service, front, context)? })
    }

    /// Divides requests otherwise.
    pub(crate) fn traffic(before: &Service, traffic: Traffic, context: &Context<'_>) -> Result<Self, Failure> {
        let front = EndpointSpec { traffic, ..(*before.front).clone() };
        Self::with_front(before.clone(), front, context)
    }

    /// Makes a version the default.
    pub(crate) fn promote(before: &Service, version: &VersionName, context: &Context<'_>) -> Result<Self, Failure> {
        before.version(version)?;
        let mut shares = before.front.traffic.clone();
        traffic::promote(&mut shares, version);
        Ok(Self { version: Some(version.clone()), ..Self::traffic(before, shares, context)? })
    }

    /// Lets other callers in.
    pub(crate) fn access(before: &Service, access: Access, context: &Context<'_>) -> Result<Self, Failure> {
        let front = EndpointSpec { access, ..(*before.front).clone() };
        Self::with_front(before.clone(), front, context)
    }

    /// Deletes a version; with the last one the service goes.
    pub(crate) fn delete_version(
        before: &Service,
        version: &VersionName,
        context: &Context<'_>,
    ) -> Result<Self, Failure> {
        before.version(version)?;
        if before.versions.len() == 1 {
            return Ok(Self { version: Some(version.clone()), ..Self::delete() });
        }
        if version == before.default() {
            return Err(
                ControlError::DefaultVersion { service: before.name().clone(), version: version.clone() }.into()
            );
        }
        let mut service = before.clone();
        service.versions.remove(version);
        let mut shares = before.front.traffic.clone();
        traffic::withdraw(&mut shares, version);
        let front = EndpointSpec { traffic: shares, ..(*before.front).clone() };
        Ok(Self { version: Some(version.clone()), ..Self::with_front(service, front, context)? })
    }

    /// Deletes the service.
    pub(crate) fn delete() -> Self {
        Self::default()
    }

    /// Runs all versions; those that `ready` knows to answer are left alone.
    pub(crate) fn load(before: &Service, ready: impl Fn(&VersionName) -> bool, context: &Context<'_>) -> Self {
        let put = before.versions.keys().filter(|version| !ready(version)).cloned().collect();
        Self { put, ..Self::with_running(before, true, context) }
    }

    /// Stops all versions and keeps their descriptions.
    pub(crate) fn unload(before: &Service, context: &Context<'_>) -> Self {
        Self::with_running(before, false, context)
    }

    fn with_running(before: &Service, running: bool, context: &Context<'_>) -> Self {
        let mut service = before.clone();
        for version in service.versions.values_mut().filter(|version| version.running != running) {
            (version.running, version.updated) = (running, context.now);
        }
        service.updated = context.now;
        Self { after: Some(service), ..Self::default() }
    }

    fn with_front(mut service: Service, front: EndpointSpec, context: &Context<'_>) -> Result<Self, Failure> {
        traffic::check(&service, &front.traffic)?;
        if *service.front != front {
            service.front = Arc::new(front);
        }
        service.updated = context.now;
        Ok(Self { after: Some(service), ..Self::default() })
    }
}

fn new_service(name: &ServiceName, access: Access, version: &VersionName, now: u64) -> Service {
    let front = EndpointSpec::new(name.clone(), access, version.clone());
    Service { front: Arc::new(front), versions: BTreeMap::new(), created: now, updated: now }
}

fn check_room(service: &Service, version: &VersionName, limit: usize) -> Result<(), ControlError> {
    if service.versions.contains_key(version) || service.versions.len() < limit {
        return Ok(());
    }
    let versions = service.in_order().into_iter().map(|(version, _)| version.clone()).collect();
    Err(ControlError::TooManyVersions { service: service.name().clone(), version: version.clone(), limit, versions })
}
