use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;

use super::*;
use crate::fetch::Fetched;
use crate::issuer::tests::{Idp, claims};

/// A clock that the test moves.
pub(crate) struct FakeClock {
    start: Instant,
    passed: Mutex<Duration>,
}

/// 2026-11-24
pub(crate) const EPOCH: u64 = 1_795_478_400;

impl Default for FakeClock {
    fn default() -> Self {
        Self { start: Instant::now(), passed: Mutex::default() }
    }
}

impl FakeClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.passed.lock() += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Instant {
        self.start + *self.passed.lock()
    }

    fn wall(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(EPOCH) + *self.passed.lock()
    }
}

struct NoWeb;

impl Fetch for NoWeb {
    fn get(&self, _: &str) -> Result<Fetched, String> {
        Err("no network in tests".to_owned())
    }
}

struct Stage {
    dir: tempfile::TempDir,
    clock: Arc<FakeClock>,
    started: Started,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {}, Arc::new(NoWeb))
    }

    fn with(adjust: impl FnOnce(&mut AuthConfig), fetch: Arc<dyn Fetch>) -> Self {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(FakeClock::default()));
        let mut config = AuthConfig::new(dir.path().join("auth"));
        adjust(&mut config);
        let started = Gatekeeper::start_with(config, Sources { clock: clock.clone(), entropy: system, fetch }).unwrap();
        let stage = Self { dir, clock, started };
        let keys = Access::Keys { primary: Secret::new("primary-key"), secondary: Secret::new("secondary-key") };
        stage.gatekeeper().set(&name("keyed"), &keys);
        stage.gatekeeper().set(&name("tokened"), &Access::Tokens);
        stage.gatekeeper().set(&name("opened"), &Access::Open);
        stage
    }

    fn restart(&self) -> Started {
        let sources = Sources { clock: self.clock.clone(), entropy: system, fetch: Arc::new(NoWeb) };
        Gatekeeper::start_with(AuthConfig::new(self.dir.path().join("auth")), sources).unwrap()
    }

    fn gatekeeper(&self) -> &Arc<Gatekeeper> {
        &self.started.gatekeeper
    }

    /// The caller's name, or the failure.
    fn score(&self, service: &str, credential: &str) -> Result<String, Failure> {
        score(self.gatekeeper(), service, credential)
    }

    fn token(&self) -> String {
        self.gatekeeper().token(&name("tokened"), "ann").unwrap().access_token.reveal().to_owned()
    }
}

fn score(gatekeeper: &Arc<Gatekeeper>, service: &str, credential: &str) -> Result<String, Failure> {
    now(gatekeeper.scoring(service, Presented::Bearer(credential), PEER))
}

fn now(verdict: Verdict) -> Result<String, Failure> {
    let Verdict::Now(result) = verdict else { panic!("it waits for keys") };
    result.map(|principal| principal.map_or_else(|| "everyone".to_owned(), |principal| principal.name.to_string()))
}

const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

fn name(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn refused(result: Result<String, Failure>, part: &str) {
    let failure = result.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unauthenticated, "{failure}");
    assert!(failure.message.contains(part), "{failure}");
    assert!(failure.hint.is_some(), "{failure}");
}

#[test]
fn keys_tokens_and_open_services_let_in_who_belongs() {
    let stage = Stage::new();
    assert_eq!(stage.score("keyed", "primary-key").unwrap(), "key:primary");
    assert_eq!(stage.score("keyed", "secondary-key").unwrap(), "key:secondary");
    assert_eq!(stage.score("tokened", &stage.token()).unwrap(), "token:ann");
    assert_eq!(stage.score("opened", "anything").unwrap(), "everyone");
    refused(stage.score("keyed", "primary-kez"), "neither the primary nor the secondary key");
    refused(stage.score("keyed", &stage.token()), "takes a key, and the request has a token");
    refused(stage.score("tokened", "primary-key"), "no signed JSON Web Token");
    for (presented, part) in [(Presented::Nothing, "needs a key"), (Presented::Other, "'Bearer CREDENTIAL'")] {
        refused(now(stage.gatekeeper().scoring("keyed", presented, PEER)), part);
    }
    assert_eq!(stage.score("absent", "primary-key").unwrap_err().kind, ErrorKind::NotFound);
}

