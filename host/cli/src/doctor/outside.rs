//! What a server asks of others: keys of issuers, a store for collected data.

use std::path::Path;
use std::sync::Arc;

use super::network::{Network, Place, reach};
use super::{Check, Finding, Phase, data_dir};

/// Checks that the keys of each issuer can be fetched; `issuers` as given to `serve`.
pub(crate) fn issuers(issuers: &[String], network: &Arc<dyn Network>) -> Vec<Check> {
    let urls = issuers.iter().filter(|issuer| !issuer.is_empty()).map(|issuer| keys_of(issuer));
    urls.map(|url| there(Phase::Issuers, "issuer", url.to_owned(), network)).collect()
}

/// Where an issuer's keys are asked for: its `jwks=` URL, or itself.
fn keys_of(issuer: &str) -> &str {
    let mut parts = issuer.split(',');
    let own = parts.next().unwrap_or_default();
    parts.find_map(|part| part.strip_prefix("jwks=")).unwrap_or(own)
}

/// Checks that collected data can be left where it should go.
pub(crate) fn collection(target: &str, network: &Arc<dyn Network>) -> Check {
    if target.contains("://") && !target.starts_with("file://") {
        return there(Phase::Collection, "object store", target.to_owned(), network);
    }
    let folder = target.strip_prefix("file://").unwrap_or(target).to_owned();
    Check::new(Phase::Collection, "folder", move || data_dir(Phase::Collection, "folder", Path::new(&folder)))
}

fn there(phase: Phase, what: &'static str, url: String, network: &Arc<dyn Network>) -> Check {
    let network = Arc::clone(network);
    Check::new(phase, format!("{what} {url}"), move || match Place::of(&url) {
        Some(place) => {
            let (mut findings, address) = reach(&*network, phase, &format!("{what} {url}"), &place, true);
            findings.extend(address.filter(|_| place.secure).map(|address| {
                let (check, needs) =
                    (format!("{what} {url}: TLS"), format!("a trusted certificate of '{}'", place.host));
                match network.certificate(&place.host, address) {
                    Ok(_) => Finding::ok(phase, &check, &needs, "trusted"),
                    Err(failure) => {
                        let fix = failure.hint.as_deref().unwrap_or("trust the authority on this machine").to_owned();
                        Finding::ok(phase, &check, &needs, &*failure.message).failed(fix)
                    }
                }
            }));
            findings
        }
        None => vec![
            Finding::ok(phase, what, "an http or https URL", url).failed("give the URL of the store's own endpoint"),
        ],
    })
}
