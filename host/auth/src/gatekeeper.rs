//! The one who is asked about every request.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use moka::sync::Cache;
use scorehost_core::{Access, BoxFuture, Clock, ErrorKind, Failure, Secret, ServiceName};

use crate::attempts::Attempts;
use crate::credentials::{Credentials, Hash, hash};
use crate::entropy::{Entropy, system};
use crate::fetch::{Fetch, Web};
use crate::files::{private_folder, read};
use crate::issuer::Issuer;
use crate::refusal::{self, Wanted};
use crate::rules::{Key, Rule, Rules, key_of};
use crate::signing::{SigningConfig, SigningKeys};
use crate::token::{Flaw, OwnClaims, Unverified, Verified};
use crate::{AuthConfig, AuthError, Presented, Principal, Role, Token};

/// `iss` of this host's own tokens.
const ISSUER: &str = "scorehost";

/// Tokens that are remembered as good.
const REMEMBERED: u64 = 100_000;

/// Longest time that a token is remembered; then its signature is verified again.
const REMEMBERED_FOR: Duration = Duration::from_secs(3600);

/// What a request may do, now or after a short wait.
pub enum Verdict {
    /// Decided: the caller, or `None` where everyone may call.
    Now(Result<Option<Principal>, Failure>),
    /// An issuer's keys must be fetched first; bounded by a few seconds.
    Later(BoxFuture<'static, Result<Option<Principal>, Failure>>),
}

/// A gatekeeper at work, and the secrets that its start made.
pub struct Started {
    /// The gatekeeper.
    pub gatekeeper: Arc<Gatekeeper>,
    /// The administrator's credential where this start was the first; it is kept nowhere.
    pub first_admin: Option<Secret>,
    /// An administrator's credential that ends with this process, for the command line of the same user.
    pub local: Secret,
}

/// Decides who may call what.
pub struct Gatekeeper {
    /// `None` lets everyone do everything.
    guard: Option<Guard>,
}

struct Guard {
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    lifetime: Duration,
    rules: Rules,
    attempts: Attempts,
    credentials: Credentials,
    signing: SigningKeys,
    issuers: Vec<Issuer>,
    verified: Cache<Hash, Arc<Verified>>,
    primary: Arc<str>,
    secondary: Arc<str>,
}

/// Where a gatekeeper's time, randomness and documents come from.
pub(crate) struct Sources {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) fetch: Arc<dyn Fetch>,
}

impl Gatekeeper {
    /// Lets everyone do everything: for tests and measurements without credentials.
    #[must_use]
    pub fn open() -> Arc<Self> {
        Arc::new(Self { guard: None })
    }

    /// Reads credentials and signing keys, makes those that are missing, and begins to fetch the keys of issuers.
    ///
    /// # Errors
    /// A setting outside its range, or a file that cannot be used or read.
    pub fn start(config: AuthConfig, clock: Arc<dyn Clock>) -> Result<Started, AuthError> {
        let fetch = Arc::new(Web::new(config.issuer_ca.as_deref())?);
        Self::start_with(config, Sources { clock, entropy: system, fetch })
    }

    pub(crate) fn start_with(config: AuthConfig, sources: Sources) -> Result<Started, AuthError> {
        config.validate()?;
        let Sources { clock, entropy, fetch } = sources;
        let admin = config.admin_token_file.as_deref().map(admin_token).transpose()?;
        private_folder(&config.dir)?;
        let (credentials, known) = Credentials::open(&config.dir, Arc::clone(&clock), entropy)?;
        let signing = SigningConfig { lifetime: config.token_lifetime, rotation: config.key_rotation };
        let signing = SigningKeys::open(&config.dir, signing, Arc::clone(&clock), entropy)?;
        let verified = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        let issuers = config.issuers.into_iter().map(|issuer| {
            let verified: Cache<Hash, Arc<Verified>> = Cache::clone(&verified);
            Issuer::start(issuer, Arc::clone(&fetch), Arc::clone(&clock), move || verified.invalidate_all())
        });
        let issuers = issuers.collect::<Result<_, _>>()?;
        let first_admin = match &admin {
            Some(admin) => {
                credentials.admit("admin-file", Role::Admin, "it is the content of --admin-token-file", admin.reveal());
                (!known).then(|| credentials.keep()).transpose()?;
                None
            }
            None => (!known).then(|| credentials.create("admin", Role::Admin)).transpose()?,
        };
        let local = credentials.lend("local", Role::Admin, "it ends with the server's process")?;
        let guard = Guard {
            rules: Rules::default(),
            attempts: Attempts::new(Arc::clone(&clock), config.failed_attempts, config.window),
            lifetime: config.token_lifetime,
            credentials,
            signing,
            issuers,
            verified,
            clock,
            entropy,
            primary: "key:primary".into(),
            secondary: "key:secondary".into(),
        };
        Ok(Started { gatekeeper: Arc::new(Self { guard: Some(guard) }), first_admin, local })
    }

