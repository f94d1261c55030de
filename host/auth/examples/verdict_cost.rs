//! What a verdict costs: time per request on one thread, and on all cores at once, for each way to call.
//!
//! `cargo run --release -p scorehost-auth --example verdict_cost`

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement prints, and stops where it cannot go on")]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use scorehost_auth::{AuthConfig, Gatekeeper, Presented, Role, Verdict, new_key};
use scorehost_core::{Access, ServiceName, SystemClock};

const ROUNDS: u32 = 200_000;
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn main() {
    let dir = std::env::temp_dir().join(format!("scorehost-verdict-cost-{}", std::process::id()));
    let config = AuthConfig { failed_attempts: 0, ..AuthConfig::new(&dir) };
    let gatekeeper = Gatekeeper::start(config, Arc::new(SystemClock)).unwrap().gatekeeper;
    // As many services as a full host has.
    for number in 0..1000 {
        let keys = Access::Keys { primary: new_key().unwrap(), secondary: new_key().unwrap() };
        gatekeeper.set(&format!("service-{number}").parse().unwrap(), &keys);
    }
    let name = |name: &str| name.parse::<ServiceName>().unwrap();
    let (primary, secondary) = (new_key().unwrap(), new_key().unwrap());
    gatekeeper.set(&name("opened"), &Access::Open);
    gatekeeper.set(&name("keyed"), &Access::Keys { primary, secondary: secondary.clone() });
    gatekeeper.set(&name("tokened"), &Access::Tokens);
    let token = gatekeeper.token(&name("tokened"), "ann").unwrap().access_token;
    let manager = gatekeeper.credentials().unwrap().create("bench", Role::Deployer).unwrap();
    let rows = [
        ("open service", "opened", String::new()),
        ("key (the second)", "keyed", secondary.reveal().to_owned()),
        ("token, verified before", "tokened", token.reveal().to_owned()),
        ("management credential", "keyed", manager.reveal().to_owned()),
        ("wrong key", "keyed", "x".repeat(43)),
    ];
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("ns per verdict                1 thread   {cores} threads");
    for (what, service, credential) in &rows {
        let one = nanoseconds(&gatekeeper, service, credential);
        let all = std::thread::scope(|scope| {
            let running: Vec<_> =
                (0..cores).map(|_| scope.spawn(|| nanoseconds(&gatekeeper, service, credential))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).max().unwrap_or_default()
        });
        println!("{what:<28} {:>9} {:>11}", one.as_nanos(), all.as_nanos());
    }
    println!("{:<28} {:>9}", "token, seen the first time", first_time(&gatekeeper).as_nanos());
    let _ = std::fs::remove_dir_all(dir);
}

fn nanoseconds(gatekeeper: &Arc<Gatekeeper>, service: &str, credential: &str) -> Duration {
    let ask = || match gatekeeper.scoring(black_box(service), Presented::Bearer(black_box(credential)), PEER) {
        Verdict::Now(result) => drop(black_box(result)),
        Verdict::Later(_) => panic!("no issuer is asked here"),
    };
    (0..ROUNDS / 10).for_each(|_| ask());
    let began = Instant::now();
    (0..ROUNDS).for_each(|_| ask());
    began.elapsed() / ROUNDS
}

/// Signature and claims of tokens that were not seen before.
fn first_time(gatekeeper: &Arc<Gatekeeper>) -> Duration {
    const TOKENS: u32 = 500;
    let service: ServiceName = "tokened".parse().unwrap();
    let tokens: Vec<_> = (0..TOKENS).map(|_| gatekeeper.token(&service, "ann").unwrap().access_token).collect();
    let began = Instant::now();
    for token in &tokens {
        let verdict = gatekeeper.scoring("tokened", Presented::Bearer(token.reveal()), PEER);
        assert!(matches!(verdict, Verdict::Now(Ok(Some(_)))));
    }
    began.elapsed() / TOKENS
}
