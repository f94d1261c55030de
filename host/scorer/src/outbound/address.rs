//! Which addresses are the open internet's, and which are not.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use ipnet::IpNet;

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Reachable by everyone.
    Public,
    /// This machine, this network or this organisation: only where the rule says `private`. The text says which.
    Private(&'static str),
    /// Nothing that speaks HTTP: never.
    Never(&'static str),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::Private(name) | Self::Never(name) => name,
        })
    }
}

use Reach::{Never, Private, Public};

/// IANA's special-purpose address registries (RFC 6890 and its updates); the first that holds an address counts.
const TABLE: &[(&str, Reach)] = &[
    ("0.0.0.0/8", Never("unspecified")),
    ("127.0.0.0/8", Private("loopback")),
    ("10.0.0.0/8", Private("private")),
    ("172.16.0.0/12", Private("private")),
    ("192.168.0.0/16", Private("private")),
    ("100.64.0.0/10", Private("shared (carrier-grade NAT)")),
    ("169.254.0.0/16", Private("link-local")),
    ("198.18.0.0/15", Private("benchmarking")),
    ("192.0.0.0/24", Never("reserved")),
    ("192.0.2.0/24", Never("documentation")),
    ("192.88.99.0/24", Never("reserved")),
    ("198.51.100.0/24", Never("documentation")),
    ("203.0.113.0/24", Never("documentation")),
    ("224.0.0.0/4", Never("multicast")),
    ("255.255.255.255/32", Never("broadcast")),
    ("240.0.0.0/4", Never("reserved")),
    ("::/128", Never("unspecified")),
    ("::1/128", Private("loopback")),
    ("64:ff9b:1::/48", Private("private (local NAT64)")),
    ("fc00::/7", Private("private (unique local)")),
    ("fe80::/10", Private("link-local")),
    ("fec0::/10", Private("private (site-local)")),
    ("ff00::/8", Never("multicast")),
    ("2001::/23", Never("reserved")),
    ("2001:db8::/32", Never("documentation")),
    ("3fff::/20", Never("documentation")),
    ("2000::/3", Public),
    ("::/0", Never("reserved")),
    ("0.0.0.0/0", Public),
];

static NETS: LazyLock<Vec<(IpNet, Reach)>> =
    LazyLock::new(|| TABLE.iter().filter_map(|(net, reach)| Some((net.parse().ok()?, *reach))).collect());

/// What an address is for. An IPv6 address that stands for an IPv4 address is what that one is.
pub(crate) fn reach(address: IpAddr) -> Reach {
    let address = match address {
        IpAddr::V6(address) => embedded(address).map_or(IpAddr::V6(address), IpAddr::V4),
        IpAddr::V4(_) => address,
    };
    NETS.iter().find(|(net, _)| net.contains(&address)).map_or(Never("reserved"), |(_, reach)| *reach)
}

/// The IPv4 address inside: v4-mapped (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`), 6to4 (`2002::/16`).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(v4(g, h)),
        (0x2002, ..) => Some(v4(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