    /// Says who may call a service, from the next request on.
    pub fn set(&self, service: &ServiceName, access: &Access) {
        if let Some(guard) = &self.guard {
            guard.rules.set(service, access);
        }
    }

    /// Forgets a service; nobody may call it any more.
    pub fn remove(&self, service: &ServiceName) {
        if let Some(guard) = &self.guard {
            guard.rules.remove(service);
        }
    }

    /// Whether the caller may score with a service: by its key or token, or as a deployer.
    pub fn scoring(self: &Arc<Self>, service: &str, presented: Presented<'_>, peer: IpAddr) -> Verdict {
        self.judge(service, presented, peer, Role::Deployer)
    }

    /// Whether the caller may read what a service says of itself: as for scoring, or as a reader.
    pub fn reading(self: &Arc<Self>, service: &str, presented: Presented<'_>, peer: IpAddr) -> Verdict {
        self.judge(service, presented, peer, Role::Reader)
    }

    /// Who calls the management API. What the caller may do there is [`Principal::may`]'s to say.
    ///
    /// # Errors
    /// `Unauthenticated` without a good credential, `Overloaded` where the address sent too many wrong ones.
    pub fn management(&self, presented: Presented<'_>, peer: IpAddr) -> Result<Principal, Failure> {
        let Some(guard) = &self.guard else {
            return Ok(Principal { name: "everyone".into(), role: Some(Role::Admin) });
        };
        guard.check_peer(peer)?;
        let credential = match presented {
            Presented::Bearer(credential) => credential,
            Presented::Nothing => return Err(refusal::no_management()),
            Presented::Other => return Err(refusal::other_form("CREDENTIAL")),
        };
        guard.credentials.of(&hash(credential)).ok_or_else(|| {
            guard.attempts.failed(peer, credential);
            refusal::wrong_management()
        })
    }

    /// Whether a scoring request without a credential can be good, so that its body is worth reading.
    #[must_use]
    pub fn anonymous_may_score(&self) -> bool {
        self.guard.as_ref().is_none_or(|guard| guard.rules.any_open())
    }

    /// A token of this host for one service, for whom `subject` names.
    ///
    /// # Errors
    /// Where it cannot be signed.
    pub fn token(&self, service: &ServiceName, subject: &str) -> Result<Token, AuthError> {
        let guard = self.guard.as_ref().ok_or(AuthError::Signing { reason: "this host has no keys".to_owned() })?;
        guard.token(service, subject)
    }

    /// The public keys of this host's tokens (JWKS, RFC 7517).
    #[must_use]
    pub fn jwks(&self) -> Arc<str> {
        self.guard.as_ref().map_or_else(|| r#"{"keys":[]}"#.into(), |guard| guard.signing.jwks())
    }

    /// Lets a new key sign tokens and gives its id. With `revoke`, tokens signed before are refused from now on.
    ///
    /// # Errors
    /// Where the new key cannot be made or stored; then the former one signs on.
    pub fn rotate(&self, revoke: bool) -> Result<String, AuthError> {
        let guard = self.guard.as_ref().ok_or(AuthError::Signing { reason: "this host has no keys".to_owned() })?;
        let key = guard.signing.rotate(revoke)?;
        if revoke {
            guard.verified.invalidate_all();
        }
        Ok(key)
    }

    /// Management credentials; `None` where everyone may do everything.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.guard.as_ref().map(|guard| &guard.credentials)
    }

