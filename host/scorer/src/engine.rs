//! The WebAssembly engine: one per process, shared by all services.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use scorehost_core::{Clock, Digest, SystemClock};
use scorehost_operations::{Device, WhereTheyAre};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::cache::Cache;
use crate::factory::{Compiled, Scorer};
use crate::inspect::{Outline, digest};
use crate::limits::{MAX_MEMORIES, MAX_TABLE_ELEMENTS, MAX_TABLES};
use crate::outbound::{Counters, Network, OutboundConfig, OutboundUse, Outgoing};
use crate::state::State;
use crate::ticker::Ticker;
use crate::{Environment, ScorerError, World, imports, linker};

/// Settings of the engine.
#[derive(Clone)]
pub struct EngineConfig {
    /// Folder of precompiled components; `None` compiles anew in every process. Whoever may write it may run code as the
    /// host.
    pub cache_dir: Option<PathBuf>,
    /// Replicas that can be live at once in this process.
    pub max_replicas: u32,
    /// Time between two looks at a running guest: how long one guest keeps others on its core waiting, and how late a
    /// deadline may be noticed.
    pub tick: Duration,
    /// Longest time of instantiation and `init` together.
    pub init_timeout: Duration,
    /// Stack of a guest, in bytes.
    pub stack_bytes: usize,
    /// Time for deadlines, and for guests with the clock grant.
    pub clock: Arc<dyn Clock>,
    /// Outgoing HTTP of guests whose deployment lists hosts.
    pub outbound: OutboundConfig,
    /// Where operations on tensors run.
    pub operations: Arc<dyn Device>,
}

impl Default for EngineConfig {
    /// No cache, 4096 replicas, a tick of 1 ms, 60 s for `init`, 1 MiB of stack, the machine's clock.
    fn default() -> Self {
        Self {
            cache_dir: None,
            max_replicas: 4096,
            tick: Duration::from_millis(1),
            init_timeout: Duration::from_secs(60),
            stack_bytes: 1 << 20,
            clock: Arc::new(SystemClock),
            outbound: OutboundConfig::default(),
            operations: Arc::new(WhereTheyAre::default()),
        }
    }
}

/// Compiles components and holds what all scorers share.
#[derive(Clone)]
pub struct Engine(Arc<Shared>);

/// What replicas need of the engine.
pub(crate) struct Shared {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) ticker: Ticker,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) init_timeout: Duration,
    pub(crate) operations: Arc<dyn Device>,
    linker: Linker<State>,
    cache: Option<Cache>,
    compiled: Mutex<HashMap<Digest, Weak<Compiled>>>,
    network: Arc<Network>,
    /// Outgoing HTTP of live deployments.
    counters: Mutex<Vec<Weak<Counters>>>,
}

impl Engine {
    /// Starts the engine and its tick thread.
    ///
    /// # Errors
    /// [`ScorerError::Engine`] where the machine cannot run it, or the cache folder cannot be made.
    pub fn new(config: EngineConfig) -> Result<Self, ScorerError> {
        start(config).map(|shared| Self(Arc::new(shared))).map_err(|error| ScorerError::Engine(format!("{error:#}")))
    }

    /// Makes a scorer of a component: from memory where a live scorer has the same bytes, else from the disk cache, else by
    /// compiling. Blocks; a CPython component takes about 20 s of CPU time the first time.
    ///
    /// # Errors
    /// Where the bytes are no component, are damaged, import what is not granted, or fit no world.
    pub fn compile(&self, bytes: &[u8]) -> Result<Scorer, ScorerError> {
        let digest = digest(bytes);
        if let Some(live) = self.0.compiled.lock().get(&digest).and_then(Weak::upgrade) {
            return Ok(Scorer::new(Arc::clone(&self.0), live));
        }
        let outline = Outline::read(bytes)?;
        imports::check(outline.imports.iter().map(String::as_str))?;
        let world = World::of_exports(outline.exports.iter().map(String::as_str));
        let Some(world) = world else { return Err(ScorerError::World(outline.exports)) };
        let component = self.0.component(&digest, bytes)?;
        let compiled = Arc::new(Compiled::new(&self.0.linker, &component, world, outline, digest)?);
        let mut memo = self.0.compiled.lock();
        memo.retain(|_, entry| entry.strong_count() > 0);
        memo.insert(digest, Arc::downgrade(&compiled));
        Ok(Scorer::new(Arc::clone(&self.0), compiled))
    }

