//! Asks the gatekeeper about a request, and says in HTTP's terms what it answered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use scorehost_auth::{Presented, Principal, Role, Verdict};
use scorehost_core::{ErrorKind, Failure, Service};
use scorehost_telemetry::note;

use crate::Body;
use crate::handler::Shared;
use crate::server::Activity;

/// Who scores with a service; `None` where everyone may. Asked before the body is read.
pub(crate) async fn scoring(
    shared: &Shared,
    activity: &Activity,
    service: &str,
    headers: &HeaderMap,
) -> Result<Option<Arc<str>>, Failure> {
    named(shared.doors.gatekeeper.scoring(service, presented(headers), activity.peer())).await
}

/// Who reads what a service says of itself.
pub(crate) async fn reading(
    shared: &Shared,
    activity: &Activity,
    service: &str,
    headers: &HeaderMap,
) -> Result<Option<Arc<str>>, Failure> {
    named(shared.doors.gatekeeper.reading(service, presented(headers), activity.peer())).await
}

async fn named(verdict: Verdict) -> Result<Option<Arc<str>>, Failure> {
    let decided = match verdict {
        Verdict::Now(decided) => decided,
        Verdict::Later(deciding) => deciding.await,
    };
    let name = decided?.map(|principal| principal.name);
    note::write(|note| note.caller.clone_from(&name));
    Ok(name)
}

/// Who manages, where the role suffices.
pub(crate) fn management(
    shared: &Shared,
    activity: &Activity,
    headers: &HeaderMap,
    needed: Role,
) -> Result<Principal, Failure> {
    let principal = shared.doors.gatekeeper.management(presented(headers), activity.peer())?;
    note::write(|note| note.caller = Some(Arc::clone(&principal.name)));
    principal.may(needed)?;
    Ok(principal)
}

/// Refuses a request without a credential while nothing is open to everyone, before anything of it is read.
pub(crate) fn refuse_anonymous(shared: &Shared, headers: &HeaderMap) -> Result<(), Failure> {
    if headers.contains_key(header::AUTHORIZATION) || shared.doors.gatekeeper.anonymous_may_score() {
        return Ok(());
    }
    Err(anonymous())
}

#[cold]
fn anonymous() -> Failure {
    Failure::new(
        ErrorKind::Unauthenticated,
        "the request has no credential, and no service of this host is open to everyone",
    )
    .with_hint(
        "send 'Authorization: Bearer CREDENTIAL' (gRPC metadata 'authorization'); see: scorehost service keys NAME",
    )
}

/// Those services whose descriptions the caller may read; a failure where there are services and none of them is.
pub(crate) async fn readable(
    shared: &Shared,
    activity: &Activity,
    services: Vec<Arc<dyn Service>>,
    headers: &HeaderMap,
) -> Result<Vec<Arc<dyn Service>>, Failure> {
    let (mut kept, mut refused) = (Vec::with_capacity(services.len()), None);
    for service in services {
        match reading(shared, activity, service.status().name.as_str(), headers).await {
            Ok(_) => kept.push(service),
            Err(failure) => refused = refused.or(Some(failure)),
        }
    }
    match refused {
        Some(failure) if kept.is_empty() => Err(failure),
        _ => Ok(kept),
    }
}

/// What the request says of its caller.
pub(crate) fn presented(headers: &HeaderMap) -> Presented<'_> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Presented::Nothing,
        (Some(value), None) => value,
        (Some(_), Some(_)) => return Presented::Other,
    };
    let credential = value.to_str().ok().and_then(|value| {
        let (scheme, credential) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
    });
    match credential {
        Some(credential) if !credential.is_empty() => Presented::Bearer(credential),
        _ => Presented::Other,
    }
}

/// Completes an HTTP answer for a failure: how to authenticate, and when to come again.
pub(crate) fn dress(failure: &Failure, response: &mut Response<Body>) {
    if failure.kind == ErrorKind::Unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(after) = failure.retry_after {
        if failure.kind == ErrorKind::Overloaded {
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        }
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds(after)));
    }
}

/// Whole seconds, rounded up: whoever comes then is not early.
fn seconds(after: Duration) -> u64 {
    after.as_secs() + u64::from(after.subsec_nanos() > 0)
}

/// The address that callers of one kind share in tests and where the system does not tell it.
pub(crate) const UNKNOWN_PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_bearer_credential_is_one() {
        let check = |values: &[&[u8]], expected: Presented<'_>| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
            }
            assert_eq!(presented(&headers), expected, "{values:?}");
        };
        check(&[], Presented::Nothing);
        check(&[b"Bearer abc"], Presented::Bearer("abc"));
        check(&[b"bearer  abc "], Presented::Bearer("abc"));
        check(&[b"Bearer "], Presented::Other);
        check(&[b"Bearer"], Presented::Other);
        check(&[b"abc"], Presented::Other);
        check(&[b"Basic YTpi"], Presented::Other);
        check(&[b"Bearer \xff"], Presented::Other);
        check(&[b"Bearer abc", b"Bearer abd"], Presented::Other);
    }

    #[test]
    fn refusals_say_how_to_authenticate_and_when_to_come_again() {
        let dressed = |failure: Failure| {
            let mut response = crate::oip::error(&failure);
            dress(&failure, &mut response);
            let header =
                |name| response.headers().get(&name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
            (response.status().as_u16(), header(header::WWW_AUTHENTICATE), header(header::RETRY_AFTER))
        };
        let failure = |kind| Failure::new(kind, "planned");
        assert_eq!(dressed(failure(ErrorKind::Unauthenticated)), (401, Some("Bearer".into()), None));
        assert_eq!(dressed(failure(ErrorKind::Forbidden)), (403, None, None));
        let later = failure(ErrorKind::Overloaded).with_retry_after(Duration::from_millis(1500));
        assert_eq!(dressed(later), (429, None, Some("2".into())));
        assert_eq!(dressed(failure(ErrorKind::Overloaded)), (503, None, None));
    }
}