    fn judge(self: &Arc<Self>, service: &str, presented: Presented<'_>, peer: IpAddr, needed: Role) -> Verdict {
        let Some(guard) = &self.guard else { return Verdict::Now(Ok(None)) };
        match guard.judge(service, presented, peer, needed) {
            Outcome::Known(result) => Verdict::Now(result),
            Outcome::NeedsKeys(wait) => {
                let Presented::Bearer(credential) = presented else { return Verdict::Now(Ok(None)) };
                let (this, service, credential) = (Arc::clone(self), service.to_owned(), credential.to_owned());
                Verdict::Later(Box::pin(async move {
                    wait.await;
                    let Some(guard) = &this.guard else { return Ok(None) };
                    match guard.judge_finally(&service, &credential, peer) {
                        Ok(principal) => Ok(Some(principal)),
                        Err(failure) => Err(failure),
                    }
                }))
            }
        }
    }
}

enum Outcome {
    Known(Result<Option<Principal>, Failure>),
    /// The token names a key that this host does not have yet.
    NeedsKeys(BoxFuture<'static, ()>),
}

/// What a token comes to.
enum TokenOutcome {
    Good(Arc<Verified>),
    Bad(Flaw),
    /// As for [`Outcome::NeedsKeys`], with the flaw that it has without new keys.
    NeedsKeys(usize, Flaw),
}

impl Guard {
    fn judge(&self, service: &str, presented: Presented<'_>, peer: IpAddr, needed: Role) -> Outcome {
        let Some(rule) = self.rules.get(service) else { return Outcome::Known(Err(refusal::no_service(service))) };
        let wanted = match &*rule {
            Rule::Open => return Outcome::Known(Ok(None)),
            Rule::Keys { .. } => Wanted::Key,
            Rule::Tokens => Wanted::Token,
        };
        if let Err(failure) = self.check_peer(peer) {
            return Outcome::Known(Err(failure));
        }
        let credential = match presented {
            Presented::Bearer(credential) => credential,
            Presented::Nothing => return Outcome::Known(Err(refusal::missing(service, wanted))),
            Presented::Other => {
                let form = if wanted == Wanted::Key { "KEY" } else { "TOKEN" };
                return Outcome::Known(Err(refusal::other_form(form)));
            }
        };
        match &*rule {
            Rule::Keys { primary, secondary } => Outcome::Known(match key_of(credential, primary, secondary) {
                Some(key) => Ok(Some(self.key_holder(key))),
                None => self.manager(credential, &hash(credential), needed).unwrap_or_else(|| {
                    self.attempts.failed(peer, credential);
                    Err(refusal::wrong_key(service, looks_like_token(credential)))
                }),
            }),
            _ => self.judge_token(service, credential, peer, needed),
        }
    }

    fn judge_token(&self, service: &str, credential: &str, peer: IpAddr, needed: Role) -> Outcome {
        let hash = hash(credential);
        match self.token_of(credential, &hash, service) {
            TokenOutcome::Good(verified) => Outcome::Known(Ok(Some(bearer(&verified)))),
            TokenOutcome::NeedsKeys(issuer, flaw) => match self.issuers[issuer].newer() {
                Some(wait) => Outcome::NeedsKeys(Box::pin(wait)),
                None => Outcome::Known(Err(self.bad_token(service, credential, &flaw, peer))),
            },
            TokenOutcome::Bad(flaw) => Outcome::Known(
                self.manager(credential, &hash, needed)
                    .unwrap_or_else(|| Err(self.bad_token(service, credential, &flaw, peer))),
            ),
        }
    }

    /// With whatever keys there are now.
    fn judge_finally(&self, service: &str, credential: &str, peer: IpAddr) -> Result<Principal, Failure> {
        match self.token_of(credential, &hash(credential), service) {
            TokenOutcome::Good(verified) => Ok(bearer(&verified)),
            TokenOutcome::Bad(flaw) | TokenOutcome::NeedsKeys(_, flaw) => {
                Err(self.bad_token(service, credential, &flaw, peer))
            }
        }
    }

    #[cold]
    fn bad_token(&self, service: &str, credential: &str, flaw: &Flaw, peer: IpAddr) -> Failure {
        if let Flaw::NoKeys(_) = flaw {
            return Failure::new(ErrorKind::Unavailable, format!("the token cannot be checked: {flaw}"))
                .with_hint("try again; the server's log says why");
        }
        if flaw.is_forged() {
            self.attempts.failed(peer, credential);
        }
        refusal::wrong_token(service, &flaw.to_string())
    }