#[test]
fn a_service_that_was_removed_is_not_open() {
    let stage = Stage::new();
    stage.gatekeeper().remove(&name("opened"));
    assert_eq!(stage.score("opened", "x").unwrap_err().kind, ErrorKind::NotFound);
    assert!(!stage.gatekeeper().anonymous_may_score());
}

#[test]
fn refusals_tell_no_secret() {
    let stage = Stage::new();
    for credential in ["guessed-key", "eyJh.eyJi.c2ln"] {
        for service in ["keyed", "tokened"] {
            let failure = stage.score(service, credential).unwrap_err();
            let text = format!("{failure:?}");
            assert!(!text.contains(credential) && !text.contains("primary-key"), "{text}");
        }
    }
}

#[test]
fn whoever_deploys_may_score_and_whoever_reads_may_only_read() {
    let stage = Stage::new();
    let credentials = stage.gatekeeper().credentials().unwrap();
    let (deployer, reader) =
        (credentials.create("d", Role::Deployer).unwrap(), credentials.create("r", Role::Reader).unwrap());
    for service in ["keyed", "tokened"] {
        assert_eq!(stage.score(service, deployer.reveal()).unwrap(), "credential:d");
        let failure = stage.score(service, reader.reveal()).unwrap_err();
        assert!(failure.kind == ErrorKind::Forbidden && failure.message.contains("'deployer'"), "{failure}");
        let read = now(stage.gatekeeper().reading(service, Presented::Bearer(reader.reveal()), PEER));
        assert_eq!(read.unwrap(), "credential:r");
    }
}

#[test]
fn the_first_start_makes_an_administrator_and_later_ones_do_not() {
    let stage = Stage::new();
    let admin = stage.started.first_admin.as_ref().unwrap();
    let manage = |gatekeeper: &Gatekeeper, secret: &Secret| {
        gatekeeper
            .management(Presented::Bearer(secret.reveal()), PEER)
            .map(|principal| (principal.name.to_string(), principal.role))
    };
    assert_eq!(manage(stage.gatekeeper(), admin).unwrap(), ("credential:admin".to_owned(), Some(Role::Admin)));
    assert_eq!(manage(stage.gatekeeper(), &stage.started.local).unwrap().0, "credential:local");
    let again = stage.restart();
    assert!(again.first_admin.is_none());
    assert_eq!(manage(&again.gatekeeper, admin).unwrap().1, Some(Role::Admin));
    // The local credential ended with the process that made it.
    assert_eq!(manage(&again.gatekeeper, &stage.started.local).unwrap_err().kind, ErrorKind::Unauthenticated);
    for presented in [Presented::Nothing, Presented::Other, Presented::Bearer("primary-key")] {
        let failure = stage.gatekeeper().management(presented, PEER).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Unauthenticated, "{failure}");
    }
}

#[test]
fn an_administrators_credential_can_come_from_a_file() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let start = |content: &str| {
        std::fs::write(file.path(), content).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = AuthConfig { admin_token_file: Some(file.path().into()), ..AuthConfig::new(dir.path()) };
        let sources = Sources { clock: Arc::new(FakeClock::default()), entropy: system, fetch: Arc::new(NoWeb) };
        Gatekeeper::start_with(config, sources)
    };
    let secret = "0123456789abcdef0123456789abcdef";
    let started = start(&format!("{secret}\n")).unwrap();
    assert!(started.first_admin.is_none());
    let principal = started.gatekeeper.management(Presented::Bearer(secret), PEER).unwrap();
    assert_eq!((&*principal.name, principal.role), ("credential:admin-file", Some(Role::Admin)));
    for content in ["", "short", "two words that are long enough to be one credential"] {
        assert!(matches!(start(content), Err(AuthError::AdminToken { .. })), "{content}");
    }
}

