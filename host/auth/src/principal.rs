//! Who calls.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use scorehost_core::{ErrorKind, Failure};

use crate::AuthError;

/// What a caller of the management API may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Sees models, services, operations and logs; no secrets.
    Reader,
    /// Registers, deploys, deletes, scores, and sees keys and tokens of services.
    Deployer,
    /// Manages credentials and signing keys.
    Admin,
}

impl Role {
    /// Every role, least first.
    pub const ALL: [Self; 3] = [Self::Reader, Self::Deployer, Self::Admin];

    /// Name as the command line and the management API use it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = AuthError;

    fn from_str(name: &str) -> Result<Self, AuthError> {
        let found = Self::ALL.into_iter().find(|role| role.name() == name);
        found.ok_or_else(|| AuthError::Role(name.chars().take(32).collect()))
    }
}

/// A caller whose credential was good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who: `key:primary`, `token:<subject>` or `credential:<name>`. Never the secret.
    pub name: Arc<str>,
    /// What it may do with the management API; `None` for a service's key or token, which may only call the service.
    pub role: Option<Role>,
}

impl Principal {
    /// Whether this caller may do what needs the role.
    ///
    /// # Errors
    /// A `Forbidden` failure that names the role needed.
    pub fn may(&self, needed: Role) -> Result<(), Failure> {
        if self.role.is_some_and(|role| role >= needed) {
            return Ok(());
        }
        Err(self.forbidden(needed))
    }

    #[cold]
    fn forbidden(&self, needed: Role) -> Failure {
        let has = self.role.map_or("no role", Role::name);
        let message = format!("this needs the role '{needed}', and {} has '{has}'", self.name);
        Failure::new(ErrorKind::Forbidden, message)
            .with_hint(format!("ask an admin for: scorehost credential create --name NAME --role {needed}"))
    }
}

/// What a request said of its caller.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// Nothing.
    Nothing,
    /// A bearer credential: a key, a token or a management credential.
    Bearer(&'a str),
    /// An authorization of another form.
    Other,
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Bearer(_) => "Bearer(…)",
            Self::Other => "Other",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_may_what_those_before_it_may() {
        for (held, held_role) in Role::ALL.into_iter().enumerate() {
            let principal = Principal { name: "credential:x".into(), role: Some(held_role) };
            for (needed, needed_role) in Role::ALL.into_iter().enumerate() {
                assert_eq!(principal.may(needed_role).is_ok(), held >= needed, "{held_role} {needed_role}");
            }
            assert_eq!(held_role.name().parse::<Role>().unwrap(), held_role);
        }
        assert!("root".parse::<Role>().is_err());
    }

    #[test]
    fn a_service_key_opens_no_management() {
        let principal = Principal { name: "key:primary".into(), role: None };
        let failure = principal.may(Role::Reader).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Forbidden);
        assert!(failure.message.contains("'reader'") && failure.message.contains("key:primary"), "{failure}");
    }
}
