//! Dividing callers: each stays with its version while the split stays.

use scorehost_core::{ServiceName, Traffic, VersionName};

use super::split::share;

/// The versions that callers are divided between, the default included, with their weights.
///
/// A caller draws a number for every version from the caller's key and the version's name; the lowest by weight wins
/// (weighted rendezvous hashing). So the choice depends on nothing but the split: it is the same on every host and after
/// every restart, and when a share changes, only about the callers of that share move.
#[derive(Clone, Debug)]
pub(super) struct Claims(Vec<Claim>);

#[derive(Clone, Debug)]
struct Claim {
    seed: u64,
    weight: f64,
    at: Option<usize>,
}

impl Claims {
    pub(super) fn new(service: &ServiceName, traffic: &Traffic, find: impl Fn(&VersionName) -> Option<usize>) -> Self {
        let mut claims: Vec<Claim> = Vec::with_capacity(traffic.split.len() + 1);
        let mut rest = 1.0;
        for (version, percent) in &traffic.split {
            let weight = share(*percent).min(rest);
            rest -= weight;
            claim(&mut claims, service, version, weight, find(version));
        }
        claim(&mut claims, service, &traffic.default, rest, find(&traffic.default));
        claims.retain(|claim| claim.weight > 0.0);
        Self(claims)
    }

    /// The version of a caller, where it is live.
    pub(super) fn choose(&self, key: &str) -> Option<usize> {
        let key = hash(key.as_bytes());
        let draw = |claim: &Claim| -unit(mix(key ^ claim.seed)).ln() / claim.weight;
        self.0.iter().min_by(|a, b| draw(a).total_cmp(&draw(b)))?.at
    }
}

/// A version named twice has one claim of both weights.
fn claim(claims: &mut Vec<Claim>, service: &ServiceName, version: &VersionName, weight: f64, at: Option<usize>) {
    let seed = hash(format!("{service}/{version}").as_bytes());
    match claims.iter_mut().find(|claim| claim.seed == seed) {
        Some(claim) => claim.weight += weight,
        None => claims.push(Claim { seed, weight, at }),
    }
}

/// FNV-1a, 64 bit: the same everywhere and for ever, which the hashers of the standard library do not promise.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The finalizer of SplitMix64: every bit of the input changes half of the output's.
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Above 0, at most 1.
fn unit(value: u64) -> f64 {
    ((value >> 11) + 1) as f64 / (1u64 << 53) as f64
}
