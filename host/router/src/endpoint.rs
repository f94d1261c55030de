//! One service in the table: its live versions, and which of them answers a request.

use std::sync::Arc;

use scorehost_core::{Asked, Routed, Service, ServiceName, Traffic, VersionName};

use crate::RouteError;
use crate::shadow::{Copies, Mirror, Places};
use division::Division;
use turns::Turns;

mod division;
mod split;
mod sticky;
mod turns;

pub(crate) use split::{reach, share};

/// A service's versions and traffic. What is in the table never changes: a change makes another one.
#[derive(Clone)]
pub(crate) struct Endpoint {
    name: ServiceName,
    /// Live versions, in the order in which they are listed.
    versions: Vec<Arc<dyn Service>>,
    traffic: Option<Traffic>,
    /// Where the default is among the versions.
    default: Option<usize>,
    /// Which requests go elsewhere; `None` where all go to the default.
    division: Option<Division>,
    /// Which requests are copied, and where to.
    copies: Option<Copies>,
    turns: Arc<Turns>,
    places: Arc<Places>,
    mirror: Option<Arc<Mirror>>,
}

impl Endpoint {
    pub(crate) fn new(name: ServiceName, mirror: Option<Arc<Mirror>>) -> Self {
        Self {
            name,
            versions: Vec::new(),
            traffic: None,
            default: None,
            division: None,
            copies: None,
            turns: Arc::default(),
            places: Arc::default(),
            mirror,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.traffic.is_none()
    }

    pub(crate) fn versions(&self) -> &[Arc<dyn Service>] {
        &self.versions
    }

    pub(crate) fn default(&self) -> Option<&Arc<dyn Service>> {
        Some(&self.versions[self.default?])
    }

    pub(crate) fn put(&mut self, service: Arc<dyn Service>) -> Option<Arc<dyn Service>> {
        let former = match self.find(&service.status().version) {
            Some(at) => Some(std::mem::replace(&mut self.versions[at], service)),
            None => {
                self.versions.push(service);
                self.versions.sort_by(|a, b| listed(&a.status().version).cmp(&listed(&b.status().version)));
                None
            }
        };
        self.plan();
        former
    }

    pub(crate) fn remove(&mut self, version: &VersionName) -> Option<Arc<dyn Service>> {
        let removed = self.find(version.as_str()).map(|at| self.versions.remove(at));
        self.plan();
        removed
    }

    pub(crate) fn set_traffic(&mut self, traffic: Option<Traffic>) {
        self.traffic = traffic;
        self.plan();
    }

    /// The version that answers.
    pub(crate) fn route(&self, asked: &Asked<'_>) -> Result<Routed, RouteError> {
        if let Some(version) = asked.version {
            return self.addressed(version);
        }
        let (None, None) = (&self.division, &self.copies) else { return self.divided(asked) };
        let service = self.default().ok_or_else(|| self.not_ready(None))?;
        Ok(self.routed(Arc::clone(service)))
    }

    fn divided(&self, asked: &Asked<'_>) -> Result<Routed, RouteError> {
        let turn = self.turns.next();
        let chosen = self.division.as_ref().and_then(|division| division.choose(asked, turn));
        let at = chosen.or(self.default).ok_or_else(|| self.not_ready(None))?;
        let service = Arc::clone(&self.versions[at]);
        Ok(self.routed(match &self.copies {
            Some(copies) => copies.with_copy(service, at, turn.second()),
            None => service,
        }))
    }

    fn addressed(&self, version: &str) -> Result<Routed, RouteError> {
        match self.find(version) {
            Some(at) => Ok(self.routed(Arc::clone(&self.versions[at]))),
            None => Err(self.not_ready(Some(version))),
        }
    }

    fn routed(&self, service: Arc<dyn Service>) -> Routed {
        Routed { service, several: self.versions.len() > 1 }
    }

    /// Why `version`, or the default, does not answer: it is to be there and is not ready, or nobody knows it.
    #[cold]
    fn not_ready(&self, version: Option<&str>) -> RouteError {
        let names = self.traffic.iter().flat_map(named);
        let expected = names.into_iter().find(|name| version.is_none_or(|version| **name.as_str() == *version));
        match (expected, version) {
            (Some(expected), _) => {
                RouteError::NotReady { service: self.name.clone(), version: Arc::clone(expected.as_str()) }
            }
            (None, Some(version)) => {
                let known = self.versions.iter().map(|service| Arc::clone(&service.status().version)).collect();
                RouteError::no_version(&self.name, version, known)
            }
            (None, None) => RouteError::no_service(self.name.as_str()),
        }
    }

    fn find(&self, version: &str) -> Option<usize> {
        self.versions.iter().position(|service| *service.status().version == *version)
    }

    /// Works out anew what every request will ask.
    fn plan(&mut self) {
        let find = |version: &VersionName| self.find(version.as_str());
        let Some(traffic) = &self.traffic else {
            self.default = (!self.versions.is_empty()).then_some(0);
            (self.division, self.copies) = (None, None);
            return;
        };
        let default = find(&traffic.default);
        let division = Division::new(&self.name, traffic, find);
        let copies = match (&traffic.shadow, &self.mirror) {
            (Some(shadow), Some(mirror)) => Copies::new(&self.versions, shadow, &self.places, mirror),
            _ => None,
        };
        (self.default, self.division, self.copies) = (default, division, copies);
    }
}

/// The versions that a traffic names, the default first.
fn named(traffic: &Traffic) -> impl Iterator<Item = &VersionName> {
    let split = traffic.split.iter().map(|(version, _)| version);
    std::iter::once(&traffic.default).chain(split).chain(traffic.shadow.iter().map(|shadow| &shadow.version))
}

/// Numbers in their order, then names.
fn listed(version: &str) -> (bool, u32, &str) {
    let number = version.parse::<u32>();
    (number.is_err(), number.unwrap_or(0), version)
}

#[cfg(test)]
mod tests;
