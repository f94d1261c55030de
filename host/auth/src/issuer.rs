//! Issuers of tokens beside this host: whose they are, and their keys, fetched apart from the threads that answer requests.

use std::str::FromStr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use scorehost_core::Clock;
use serde::Deserialize;
use tokio::sync::watch;

use crate::AuthError;
use crate::fetch::{Fetch, Fetched};
use crate::keyset::KeySet;

/// Place of the service's name in an audience.
const SERVICE: &str = "{service}";

/// Keys are fetched again after as long as their server says, within these bounds; after the first where it says nothing.
const FRESH: Duration = Duration::from_secs(3600);
const FRESH_AT_LEAST: Duration = Duration::from_secs(300);
const FRESH_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// After a failure: tried again after this, doubled each time up to the bound. The keys that there are stay in use.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_AT_MOST: Duration = Duration::from_secs(300);

/// A token with an unknown key makes the keys be fetched at most this often.
const ASKED_AT_MOST: Duration = Duration::from_secs(30);

/// How long a request waits for keys.
const WAIT: Duration = Duration::from_secs(5);

/// An issuer whose tokens are accepted: `URL[,AUDIENCE…][,jwks=URL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The claim `iss` of its tokens, a URL below which it says where its keys are (OpenID Connect discovery).
    pub issuer: String,
    /// Audiences of which a token must name one; `{service}` stands for the name of the service that is called.
    pub audiences: Vec<String>,
    /// Where its keys are, where it is not to be asked.
    pub jwks: Option<String>,
}

impl FromStr for IssuerConfig {
    type Err = AuthError;

    fn from_str(given: &str) -> Result<Self, AuthError> {
        let wrong = |reason: &str| AuthError::Issuer { given: given.to_owned(), reason: reason.to_owned() };
        let mut parts = given.split(',').map(str::trim);
        let issuer = parts.next().unwrap_or_default().to_owned();
        let (mut audiences, mut jwks) = (Vec::new(), None);
        for part in parts {
            match part.strip_prefix("jwks=") {
                Some(url) if jwks.is_none() => jwks = Some(url.to_owned()),
                Some(_) => return Err(wrong("it has two addresses of keys")),
                None if part.is_empty() => return Err(wrong("it has an empty audience")),
                None => audiences.push(part.to_owned()),
            }
        }
        if !is_safe(&issuer) || jwks.as_deref().is_some_and(|url| !is_safe(url)) {
            return Err(wrong("its address must begin with https://, or with http:// on this machine itself"));
        }
        if audiences.is_empty() {
            audiences.push(SERVICE.to_owned());
        }
        Ok(Self { issuer, audiences, jwks })
    }
}

