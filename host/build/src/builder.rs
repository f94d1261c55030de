//! From a request to a component: key, caches, compiler.

use std::fs;
use std::path::Path;
use std::time::Instant;

use scorehost_core::Digest;

use crate::cache::{Cache, Entry};
use crate::detect::{Plan, plan};
use crate::fingerprint::{self, Fingerprint};
use crate::languages::{Compiler, compiler};
use crate::source::{OWN, SourceFile};
use crate::tools::{Tools, lock, write_whole};
use crate::{
    BuildError, BuildOutcome, BuildRequest, BuilderConfig, CacheUse, Progress, component, dependencies, embedded,
    source,
};

/// Builds scorers.
#[derive(Clone, Debug)]
pub struct Builder {
    config: BuilderConfig,
}

impl Builder {
    /// A builder that keeps its caches and tools where `config` says.
    #[must_use]
    pub fn new(mut config: BuilderConfig) -> Self {
        for path in [&mut config.cache_dir, &mut config.toolchains_dir, &mut config.cargo_target_dir] {
            *path = std::path::absolute(&*path).unwrap_or_else(|_| path.clone());
        }
        Self { config }
    }

    /// Builds a scorer, or finds it in a cache: the workspace's first, then the shared one. Blocks until done; builds of
    /// the same key by several processes run the compiler once.
    ///
    /// # Errors
    /// [`BuildError`]: wrong configuration, a missing tool (naming what to install), or the compiler's own errors.
    pub fn build(&self, request: &BuildRequest, progress: &dyn Progress) -> Result<BuildOutcome, BuildError> {
        let started = Instant::now();
        let tools = Tools { config: &self.config, progress };
        let plan = plan(request)?;
        let compiler = compiler(&plan, &tools)?;
        let files = source::files(&plan.source)?;
        let key = key(&plan, compiler.as_ref(), &files)?;
        let (entry, cache, log) = self.obtain(&key, &plan, compiler.as_ref(), &files, &tools)?;
        if let Some(out) = &request.out {
            write_whole(out, &entry.component).map_err(BuildError::io("write", out))?;
        }
        Ok(BuildOutcome {
            component: entry.component,
            digest: entry.digest,
            cache,
            took: started.elapsed(),
            language: plan.language,
            toolchain: entry.toolchain,
            log,
        })
    }

    fn obtain(
        &self,
        key: &Digest,
        plan: &Plan,
        compiler: &dyn Compiler,
        files: &[SourceFile],
        tools: &Tools<'_>,
    ) -> Result<(Entry, CacheUse, String), BuildError> {
        let workspace = Cache::new(plan.source.join(OWN).join("cache"), self.config.workspace_cache_bytes);
        let shared = Cache::new(self.config.cache_dir.join("builds"), self.config.shared_cache_bytes);
        if let Some(entry) = workspace.get(key) {
            return Ok((entry, CacheUse::Workspace, String::new()));
        }
        hide(&plan.source, tools);
        // 256 locks for all keys: builds that share one only wait for each other.
        let _lock = lock(&self.config.cache_dir.join("locks").join(&key.hex()[..2]))?;
        if let Some(entry) = shared.get(key) {
            store(&workspace, key, &entry, tools);
            return Ok((entry, CacheUse::Shared, String::new()));
        }
        let compiled = compiler.compile(plan, files, tools)?;
        let mut component = component::encode(compiled.module)?;
        dependencies::embed(&mut component, compiled.dependencies);
        component::validate(&component)?;
        let entry = Entry { digest: fingerprint::of_bytes(&component), component, toolchain: compiler.identity() };
        store(&workspace, key, &entry, tools);
        store(&shared, key, &entry, tools);
        Ok((entry, CacheUse::Built, compiled.log))
    }
}

/// Everything that decides the result: builder, world, toolchain, environment, SDK and source tree.
fn key(plan: &Plan, compiler: &dyn Compiler, files: &[SourceFile]) -> Result<Digest, BuildError> {
    let mut key = Fingerprint::new("scorehost scorer build 1");
    key.part("builder", env!("SCOREHOST_BUILDER").as_bytes());
    key.part("language", plan.language.name().as_bytes());
    key.part("world", plan.world.name().as_bytes());
    key.part("entry", plan.entry.as_bytes());
    if plan.http {
        key.embedded(embedded::WASI_HTTP);
    }
    if plan.services {
        key.embedded(embedded::SERVICES);
    }
    key.part("toolchain", compiler.identity().as_bytes());
    key.embedded(embedded::WIT);
    key.embedded(embedded::WIT_OPERATIONS);
    compiler.fingerprint(plan, &mut key)?;
    key.files(files)?;
    Ok(key.finish())
}

/// Keeps an entry. A cache that cannot be written costs the next build time, and is no reason to fail this one.
fn store(cache: &Cache, key: &Digest, entry: &Entry, tools: &Tools<'_>) {
    if let Err(error) = cache.put(key, entry) {
        tools.progress.output(&format!("warning: the build could not be cached: {error}"));
    }
}

/// Keeps the builder's folder out of version control.
fn hide(source: &Path, tools: &Tools<'_>) {
    let file = source.join(OWN).join(".gitignore");
    if !file.exists()
        && let Err(error) = fs::create_dir_all(source.join(OWN)).and_then(|()| fs::write(&file, "*\n"))
    {
        tools.progress.output(&format!("warning: could not write {}: {error}", file.display()));
    }
}
