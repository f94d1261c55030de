//! Places that a scorer may send HTTP requests to: `"host"`, `"host:port"`, `"*.domain"` or an object.

use std::net::IpAddr;

use scorehost_core::Outbound;
use serde_json::Value;

use crate::files::reader::{Findings, Object, brief};

const KEYS: [&str; 3] = ["host", "port", "private"];
const PLACE: &str = "must be a host name, '*.' and a domain, or an address";

/// The places of `outbound` in a block of grants.
pub(super) fn read(grants: &Object<'_>, found: &mut Findings) -> Vec<Outbound> {
    let items = grants.list("outbound", found);
    items.into_iter().filter_map(|(path, item)| place(&path, item, found)).collect()
}

/// The place of a text: `host`, `host:port`, an address, or `*.` and a domain.
pub(crate) fn of_text(text: &str, private: bool) -> Option<Outbound> {
    split(text).and_then(|(host, port)| Some(Outbound { host: host_of(host)?, port, private }))
}

fn place(path: &str, item: &Value, found: &mut Findings) -> Option<Outbound> {
    if let Value::String(text) = item {
        let parsed = of_text(text, false);
        if parsed.is_none() {
            found.add(path, format!("{PLACE}, with a port where it is not 80 or 443, is {}", brief(item)));
        }
        return parsed;
    }
    let object = Object::open(path, item, &KEYS, found)?;
    let port = object.whole("port", 1, 65535, "a port from 1 to 65535", found).map(|port| port as u16);
    let private = object.flag("private", found).unwrap_or(false);
    let Some(host) = object.value("host") else {
        found.add(object.at("host"), "is required");
        return None;
    };
    match host.as_str().and_then(host_of) {
        Some(host) => Some(Outbound { host, port, private }),
        None => {
            found.add(object.at("host"), format!("{PLACE}, is {}", brief(host)));
            None
        }
    }
}

/// `host`, `host:port`, or an IPv6 address in brackets with or without a port.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(number) => Some((host, Some(port(number)?))),
            None => rest.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((host, number)) if !number.contains(':') => Some((host, Some(port(number)?))),
        // Several colons and no brackets: an IPv6 address.
        _ => Some((text, None)),
    }
}

/// The host in lower case, where it can be one.
fn host_of(text: &str) -> Option<String> {
    if text.parse::<IpAddr>().is_ok() {
        return Some(text.to_ascii_lowercase());
    }
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // A name whose last label is a number would be an address written wrongly.
    let number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    (name.len() <= 253 && !number && name.split('.').all(label)).then(|| text.to_ascii_lowercase())
}
