//! Names and connections, each a finding of its own.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use scorehost_control::client::ClientTls;
use scorehost_core::Failure;

use super::{Finding, Phase};

/// Longest wait for one connection.
const CONNECT: Duration = Duration::from_secs(5);

/// The network as checks see it.
pub(crate) trait Network: Send + Sync {
    /// Addresses of a name.
    fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String>;

    /// Whether something listens.
    fn connect(&self, address: SocketAddr) -> Result<(), String>;

    /// The certificate that a server shows, as DER, where it is trusted.
    fn certificate(&self, host: &str, address: SocketAddr) -> Result<Vec<u8>, Failure>;
}

/// The network of this machine.
pub(crate) struct Internet(pub(crate) ClientTls);

impl Network for Internet {
    fn resolve(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        (host, port).to_socket_addrs().map(Iterator::collect).map_err(|error| error.to_string())
    }

    fn connect(&self, address: SocketAddr) -> Result<(), String> {
        TcpStream::connect_timeout(&address, CONNECT).map(drop).map_err(|error| error.to_string())
    }

    fn certificate(&self, host: &str, address: SocketAddr) -> Result<Vec<u8>, Failure> {
        self.0.server_certificate(host, address, CONNECT)
    }
}

/// A place on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) secure: bool,
}

impl Place {
    /// The place that an `http` or `https` URL names.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let secure = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let authority = authority.rsplit('@').next().filter(|authority| !authority.is_empty())?;
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':')),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map_or(Some(if secure { 443 } else { 80 }), |port| port.parse().ok())?;
        Some(Self { host: host.to_owned(), port, secure })
    }
}

/// Findings on the way to a place, until the first that fails; and an address that answers, where one does.
pub(crate) fn reach(
    network: &dyn Network,
    phase: Phase,
    what: &str,
    place: &Place,
    required: bool,
) -> (Vec<Finding>, Option<SocketAddr>) {
    let bad = |finding: Finding, fix: String| if required { finding.failed(fix) } else { finding.warning(fix) };
    let Place { host, port, .. } = place;
    let (check, needs) = (format!("{what}: name"), format!("an address of '{host}'"));
    let addresses = match network.resolve(host, *port) {
        Ok(addresses) if !addresses.is_empty() => addresses,
        other => {
            let reason = other.err().unwrap_or_else(|| "the name has no address".to_owned());
            let fix = format!("check the name, and the name servers of this machine ('getent hosts {host}')");
            return (vec![bad(Finding::ok(phase, &check, &needs, reason), fix)], None);
        }
    };
    let shown: Vec<String> = addresses.iter().map(|address| address.ip().to_string()).collect();
    let mut findings = vec![Finding::ok(phase, &check, &needs, shown.join(", "))];
    let (check, needs) = (format!("{what}: connection"), format!("an open port {port} at '{host}'"));
    let mut reasons = Vec::new();
    for address in addresses {
        match network.connect(address) {
            Ok(()) => {
                findings.push(Finding::ok(phase, &check, &needs, format!("connected to {address}")));
                return (findings, Some(address));
            }
            Err(reason) => reasons.push(format!("{address}: {reason}")),
        }
    }
    let fix = format!("is it running, and does the firewall or proxy let this machine reach port {port}?");
    findings.push(bad(Finding::ok(phase, &check, &needs, reasons.join("; ")), fix));
    (findings, None)
}
