//! The services that a request went through on its way here.

use std::fmt;
use std::sync::Arc;

use crate::ServiceName;

/// Services that called each other, from the one that was asked from outside on. Empty for a request from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain(Option<Arc<Link>>);

#[derive(Debug, PartialEq, Eq)]
struct Link {
    service: ServiceName,
    before: Chain,
    length: usize,
}

impl Chain {
    /// This chain with one more service at its end.
    #[must_use]
    pub fn then(&self, service: ServiceName) -> Self {
        Self(Some(Arc::new(Link { service, before: self.clone(), length: self.len() + 1 })))
    }

    /// Services in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |link| link.length)
    }

    /// Whether the request came from outside.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The service that calls; `None` for a request from outside.
    #[must_use]
    pub fn last(&self) -> Option<&ServiceName> {
        self.0.as_ref().map(|link| &link.service)
    }

    /// Whether the request went through that service.
    #[must_use]
    pub fn contains(&self, service: &str) -> bool {
        let mut at = self;
        while let Some(link) = &at.0 {
            if link.service.as_str() == service {
                return true;
            }
            at = &link.before;
        }
        false
    }
}

impl fmt::Display for Chain {
    /// `first → second → third`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(link) = &self.0 else { return Ok(()) };
        if !link.before.is_empty() {
            write!(f, "{} → ", link.before)?;
        }
        f.write_str(link.service.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_chain_names_its_services_in_order() {
        let name = |name: &str| name.parse::<ServiceName>().unwrap();
        let (none, front) = (Chain::default(), Chain::default().then(name("front")));
        let chain = front.then(name("embed"));
        assert_eq!((none.to_string(), chain.to_string()), (String::new(), "front → embed".to_owned()));
        assert_eq!((none.len(), front.len(), chain.len()), (0, 1, 2));
        assert!(chain.contains("front") && chain.contains("embed") && !chain.contains("rank"));
        assert_eq!((none.last(), chain.last().map(ServiceName::as_str)), (None, Some("embed")));
    }
}