#[test]
fn whoever_guesses_is_refused_and_the_right_key_does_not_help_from_there() {
    let stage = Stage::with(|config| config.failed_attempts = 10, Arc::new(NoWeb));
    (0..10).for_each(|number| drop(stage.score("keyed", &format!("guess-{number}"))));
    let failure = stage.score("keyed", "primary-key").unwrap_err();
    assert_eq!((failure.kind, failure.retry_after), (ErrorKind::Overloaded, Some(Duration::from_secs(60))));
    let other: IpAddr = [192, 0, 2, 2].into();
    assert!(now(stage.gatekeeper().scoring("keyed", Presented::Bearer("primary-key"), other)).is_ok());
    assert!(stage.gatekeeper().management(Presented::Bearer("x"), PEER).unwrap_err().retry_after.is_some());
    assert!(now(stage.gatekeeper().scoring("opened", Presented::Nothing, PEER)).is_ok());
    stage.clock.advance(Duration::from_secs(60));
    assert!(stage.score("keyed", "primary-key").is_ok());
}

#[test]
fn requests_without_a_credential_and_expired_tokens_are_no_guesses() {
    let stage = Stage::with(|config| config.failed_attempts = 2, Arc::new(NoWeb));
    let tokens: Vec<_> = (0..10).map(|_| stage.token()).collect();
    stage.clock.advance(Duration::from_secs(13 * 3600));
    for token in &tokens {
        refused(now(stage.gatekeeper().scoring("keyed", Presented::Nothing, PEER)), "needs a key");
        refused(stage.score("tokened", token), "expired");
    }
}

#[test]
fn a_token_lives_as_long_as_it_says_and_a_minute_for_clocks_that_differ() {
    let stage = Stage::new();
    let token = stage.gatekeeper().token(&name("tokened"), "ann").unwrap();
    assert_eq!(token.expiry_on, EPOCH + 43_200);
    assert_eq!(token.refresh_after, EPOCH + 36_000);
    let secret = token.access_token.reveal();
    assert!(stage.score("tokened", secret).is_ok());
    stage.clock.advance(Duration::from_secs(43_200 + 59));
    assert!(stage.score("tokened", secret).is_ok());
    stage.clock.advance(Duration::from_secs(1));
    refused(stage.score("tokened", secret), "it expired 60 s ago");
}

#[test]
fn a_token_is_good_for_its_service_only() {
    let stage = Stage::new();
    stage.gatekeeper().set(&name("other"), &Access::Tokens);
    let token = stage.token();
    assert!(stage.score("tokened", &token).is_ok());
    refused(stage.score("other", &token), "another audience");
    // Remembered as good, it is still not good for the other service, and not after its time.
    assert!(stage.score("tokened", &token).is_ok());
    refused(stage.score("other", &token), "another audience");
}

#[test]
fn a_changed_token_is_refused() {
    let stage = Stage::new();
    let token = stage.token();
    let parts: Vec<&str> = token.split('.').collect();
    let unsigned = format!("{}.{}.", base64("{\"alg\":\"none\",\"typ\":\"JWT\"}"), parts[1]);
    let other = stage.gatekeeper().token(&name("other"), "ann").unwrap();
    let others: Vec<&str> = other.access_token.reveal().split('.').collect();
    for (changed, part) in [
        (format!("{}.{}.{}", parts[0], others[1], parts[2]), "signature is wrong"),
        (format!("{}.{}.", parts[0], parts[1]), "signature is wrong"),
        (unsigned, "algorithm"),
        (format!("{}.{}", parts[0], parts[1]), "three parts"),
        (format!("{token}.x"), "three parts"),
        (format!("{}.{}.{}", base64("{\"alg\":\"EdDSA\",\"crit\":[\"x\"]}"), parts[1], parts[2]), "critical"),
        (format!("!.{}.{}", parts[1], parts[2]), "head cannot be read"),
        ("a.".repeat(5000), "longer than 8 KiB"),
        (String::new(), "three parts"),
    ] {
        refused(stage.score("tokened", &changed), part);
    }
    assert!(stage.score("tokened", &token).is_ok());
}