    /// Outgoing HTTP of the deployments that are live, each since it was deployed.
    #[must_use]
    pub fn outbound(&self) -> Vec<OutboundUse> {
        let counters = self.0.counters.lock();
        counters.iter().filter_map(Weak::upgrade).map(|counters| counters.shown()).collect()
    }
}

impl Shared {
    /// The way out of a deployment.
    pub(crate) fn outgoing(&self, environment: &Environment) -> Arc<Outgoing> {
        let counters = Arc::new(Counters::new(environment.service.clone(), &environment.version));
        let mut live = self.counters.lock();
        live.retain(|counters| counters.strong_count() > 0);
        live.push(Arc::downgrade(&counters));
        Arc::new(Outgoing::new(&self.network, &environment.grants.outbound, counters))
    }

    fn component(&self, digest: &Digest, bytes: &[u8]) -> Result<Component, ScorerError> {
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(&self.wasm, digest)) {
            return Ok(component);
        }
        let component = Component::from_binary(&self.wasm, bytes).map_err(|error| refusal(&error))?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.store(digest, &component)) {
            tracing::warn!(%digest, error = format!("{error:#}"), "a compiled component could not be cached");
        }
        Ok(component)
    }
}

fn refusal(error: &wasmtime::Error) -> ScorerError {
    let reason = format!("{error:#}");
    // The pooling allocator checks a component against its limits when it is compiled; it has no error type for it.
    if reason.contains("exceeds the") || reason.contains("limit of") {
        return ScorerError::TooLarge(reason);
    }
    ScorerError::Invalid(reason)
}

fn start(config: EngineConfig) -> wasmtime::Result<Shared> {
    let wasm = match wasmtime::Engine::new(&settings(&config, Some(pool(&config)))) {
        Ok(engine) => engine,
        Err(error) => {
            let error = format!("{error:#}");
            tracing::warn!(error, "no address space for a pool of replicas; replicas start more slowly without it");
            wasmtime::Engine::new(&settings(&config, None))?
        }
    };
    Ok(Shared {
        ticker: Ticker::start(wasm.weak(), config.tick)?,
        linker: linker::linker(&wasm)?,
        cache: config.cache_dir.as_deref().map(|folder| Cache::open(folder, &wasm)).transpose()?,
        compiled: Mutex::default(),
        network: Arc::new(Network::new(config.outbound)),
        counters: Mutex::default(),
        clock: config.clock,
        init_timeout: config.init_timeout,
        operations: config.operations,
        wasm,
    })
}

fn settings(config: &EngineConfig, pool: Option<PoolingAllocationConfig>) -> Config {
    let mut settings = Config::new();
    settings
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(config.stack_bytes)
        .async_stack_size(config.stack_bytes + (1 << 20))
        .async_stack_zeroing(false)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable);
    if let Some(pool) = pool {
        settings.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    }
    settings
}

/// Slots for replicas. They reserve address space only; a slot costs memory once it was used.
fn pool(config: &EngineConfig) -> PoolingAllocationConfig {
    let replicas = config.max_replicas.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(replicas)
        .total_core_instances(replicas.saturating_mul(32))
        .total_memories(replicas.saturating_mul(2))
        .total_tables(replicas.saturating_mul(4))
        .total_stacks(replicas)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memories_per_component(MAX_MEMORIES as u32)
        .max_tables_per_component(MAX_TABLES as u32)
        .table_elements(MAX_TABLE_ELEMENTS)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        .async_stack_keep_resident(16 << 10);
    pool
}
