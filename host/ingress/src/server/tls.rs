//! TLS at the doors: certificates that are read again when their files change, and the handshake.

mod certificate;
mod error;
pub(crate) mod files;
mod handshake;
mod load;
mod self_signed;
mod watch;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

pub use certificate::Certificate;
pub use error::TlsError;
pub(crate) use handshake::accept;
pub use self_signed::{SelfSigned, self_signed};
pub(crate) use watch::watch;

use crate::config::TlsConfig;
use load::Loaded;

/// What the doors speak TLS with. Connections keep what they began with.
pub(crate) struct Tls {
    config: TlsConfig,
    loaded: RwLock<Arc<Loaded>>,
    failed_handshakes: AtomicU64,
    failed_reload: Mutex<Option<String>>,
}

impl Tls {
    /// Reads and checks the files.
    pub(crate) fn load(config: TlsConfig, now: SystemTime) -> Result<Self, TlsError> {
        let loaded = RwLock::new(Arc::new(Loaded::new(&config, now)?));
        Ok(Self { config, loaded, failed_handshakes: AtomicU64::new(0), failed_reload: Mutex::default() })
    }

    /// Takes over what the files hold now; whether they changed. Keeps what it has where they are wrong.
    pub(crate) fn reload(&self, now: SystemTime) -> Result<bool, TlsError> {
        let renewed = self.loaded().renewed(&self.config, now)?;
        let changed = renewed.is_some();
        if let Some(renewed) = renewed {
            *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(renewed);
        }
        Ok(changed)
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn note_failed_reload(&self, reason: Option<String>) {
        *self.failed_reload.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}

/// The certificates in use, for those who watch the host.
#[derive(Clone)]
pub struct Certificates(pub(crate) Arc<Tls>);

impl Certificates {
    /// The chain that callers get now, the host's own certificate first.
    #[must_use]
    pub fn chain(&self) -> Vec<Certificate> {
        self.0.loaded().chain.clone()
    }

    /// Name and end of each certificate of the chain.
    #[must_use]
    pub fn expiries(&self) -> Vec<(String, SystemTime)> {
        let chain = &self.0.loaded().chain;
        chain.iter().map(|certificate| (certificate.name().to_owned(), certificate.not_after)).collect()
    }

    /// Handshakes that did not end in a connection, since the start.
    #[must_use]
    pub fn failed_handshakes(&self) -> u64 {
        self.0.failed_handshakes.load(Ordering::Relaxed)
    }

    /// Why the files as they are now are not in use; `None` where they are.
    #[must_use]
    pub fn failed_reload(&self) -> Option<String> {
        self.0.failed_reload.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks at the files now instead of at the next turn; whether they changed.
    ///
    /// # Errors
    /// What is wrong with them; the certificates in use stay.
    pub fn reload(&self) -> Result<bool, TlsError> {
        self.0.reload(SystemTime::now())
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.chain()).finish()
    }
}

#[cfg(test)]
mod tests;