fn base64(text: &str) -> String {
    use ::base64::Engine;
    ::base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

#[test]
fn rotated_keys_verify_on_and_revoked_ones_do_not() {
    let stage = Stage::new();
    let first = stage.token();
    let key = stage.gatekeeper().rotate(false).unwrap();
    let second = stage.token();
    assert!(stage.gatekeeper().jwks().contains(&key));
    assert!(stage.score("tokened", &first).is_ok() && stage.score("tokened", &second).is_ok());
    // Over a restart, too.
    let again = stage.restart();
    again.gatekeeper.set(&name("tokened"), &Access::Tokens);
    assert!(score(&again.gatekeeper, "tokened", &first).is_ok());
    stage.gatekeeper().rotate(true).unwrap();
    refused(stage.score("tokened", &first), "no longer, published");
    refused(stage.score("tokened", &second), "no longer, published");
    assert!(stage.score("tokened", &stage.token()).is_ok());
}

#[test]
fn an_open_gatekeeper_asks_nobody() {
    let gatekeeper = Gatekeeper::open();
    assert_eq!(now(gatekeeper.scoring("anything", Presented::Nothing, PEER)).unwrap(), "everyone");
    assert_eq!(gatekeeper.management(Presented::Nothing, PEER).unwrap().role, Some(Role::Admin));
    assert!(gatekeeper.credentials().is_none() && gatekeeper.token(&name("tokened"), "x").is_err());
}

/// Waits where it must.
async fn later(verdict: Verdict) -> Result<String, Failure> {
    match verdict {
        Verdict::Now(_) => now(verdict),
        Verdict::Later(deciding) => now(Verdict::Now(deciding.await)),
    }
}

fn with_issuer(idp: &Arc<Idp>, spec: &str) -> Stage {
    Stage::with(|config| config.issuers = vec![spec.parse().unwrap()], idp.clone())
}

#[tokio::test]
async fn tokens_of_a_trusted_issuer_are_good_where_their_audience_fits() {
    let idp = Arc::new(Idp::new("https://idp.example"));
    let stage = with_issuer(&idp, "https://idp.example,api://scoring,scorehost:{service}");
    let ask = async |token: &str, service: &str| {
        later(stage.gatekeeper().scoring(service, Presented::Bearer(token), PEER)).await
    };
    for (audience, good) in
        [("api://scoring", true), ("scorehost:tokened", true), ("scorehost:other", false), ("tokened", false)]
    {
        let token = idp.sign(&claims("https://idp.example", audience, EPOCH + 600));
        let result = ask(&token, "tokened").await;
        if good { assert_eq!(result.unwrap(), "token:bob", "{audience}") } else { refused(result, "another audience") }
    }
    let stranger = idp.sign(&claims("https://other.example", "api://scoring", EPOCH + 600));
    refused(ask(&stranger, "tokened").await, "does not accept tokens of issuer 'https://other.example'");
    let expired = idp.sign(&claims("https://idp.example", "api://scoring", EPOCH - 61));
    refused(ask(&expired, "tokened").await, "expired");
    let mut early = claims("https://idp.example", "api://scoring", EPOCH + 600);
    early["nbf"] = (EPOCH + 61).into();
    refused(ask(&idp.sign(&early), "tokened").await, "good only from 61 s on");
    for claim in ["exp", "sub", "aud"] {
        let mut without = claims("https://idp.example", "api://scoring", EPOCH + 600);
        without.as_object_mut().unwrap().remove(claim);
        refused(ask(&idp.sign(&without), "tokened").await, &format!("'{claim}'"));
    }
}

#[tokio::test]
async fn an_issuer_cannot_speak_for_this_host() {
    let idp = Arc::new(Idp::new("https://idp.example"));
    let stage = with_issuer(&idp, "https://idp.example,api://scoring");
    let forged = idp.sign(&claims(ISSUER, "tokened", EPOCH + 600));
    refused(
        later(stage.gatekeeper().scoring("tokened", Presented::Bearer(&forged), PEER)).await,
        "no longer, published",
    );
    // A key of this host with the issuer's name in the claims is none of the issuer's keys.
    let mine = stage.token();
    let parts: Vec<&str> = mine.split('.').collect();
    let swapped = format!(
        "{}.{}.{}",
        parts[0],
        base64(&claims("https://idp.example", "api://scoring", EPOCH + 600).to_string()),
        parts[2]
    );
    refused(
        later(stage.gatekeeper().scoring("tokened", Presented::Bearer(&swapped), PEER)).await,
        "no longer, published",
    );
}

#[tokio::test]
async fn a_public_key_is_never_taken_for_a_shared_secret() {
    let idp = Arc::new(Idp::new("https://idp.example"));
    let stage = with_issuer(&idp, "https://idp.example,api://scoring");
    let claims = claims("https://idp.example", "api://scoring", EPOCH + 600);
    assert!(later(stage.gatekeeper().scoring("tokened", Presented::Bearer(&idp.sign(&claims)), PEER)).await.is_ok());
    for forged in idp.confused(&claims) {
        refused(later(stage.gatekeeper().scoring("tokened", Presented::Bearer(&forged), PEER)).await, "algorithm");
    }
}

#[tokio::test]
async fn a_new_key_of_an_issuer_is_fetched_once_for_all_who_wait_and_not_again_for_a_while() {
    let idp = Arc::new(Idp::new("https://idp.example"));
    let stage = with_issuer(&idp, "https://idp.example,api://scoring");
    let claims = claims("https://idp.example", "api://scoring", EPOCH + 600);
    let ask = async |token: &str| later(stage.gatekeeper().scoring("tokened", Presented::Bearer(token), PEER)).await;
    let old = idp.sign(&claims);
    assert!(ask(&old).await.is_ok());
    let fetches = idp.fetches();
    idp.rotate();
    let new = idp.sign(&claims);
    assert_eq!(ask(&new).await.unwrap(), "token:bob");
    assert!(idp.fetches() > fetches);
    // The old key is no longer published: what was remembered of it is forgotten.
    refused(ask(&old).await, "no longer, published");
    let fetches = idp.fetches();
    idp.rotate();
    refused(ask(&idp.sign(&claims)).await, "no longer, published");
    assert_eq!(idp.fetches(), fetches, "asked again within 30 s");
    stage.clock.advance(Duration::from_secs(30));
    assert!(ask(&idp.sign(&claims)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_leaves_its_callers_with_a_503() {
    let idp = Arc::new(Idp::new("https://idp.example"));
    idp.fail();
    let stage = with_issuer(&idp, "https://idp.example,api://scoring");
    let token = idp.sign(&claims("https://idp.example", "api://scoring", EPOCH + 600));
    let failure = later(stage.gatekeeper().scoring("tokened", Presented::Bearer(&token), PEER)).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Unavailable, "{failure}");
    // Other callers do not notice.
    assert!(stage.score("tokened", &stage.token()).is_ok());
}

#[test]
fn settings_out_of_range_are_refused_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let started = AtomicUsize::new(0);
    let check = |adjust: &dyn Fn(&mut AuthConfig)| {
        started.fetch_add(1, Ordering::Relaxed);
        let mut config = AuthConfig::new(dir.path().join("auth"));
        adjust(&mut config);
        assert!(Gatekeeper::start(config, Arc::new(FakeClock::default())).is_err());
        assert!(!dir.path().join("auth").exists());
    };
    check(&|config| config.token_lifetime = Duration::from_secs(299));
    check(&|config| config.key_rotation = Duration::from_secs(60));
    check(&|config| config.window = Duration::ZERO);
    check(&|config| config.issuers = vec!["https://a".parse().unwrap(), "https://a,b".parse().unwrap()]);
    check(&|config| config.issuer_ca = Some("/none".into()));
    assert_eq!(started.into_inner(), 5);
}
