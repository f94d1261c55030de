//! One deployment as its replicas share it: what it was given, and its way out.

use std::ops::Deref;
use std::sync::Arc;

use crate::Environment;
use crate::outbound::Outgoing;
use crate::residency::Residency;

/// An [`Environment`] in use.
pub(crate) struct Deployed {
    pub(crate) environment: Environment,
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) residency: Residency,
}

impl Deref for Deployed {
    type Target = Environment;

    fn deref(&self) -> &Environment {
        &self.environment
    }
}
