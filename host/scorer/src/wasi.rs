//! WASI 0.2 as a scorer gets it: variables and prints; clocks and randomness that tell nothing unless granted; no
//! files, no network.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use rand::SeedableRng;
use rand::rngs::StdRng;
use scorehost_core::Clock;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

use crate::Environment;
use crate::journal::{Journal, Stream};
use crate::stdio::Printed;

/// The moment at which the clock of a scorer without the clock grant stands: 2020-01-01T00:00:00Z, a date that neither
/// certificates nor calendars choke on.
const FROZEN: Duration = Duration::from_secs(1_577_836_800);
/// Seed of the randomness of a scorer without the randomness grant.
const SEED: [u8; 32] = *b"scorehost deterministic scorer 1";
/// Random bytes in one call.
const MAX_RANDOM: u64 = 1 << 20;

/// The WASI context of one replica.
pub(crate) fn context(environment: &Environment, clock: &Arc<dyn Clock>, journal: &Arc<Journal>) -> WasiCtx {
    builder(environment, clock, journal).build()
}

/// The same, open to further settings.
pub(crate) fn builder(environment: &Environment, clock: &Arc<dyn Clock>, journal: &Arc<Journal>) -> WasiCtxBuilder {
    let mut builder = WasiCtxBuilder::new();
    builder
        .stdout(Printed::new(Arc::clone(journal), Stream::Out))
        .stderr(Printed::new(Arc::clone(journal), Stream::Err))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .max_random_size(MAX_RANDOM);
    for (name, value) in &environment.variables {
        builder.env(name, value);
    }
    if environment.grants.clock {
        builder.wall_clock(GrantedWall(Arc::clone(clock)));
        builder.monotonic_clock(GrantedMonotonic { clock: Arc::clone(clock), start: clock.now() });
    } else {
        builder.wall_clock(Frozen).monotonic_clock(Frozen);
    }
    if !environment.grants.random {
        let seed = u128::from_le_bytes(*SEED.first_chunk().unwrap_or(&[0; 16]));
        builder
            .secure_random(StdRng::from_seed(SEED))
            .insecure_random(StdRng::from_seed(SEED))
            .insecure_random_seed(seed);
    }
    builder
}

struct Frozen;

impl HostWallClock for Frozen {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        FROZEN
    }
}

impl HostMonotonicClock for Frozen {
    fn resolution(&self) -> u64 {
        1_000_000_000
    }

    fn now(&self) -> u64 {
        0
    }
}

struct GrantedWall(Arc<dyn Clock>);

impl HostWallClock for GrantedWall {
    fn resolution(&self) -> Duration {
        Duration::from_micros(1)
    }

    fn now(&self) -> Duration {
        self.0.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }
}

struct GrantedMonotonic {
    clock: Arc<dyn Clock>,
    start: Instant,
}

impl HostMonotonicClock for GrantedMonotonic {
    fn resolution(&self) -> u64 {
        1_000
    }

    fn now(&self) -> u64 {
        let since = self.clock.now().saturating_duration_since(self.start);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}
