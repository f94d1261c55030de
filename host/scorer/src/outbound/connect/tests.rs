#![allow(clippy::unwrap_used, reason = "tests")]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scorehost_core::BoxFuture;

use super::super::{OutboundConfig, Resolver};
use super::*;

/// Answers with the next row at every question: what a name server in bad hands does.
struct Changing(Vec<Vec<IpAddr>>, AtomicUsize);

impl Resolver for Changing {
    fn resolve<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let row = self.1.fetch_add(1, Ordering::Relaxed).min(self.0.len() - 1);
        Box::pin(async move { Ok(self.0[row].clone()) })
    }
}

fn network(rows: &[&[&str]]) -> (Arc<Changing>, Network) {
    let rows = rows.iter().map(|row| row.iter().map(|address| address.parse().unwrap()).collect()).collect();
    let resolver = Arc::new(Changing(rows, AtomicUsize::new(0)));
    let config = OutboundConfig { resolver: Arc::clone(&resolver) as _, ..OutboundConfig::default() };
    (resolver, Network::new(config))
}

fn target(url: &str) -> Target {
    Target::of(&url.parse().unwrap()).unwrap()
}

async fn addresses(rows: &[&[&str]], url: &str, private: bool) -> Result<Vec<String>, String> {
    let found = network(rows).1.addresses(&target(url), Covered { private }).await;
    found.map(|open| open.iter().map(ToString::to_string).collect()).map_err(|refusal| refusal.to_string())
}

#[tokio::test]
async fn only_open_addresses_are_used() {
    let mixed: &[&[&str]] = &[&["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"]];
    assert_eq!(addresses(mixed, "http://x.test/", false).await.unwrap(), ["8.8.8.8", "2606:4700::1111"]);
    let open = addresses(mixed, "http://x.test/", true).await.unwrap();
    assert_eq!(open, ["10.0.0.1", "8.8.8.8", "::1", "2606:4700::1111"]);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_with_the_address_and_the_key() {
    let refused = addresses(&[&["169.254.169.254"]], "http://metadata.test/", false).await.unwrap_err();
    assert!(refused.contains("169.254.169.254 is link-local") && refused.contains("\"private\": true"), "{refused}");
    let never = addresses(&[&["0.0.0.0"]], "http://x.test/", true).await.unwrap_err();
    assert!(never.contains("0.0.0.0 is unspecified, which no grant opens"), "{never}");
    let literal = addresses(&[], "http://[::ffff:127.0.0.1]/", false).await.unwrap_err();
    assert!(literal.contains("loopback"), "{literal}");
}

#[tokio::test]
async fn a_name_is_resolved_once_so_that_a_changed_answer_changes_nothing() {
    // The first answer is checked and refused; the second, which would be asked for by whoever resolves again to connect, is
    // never asked for. The other way round the connection goes to the first answer, where nobody listens.
    let (resolver, network) = network(&[&["10.0.0.1"], &["8.8.8.8"]]);
    let refused = network.connect(&target("http://x.test/"), Covered { private: false }, Duration::from_secs(5)).await;
    assert!(matches!(refused.err().unwrap(), Refusal::Private { .. }));
    assert_eq!(resolver.1.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_connection_goes_to_the_address_that_was_checked() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (resolver, network) = network(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let target = target(&format!("http://x.test:{port}/"));
    let (connected, accepted) =
        tokio::join!(network.connect(&target, Covered { private: true }, Duration::from_secs(5)), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
    assert_eq!(resolver.1.load(Ordering::Relaxed), 1);
}
