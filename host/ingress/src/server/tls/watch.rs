//! Looks at the files again and again, and says when a certificate is about to end.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, SystemTime};

use super::Tls;
use super::certificate::shown;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Watches on this thread until the other end of `stop` is dropped.
pub(crate) fn watch(tls: &Arc<Tls>, stop: &Receiver<()>) {
    let mut watcher = Watcher::default();
    watcher.announce(tls, SystemTime::now());
    while stop.recv_timeout(tls.config.reload_every) == Err(RecvTimeoutError::Timeout) {
        watcher.look(tls, SystemTime::now());
    }
}

/// What was said already.
#[derive(Default)]
pub(super) struct Watcher {
    /// What was wrong at the last look.
    failure: Option<String>,
    told: bool,
    warned: Option<SystemTime>,
}

impl Watcher {
    fn announce(&mut self, tls: &Tls, now: SystemTime) {
        if let Some(own) = tls.loaded().chain.first() {
            let (names, until) = (own.names.join(", "), shown(own.not_after));
            tracing::info!(names, until, sha256 = own.fingerprint, "TLS certificate in use");
            if own.names.is_empty() {
                tracing::warn!(
                    subject = own.subject,
                    "the certificate names no host: callers that check names refuse it"
                );
            }
        }
        self.warn_of_the_end(tls, now);
    }

    /// Returns what it logged as an error, if anything.
    pub(super) fn look(&mut self, tls: &Tls, now: SystemTime) -> Option<String> {
        match tls.reload(now) {
            Ok(changed) => {
                tls.note_failed_reload(None);
                (self.failure, self.told) = (None, false);
                if changed {
                    self.warned = None;
                    self.announce(tls, now);
                }
                self.warn_of_the_end(tls, now);
                None
            }
            Err(error) => self.failed(tls, format!("{error} ({})", error.hint())),
        }
    }

    /// A pair of files is not replaced at once, so only what is wrong twice is told, and told once.
    fn failed(&mut self, tls: &Tls, failure: String) -> Option<String> {
        let again = self.failure.as_ref() == Some(&failure);
        let tell = again && !self.told;
        self.told = again;
        if tell {
            tracing::error!(reason = failure, "new TLS files are not used; the former certificate stays");
            tls.note_failed_reload(Some(failure.clone()));
        }
        self.failure = Some(failure);
        tell.then(|| self.failure.clone()).flatten()
    }

    fn warn_of_the_end(&mut self, tls: &Tls, now: SystemTime) {
        let recently = |warned: SystemTime| now.duration_since(warned).is_ok_and(|since| since < DAY);
        if self.warned.is_some_and(recently) {
            return;
        }
        for certificate in tls.loaded().chain.iter().filter(|certificate| certificate.ends_soon(now)) {
            self.warned = Some(now);
            let (name, until) = (certificate.name(), shown(certificate.not_after));
            if certificate.left(now).is_zero() {
                tracing::error!(name, until, "a TLS certificate has expired: callers refuse it");
            } else {
                let days = certificate.left(now).as_secs() / DAY.as_secs();
                tracing::warn!(name, until, days, "a TLS certificate expires soon");
            }
        }
    }
}