/// Whether nobody on the way can give other keys.
fn is_safe(url: &str) -> bool {
    if let Some(rest) = url.strip_prefix("https://") {
        return !rest.is_empty();
    }
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // `http://localhost:1@elsewhere/` asks elsewhere.
    if authority.contains('@') {
        return false;
    }
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl IssuerConfig {
    /// Whether a token for these audiences may call the service.
    pub(crate) fn accepts(&self, audiences: &[String], service: &str) -> bool {
        self.audiences.iter().any(|accepted| audiences.iter().any(|audience| is_for(accepted, audience, service)))
    }
}

fn is_for(accepted: &str, audience: &str, service: &str) -> bool {
    match accepted.split_once(SERVICE) {
        None => accepted == audience,
        Some((before, after)) => {
            let name = audience.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            name == Some(service)
        }
    }
}

/// What the thread that fetches and the requests that wait share.
struct Shared {
    keys: ArcSwapOption<KeySet>,
    /// Counts fetches that ended, well or not.
    ended: watch::Sender<u64>,
    /// Told when a key is no longer published.
    lost: Box<dyn Fn() + Send + Sync>,
}

/// One issuer and its keys.
pub(crate) struct Issuer {
    pub(crate) config: IssuerConfig,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    /// When keys were last asked for by a token.
    asked: Mutex<Option<std::time::Instant>>,
    wake: SyncSender<()>,
}

impl Issuer {
    /// Starts to fetch. `lost` is called when a key is no longer published.
    pub(crate) fn start(
        config: IssuerConfig,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        lost: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self, AuthError> {
        let shared =
            Arc::new(Shared { keys: ArcSwapOption::empty(), ended: watch::Sender::new(0), lost: Box::new(lost) });
        let (wake, woken) = sync_channel(1);
        let fetching = Fetching { config: config.clone(), fetch, shared: Arc::clone(&shared) };
        let thread = std::thread::Builder::new().name("issuer-keys".to_owned());
        thread.spawn(move || fetching.run(&woken)).map_err(|error| AuthError::Issuer {
            given: config.issuer.clone(),
            reason: format!("the system refuses a thread: {error}"),
        })?;
        Ok(Self { config, shared, clock, asked: Mutex::new(None), wake })
    }

    /// The keys, where they were ever had.
    pub(crate) fn keys(&self) -> Option<Arc<KeySet>> {
        self.shared.keys.load_full()
    }

    /// A wait for newer keys; `None` where they were asked for a moment ago and asking again would only be a burden.
    pub(crate) fn newer(&self) -> Option<impl Future<Output = ()> + Send + use<>> {
        let mut ended = self.shared.ended.subscribe();
        let seen = *ended.borrow_and_update();
        if seen > 0 {
            let now = self.clock.now();
            let mut asked = self.asked.lock();
            if asked.is_some_and(|asked| now.saturating_duration_since(asked) < ASKED_AT_MOST) {
                return None;
            }
            *asked = Some(now);
            // A full channel is a wake-up that is on its way already.
            let _ = self.wake.try_send(());
        }
        Some(async move {
            let _ = tokio::time::timeout(WAIT, ended.wait_for(|count| *count > seen)).await;
        })
    }
}

/// The thread's side.
struct Fetching {
    config: IssuerConfig,
    fetch: Arc<dyn Fetch>,
    shared: Arc<Shared>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Fetching {
    /// Fetches when it is time or when it is woken, until the issuer is dropped.
    fn run(&self, woken: &Receiver<()>) {
        let mut retry = RETRY;
        loop {
            let pause = match self.keys() {
                Ok((keys, fresh)) => {
                    self.replace(keys);
                    retry = RETRY;
                    fresh
                }
                Err(error) => {
                    tracing::warn!(issuer = self.config.issuer, error, "the keys of an issuer of tokens were not had");
                    let pause = retry;
                    retry = (retry * 2).min(RETRY_AT_MOST);
                    pause
                }
            };
            self.shared.ended.send_modify(|count| *count += 1);
            if woken.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }

    fn replace(&self, keys: KeySet) {
        tracing::info!(issuer = self.config.issuer, keys = keys.len(), "keys of an issuer of tokens");
        let keys = Arc::new(keys);
        let former = self.shared.keys.swap(Some(Arc::clone(&keys)));
        if former.is_some_and(|former| former.loses_any_in(&keys)) {
            (self.shared.lost)();
        }
    }

    fn keys(&self) -> Result<(KeySet, Duration), String> {
        let url = match &self.config.jwks {
            Some(url) => url.clone(),
            None => self.discover()?,
        };
        let Fetched { content, max_age } = self.fetch.get(&url).map_err(|error| format!("{url}: {error}"))?;
        let keys = KeySet::parse(&content).map_err(|error| format!("{url}: {error}"))?;
        Ok((keys, max_age.unwrap_or(FRESH).clamp(FRESH_AT_LEAST, FRESH_AT_MOST)))
    }

    /// Where the issuer says that its keys are (OpenID Connect Discovery 1.0).
    fn discover(&self) -> Result<String, String> {
        let url = format!("{}/.well-known/openid-configuration", self.config.issuer.trim_end_matches('/'));
        let failed = |error: String| format!("{url}: {error}");
        let content = self.fetch.get(&url).map_err(failed)?.content;
        let found: Discovery = serde_json::from_slice(&content).map_err(|error| failed(error.to_string()))?;
        if found.issuer != self.config.issuer {
            return Err(failed(format!("it is the document of issuer '{}'", found.issuer)));
        }
        if is_safe(&found.jwks_uri) {
            Ok(found.jwks_uri)
        } else {
            Err(failed(format!("'{}' is not safe", found.jwks_uri)))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
