//! Where builds keep their caches and tools.

use std::env;
use std::path::{Path, PathBuf};

/// Where a [`Builder`](crate::Builder) keeps what it makes, and how much of it.
#[derive(Clone, Debug)]
pub struct BuilderConfig {
    /// The shared cache. Default: `$SCOREHOST_CACHE_DIR`, else `$XDG_CACHE_HOME/scorehost`, else `~/.cache/scorehost`.
    pub cache_dir: PathBuf,
    /// Where compilers are installed that the builder fetches itself. Default: `$SCOREHOST_TOOLCHAINS_DIR`, else `toolchains` in the
    /// shared cache.
    pub toolchains_dir: PathBuf,
    /// Cargo's target directory for scorers. Default: `$SCOREHOST_GUEST_TARGET_DIR`, else `cargo-target` in the shared cache.
    pub cargo_target_dir: PathBuf,
    /// Bytes of components kept in the shared cache; the least recently used go first. Default: 2 GiB.
    pub shared_cache_bytes: u64,
    /// Bytes of components kept in one workspace's cache. Default: 256 MiB.
    pub workspace_cache_bytes: u64,
}

impl Default for BuilderConfig {
    fn default() -> Self {
        let cache_dir = variable("SCOREHOST_CACHE_DIR").unwrap_or_else(user_cache);
        Self {
            toolchains_dir: variable("SCOREHOST_TOOLCHAINS_DIR").unwrap_or_else(|| cache_dir.join("toolchains")),
            cargo_target_dir: variable("SCOREHOST_GUEST_TARGET_DIR").unwrap_or_else(|| cache_dir.join("cargo-target")),
            cache_dir,
            shared_cache_bytes: 2 << 30,
            workspace_cache_bytes: 256 << 20,
        }
    }
}

impl BuilderConfig {
    /// A configuration with everything below one folder.
    #[must_use]
    pub fn below(cache_dir: &Path) -> Self {
        Self {
            toolchains_dir: cache_dir.join("toolchains"),
            cargo_target_dir: cache_dir.join("cargo-target"),
            cache_dir: cache_dir.to_owned(),
            ..Self::default()
        }
    }
}

fn user_cache() -> PathBuf {
    let base = variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| home.join(".cache")));
    base.unwrap_or_else(env::temp_dir).join("scorehost")
}

/// A variable of the environment that holds a path; empty counts as absent.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
