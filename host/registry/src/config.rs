//! What can be set.

use std::sync::Arc;
use std::time::Duration;

use scorehost_core::{Clock, SystemClock};

/// Settings of a [`crate::Registry`].
#[derive(Clone)]
pub struct RegistryConfig {
    /// Age below which a blob that nothing refers to is kept: uploads whose model is not registered yet.
    pub upload_grace: Duration,
    /// Gives the time of registration and the age of blobs.
    pub clock: Arc<dyn Clock>,
}

impl Default for RegistryConfig {
    /// One hour of grace, the machine's clock.
    fn default() -> Self {
        Self { upload_grace: Duration::from_secs(3600), clock: Arc::new(SystemClock) }
    }
}
