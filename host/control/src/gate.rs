//! Who may bring components in, and what a component is: asked before one is deployed.

use std::sync::Arc;

use scorehost_core::{Digest, Failure, Grants};

use crate::services::{Control, Inner};
use crate::wire;

/// Judges components before they run. The assembly implements it; its calls block.
pub trait Gate: Send + Sync {
    /// Lets a stored component in, or says why not. The signature, a line as `scorehost scorer sign` writes it, is kept with the
    /// component. Returns what the deployer should know.
    ///
    /// # Errors
    /// `Forbidden` where a signature by a trusted key is required and missing or wrong, or where the component contains what
    /// this host refuses.
    fn admit(&self, component: &Digest, signature: Option<&str>) -> Result<Vec<String>, Failure>;

    /// What a stored component can reach under these grants, and who signed it.
    ///
    /// # Errors
    /// Where it cannot be read.
    fn manifest(&self, component: &Digest, grants: &Grants) -> Result<wire::Manifest, Failure>;
}

impl Control {
    /// Has every component judged from now on. Without a gate every component is let in.
    pub fn guard(&self, gate: Arc<dyn Gate>) {
        // The first gate stays.
        let _ = self.0.gate.set(gate);
    }

    /// Has the component of a deployment judged; what the deployer should know.
    pub(crate) async fn admit(
        &self,
        component: Option<Digest>,
        signature: Option<String>,
    ) -> Result<Vec<String>, Failure> {
        let Some(component) = component else { return Ok(Vec::new()) };
        let asked = self.0.ask(move |gate| gate.admit(&component, signature.as_deref())).await;
        asked.unwrap_or_else(|| Ok(Vec::new()))
    }

    /// What a component can reach; `None` where there is none, or nobody who knows.
    pub(crate) async fn manifest(&self, component: Option<Digest>, grants: Grants) -> Option<wire::Manifest> {
        let component = component?;
        match self.0.ask(move |gate| gate.manifest(&component, &grants)).await? {
            Ok(manifest) => Some(manifest),
            Err(failure) => {
                tracing::warn!(%component, detail = failure.detail, "a component cannot be shown: {failure}");
                None
            }
        }
    }
}

impl Inner {
    /// Asks the gate off this thread; `None` where there is none.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&dyn Gate) -> Result<T, Failure> + Send + 'static,
    ) -> Option<Result<T, Failure>> {
        let gate = Arc::clone(self.gate.get()?);
        let asked = self.runtime.spawn_blocking(move || question(&*gate)).await;
        Some(asked.unwrap_or_else(|error| Err(Failure::internal(error))))
    }
}
