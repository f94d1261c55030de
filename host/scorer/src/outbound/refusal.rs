//! Why a request did not go out, or did not come back.

use std::io;
use std::net::IpAddr;

use wasmtime_wasi_http::Error;

use super::address::Reach;

/// Why a request has no response. The text goes to the service's log; the guest gets a code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not listed.
    #[error("the deployment does not list it in scorehost.grants.outbound")]
    NotListed,
    /// Listed, but where it leads is not open.
    #[error("{address} is {reach}; the rule in scorehost.grants.outbound does not say \"private\": true")]
    Private { address: IpAddr, reach: Reach },
    /// Leads to an address that is never open.
    #[error("{address} is {reach}, which no grant opens")]
    Never { address: IpAddr, reach: Reach },
    #[error("the URL has no valid host and port")]
    Url,
    #[error("the method CONNECT is not offered")]
    Method,
    #[error("{0} requests of this deployment are under way already")]
    Busy(usize),
    #[error("the request's body is longer than {0} bytes")]
    RequestTooLarge(u64),
    #[error("the name cannot be resolved: {0}")]
    Name(io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("no connection within {0} ms")]
    ConnectTime(u128),
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no encrypted connection: {0}")]
    Tls(io::Error),
    #[error("no response within {0} ms")]
    Silent(u128),
    #[error("the call's time is up")]
    TimeUp,
    #[error("the exchange broke off: {0}")]
    Http(hyper::Error),
}

impl Refusal {
    /// Whether a rule kept it from going out, as opposed to the network.
    pub(crate) const fn by_rule(&self) -> bool {
        matches!(
            self,
            Self::NotListed | Self::Private { .. } | Self::Never { .. } | Self::Url | Self::Method | Self::Busy(_)
        )
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotListed => Self::HttpRequestDenied,
            Refusal::Private { .. } | Refusal::Never { .. } => Self::DestinationIpProhibited,
            Refusal::Url => Self::HttpRequestUriInvalid,
            Refusal::Method => Self::HttpRequestMethodInvalid,
            Refusal::Busy(_) => Self::ConnectionLimitReached,
            Refusal::RequestTooLarge(limit) => Self::HttpRequestBodySize(Some(limit)),
            Refusal::Name(_) | Refusal::NoAddress => {
                Self::DnsError { rcode: Some("the name has no address".to_owned()), info_code: None }
            }
            Refusal::ConnectTime(_) => Self::ConnectionTimeout,
            Refusal::Connect(_) => Self::ConnectionRefused,
            Refusal::Tls(error) if is_certificate(&error) => Self::TlsCertificateError,
            Refusal::Tls(_) => Self::TlsProtocolError,
            Refusal::Silent(_) | Refusal::TimeUp => Self::HttpResponseTimeout,
            Refusal::Http(error) => Self::Hyper(error),
        }
    }
}

fn is_certificate(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}
