//! Which services may call which, as far as the deployments grant it: circles are refused before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use scorehost_core::ServiceName;

use crate::ControlError;
use crate::catalog::Service;

/// The services that each service may call, by all of its versions.
pub(crate) type Grants = BTreeMap<ServiceName, BTreeSet<ServiceName>>;

/// What the versions of a service may call.
pub(crate) fn granted(service: &Service) -> BTreeSet<ServiceName> {
    service.versions.values().flat_map(|version| version.spec.grants.services.iter().cloned()).collect()
}

/// Refuses a service through whose calls a request could come back to it.
pub(crate) fn check(name: &ServiceName, grants: &Grants) -> Result<(), ControlError> {
    let mut reached: BTreeMap<&ServiceName, &ServiceName> = BTreeMap::new();
    let mut next = vec![name];
    while let Some(from) = next.pop() {
        for to in grants.get(from).into_iter().flatten() {
            if to == name {
                return Err(ControlError::Circle { chain: chain(name, from, &reached) });
            }
            if !reached.contains_key(to) {
                reached.insert(to, from);
                next.push(to);
            }
        }
    }
    Ok(())
}

/// The services from `name` on to `last` and back.
fn chain(name: &ServiceName, last: &ServiceName, reached: &BTreeMap<&ServiceName, &ServiceName>) -> String {
    let mut names = vec![name.as_str()];
    let mut at = last;
    while at != name {
        names.push(at.as_str());
        at = reached[at];
    }
    names.push(name.as_str());
    names.reverse();
    names.join(" → ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn grants(all: &[(&str, &[&str])]) -> Grants {
        let name = |name: &&str| name.parse::<ServiceName>().unwrap();
        all.iter().map(|(from, to)| (name(from), to.iter().map(name).collect())).collect()
    }

    #[test]
    fn a_circle_is_named_from_its_service_on() {
        let check = |name: &str, all: &[(&str, &[&str])]| {
            super::check(&name.parse().unwrap(), &grants(all)).err().map(|error| error.to_string())
        };
        assert_eq!(check("front", &[("front", &["embed", "rank"]), ("rank", &["embed"])]), None);
        let own = check("front", &[("front", &["front"])]).unwrap();
        assert_eq!(own, "services would call each other in a circle: front → front");
        let long =
            check("front", &[("front", &["rank"]), ("rank", &["embed"]), ("embed", &["front", "rank"])]).unwrap();
        assert_eq!(long, "services would call each other in a circle: front → rank → embed → front");
        // A circle that the service is no part of was refused when it was made, or is none.
        assert_eq!(check("front", &[("front", &["rank"]), ("rank", &["embed"]), ("embed", &["rank"])]), None);
    }
}
