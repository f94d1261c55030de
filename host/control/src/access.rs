//! Who may call a service: what a deployment asks for, and keys that are made.

use scorehost_core::{Access, Failure, Secret};

use crate::files::{AccessPlan, DeploymentConfig};
use crate::{ControlError, wire};

/// Makes a random key.
pub type NewKey = dyn Fn() -> Result<Secret, Failure> + Send + Sync;

/// Characters of a key at most: it must fit into a request's header.
const LONGEST_KEY: usize = 256;

/// Who may call, once a deployment has been applied: what it asks for; where it says nothing, what was; for a new
/// service, two keys. Keys that exist stay unless others are given.
pub(crate) fn decide(current: Option<&Access>, config: &DeploymentConfig, new_key: &NewKey) -> Result<Access, Failure> {
    let asked = &config.authentication;
    let silent = asked.keys_enabled.is_none()
        && asked.tokens_enabled.is_none()
        && asked.primary_key.is_none()
        && asked.secondary_key.is_none();
    if let Some(current) = current.filter(|_| silent) {
        return Ok(current.clone());
    }
    let (primary, secondary) = match config.access() {
        AccessPlan::Open => return Ok(Access::Open),
        AccessPlan::Tokens => return Ok(Access::Tokens),
        AccessPlan::Keys { primary, secondary } => (primary, secondary),
    };
    let (former_primary, former_secondary) = match current {
        Some(Access::Keys { primary, secondary }) => (Some(primary.clone()), Some(secondary.clone())),
        Some(Access::Open | Access::Tokens) | None => (None, None),
    };
    let choose = |given: Option<Secret>, former: Option<Secret>| match given {
        Some(key) => check_key(&key).map(|()| key).map_err(Failure::from),
        None => former.map_or_else(new_key, Ok),
    };
    Ok(Access::Keys { primary: choose(primary, former_primary)?, secondary: choose(secondary, former_secondary)? })
}

/// One key replaced, the other as it was.
pub(crate) fn replace_key(access: &Access, which: wire::KeyType, key: Secret) -> Option<Access> {
    let Access::Keys { primary, secondary } = access else { return None };
    Some(match which {
        wire::KeyType::Primary => Access::Keys { primary: key, secondary: secondary.clone() },
        wire::KeyType::Secondary => Access::Keys { primary: primary.clone(), secondary: key },
    })
}

/// Refuses a key that no request could carry.
pub(crate) fn check_key(key: &Secret) -> Result<(), ControlError> {
    let key = key.reveal();
    if (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ControlError::Key { longest: LONGEST_KEY })
}

/// What a caller must show.
pub(crate) const fn auth(access: &Access) -> wire::Auth {
    match access {
        Access::Open => wire::Auth::None,
        Access::Keys { .. } => wire::Auth::Key,
        Access::Tokens => wire::Auth::Token,
    }
}
