//! What a refused caller reads: what is missing, and how to get it.

use std::time::Duration;

use scorehost_core::{ErrorKind, Failure};

/// What a service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Key,
    Token,
}

impl Wanted {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Token => "token",
        }
    }

    fn get(self, service: &str) -> String {
        match self {
            Self::Key => format!("get it with: scorehost service keys {service}"),
            Self::Token => format!("get one with: scorehost service token {service}"),
        }
    }
}

/// A name as a message shows it: names may come from anywhere and be of any length.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

#[cold]
pub(crate) fn no_service(service: &str) -> Failure {
    Failure::not_found(format!("no service named '{}' is deployed", shown(service)))
        .with_hint("scorehost service list, or POST /v2/repository/index, lists what there is")
}

#[cold]
pub(crate) fn missing(service: &str, wanted: Wanted) -> Failure {
    let (name, upper) = (wanted.name(), wanted.name().to_uppercase());
    unauthenticated(format!("service '{service}' needs a {name}, and the request has none"))
        .with_hint(format!("send it in the header 'Authorization: Bearer {upper}'; {}", wanted.get(service)))
}

#[cold]
pub(crate) fn other_form(wanted: &str) -> Failure {
    unauthenticated("the header 'Authorization' is not of the form 'Bearer CREDENTIAL'".to_owned())
        .with_hint(format!("send 'Authorization: Bearer {wanted}', the credential on one line"))
}

#[cold]
pub(crate) fn wrong_key(service: &str, looks_like_token: bool) -> Failure {
    let message = if looks_like_token {
        format!("service '{service}' takes a key, and the request has a token")
    } else {
        format!("the key in the request is neither the primary nor the secondary key of service '{service}'")
    };
    unauthenticated(message).with_hint(Wanted::Key.get(service))
}

#[cold]
pub(crate) fn wrong_token(service: &str, why: &str) -> Failure {
    unauthenticated(format!("the token in the request is not good for service '{service}': {why}"))
        .with_hint(Wanted::Token.get(service))
}

#[cold]
pub(crate) fn no_management() -> Failure {
    unauthenticated("this needs a management credential, and the request has none".to_owned()).with_hint(LOGIN)
}

#[cold]
pub(crate) fn wrong_management() -> Failure {
    unauthenticated("the credential in the request is none of this server's management credentials".to_owned())
        .with_hint(LOGIN)
}

const LOGIN: &str = "on the server's machine and as its user the command line finds a credential itself; elsewhere: \
scorehost login URL, or SCOREHOST_TOKEN, or --token-file";

#[cold]
pub(crate) fn too_many(after: Duration) -> Failure {
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    let message = format!("too many wrong credentials came from this address; it is refused for {seconds} s");
    Failure::new(ErrorKind::Overloaded, message)
        .with_hint("stop whatever sends wrong credentials, wait, and try again with the right one")
        .with_retry_after(Duration::from_secs(seconds))
}

fn unauthenticated(message: String) -> Failure {
    Failure::new(ErrorKind::Unauthenticated, message)
}