    fn token_of(&self, credential: &str, hash: &Hash, service: &str) -> TokenOutcome {
        let now = self.now();
        if let Some(verified) = self.verified.get(hash) {
            return self.in_force(verified, service, now);
        }
        let token = match Unverified::read(credential) {
            Ok(token) => token,
            Err(flaw) => return TokenOutcome::Bad(flaw),
        };
        let verified = if token.issuer() == ISSUER {
            self.signing.verifying(|keys| token.verify(keys, None))
        } else {
            let place = self.issuers.iter().position(|issuer| issuer.config.issuer == token.issuer());
            let Some(place) = place else {
                let issuer = token.issuer().chars().take(64).collect();
                return TokenOutcome::Bad(Flaw::Issuer(issuer));
            };
            let issuer = &self.issuers[place];
            let Some(keys) = issuer.keys() else {
                return TokenOutcome::NeedsKeys(place, Flaw::NoKeys(issuer.config.issuer.clone()));
            };
            match token.verify(&keys, Some(place)) {
                Err(Flaw::Key) => return TokenOutcome::NeedsKeys(place, Flaw::Key),
                verified => verified,
            }
        };
        match verified {
            Err(flaw) => TokenOutcome::Bad(flaw),
            Ok(verified) => {
                let verified = Arc::new(verified);
                if verified.check_time(now).is_ok() {
                    self.verified.insert(*hash, Arc::clone(&verified));
                }
                self.in_force(verified, service, now)
            }
        }
    }

    /// Whether a token whose signature is good is good for this service now.
    fn in_force(&self, verified: Arc<Verified>, service: &str, now: u64) -> TokenOutcome {
        let accepted = match verified.issuer {
            None => verified.audiences.iter().any(|audience| audience == service),
            Some(place) => self.issuers[place].config.accepts(&verified.audiences, service),
        };
        match verified.check_time(now) {
            Err(flaw) => TokenOutcome::Bad(flaw),
            Ok(()) if accepted => TokenOutcome::Good(verified),
            Ok(()) => TokenOutcome::Bad(Flaw::Audience),
        }
    }

    /// Whoever manages services may use them, too; `None` where it is no management credential.
    fn manager(&self, credential: &str, hash: &Hash, needed: Role) -> Option<Result<Option<Principal>, Failure>> {
        if credential.is_empty() {
            return None;
        }
        let principal = self.credentials.of(hash)?;
        Some(principal.may(needed).map(|()| Some(principal)))
    }

    fn key_holder(&self, key: Key) -> Principal {
        let name = match key {
            Key::Primary => &self.primary,
            Key::Secondary => &self.secondary,
        };
        Principal { name: Arc::clone(name), role: None }
    }

    fn check_peer(&self, peer: IpAddr) -> Result<(), Failure> {
        self.attempts.refused(peer).map_or(Ok(()), |after| Err(refusal::too_many(after)))
    }

    fn token(&self, service: &ServiceName, subject: &str) -> Result<Token, AuthError> {
        let mut id = [0; 16];
        (self.entropy)(&mut id)?;
        let (now, lifetime) = (self.now(), self.lifetime.as_secs());
        let expiry_on = now + lifetime;
        let claims = OwnClaims {
            iss: ISSUER,
            sub: subject,
            aud: service.as_str(),
            iat: now,
            exp: expiry_on,
            jti: &hex::encode(id),
        };
        let access_token = Secret::new(self.signing.sign(&claims)?);
        Ok(Token { access_token, refresh_after: now + lifetime * 5 / 6, expiry_on })
    }

    fn now(&self) -> u64 {
        self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

fn bearer(verified: &Verified) -> Principal {
    Principal { name: Arc::clone(&verified.name), role: None }
}

fn looks_like_token(credential: &str) -> bool {
    credential.starts_with("ey") && credential.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// The administrator's credential from a file: its first line, without the space around it.
fn admin_token(path: &std::path::Path) -> Result<Secret, AuthError> {
    let wrong = |reason| AuthError::AdminToken { path: path.to_owned(), reason };
    let content = read(path)?.ok_or_else(|| wrong("there is no such file"))?;
    let text = std::str::from_utf8(&content).map_err(|_| wrong("it is no text"))?.trim();
    if text.len() < 32 {
        return Err(wrong("it is shorter than 32 characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("it must be one line of ASCII characters without spaces"));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
pub(crate) mod tests;
