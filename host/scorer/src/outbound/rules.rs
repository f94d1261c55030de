//! Which names a deployment lists.

use std::net::IpAddr;

use http::Uri;
use http::uri::Scheme;
use scorehost_core::Outbound;

use super::refusal::Refusal;

/// Where a request wants to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Name or address, lower case, without brackets and without a dot at its end.
    pub(crate) host: String,
    /// The address, where the host is one.
    pub(crate) address: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) encrypted: bool,
}

impl Target {
    /// Reads a request's URL.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Refusal> {
        let authority = uri.authority().ok_or(Refusal::Url)?;
        let encrypted = uri.scheme() == Some(&Scheme::HTTPS);
        // What stands before an '@' would reach the server as part of its name.
        if authority.as_str().contains('@') {
            return Err(Refusal::Url);
        }
        let port = match (authority.port(), authority.port_u16()) {
            (None, _) if authority.as_str() == authority.host() => {
                if encrypted {
                    443
                } else {
                    80
                }
            }
            (Some(_), Some(port)) if port > 0 => port,
            _ => return Err(Refusal::Url),
        };
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let bare = bare.strip_suffix('.').unwrap_or(bare).to_ascii_lowercase();
        if bare.is_empty() {
            return Err(Refusal::Url);
        }
        Ok(Self { address: bare.parse().ok(), host: bare, port, encrypted })
    }

    /// `host:port` as a log shows it.
    pub(crate) fn label(&self) -> String {
        match self.address {
            Some(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
            _ => format!("{}:{}", self.host, self.port),
        }
    }
}

/// The hosts that a deployment lists.
pub(crate) struct Rules(Vec<Outbound>);

impl Rules {
    pub(crate) fn new(granted: &[Outbound]) -> Self {
        Self(granted.to_vec())
    }

    /// Whether any rule covers the target's name and port, and then whether one of those opens private addresses.
    pub(crate) fn covers(&self, target: &Target) -> Option<Covered> {
        let mut rules =
            self.0.iter().filter(|rule| names(&rule.host, target) && opens(rule.port, target.port)).peekable();
        rules.peek()?;
        Some(Covered { private: rules.any(|rule| rule.private) })
    }
}

/// A target that is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    /// Whether its private addresses are open, too.
    pub(crate) private: bool,
}

/// `example.com` is itself only, `*.example.com` is everything below it, an address is that address.
fn names(rule: &str, target: &Target) -> bool {
    if let Some(address) = target.address {
        let rule: Option<IpAddr> = rule.trim_matches(['[', ']']).parse().ok();
        return rule.is_some_and(|rule| rule.to_canonical() == address.to_canonical());
    }
    match rule.strip_prefix("*.") {
        Some(domain) => {
            let below = target.host.len().checked_sub(domain.len()).filter(|below| *below > 1);
            below.is_some_and(|below| {
                let (first, last) = target.host.as_bytes().split_at(below);
                last.eq_ignore_ascii_case(domain.as_bytes()) && first.ends_with(b".")
            })
        }
        None => rule.eq_ignore_ascii_case(&target.host),
    }
}

const fn opens(rule: Option<u16>, port: u16) -> bool {
    match rule {
        Some(rule) => rule == port,
        None => port == 443 || port == 80,
    }
}

#[cfg(test)]
mod tests;
