//! Compiled components, and the replicas made of them.

use std::sync::Arc;

use scorehost_core::{BoxFuture, Digest, Failure, Replica, ReplicaFactory};
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;

use crate::bindings::{entry_script, scorer};
use crate::command::CommandReplica;
use crate::engine::Shared;
use crate::replica::{EntryScriptReplica, ScorerReplica};
use crate::state::State;
use crate::{Environment, ScorerError, World};

/// A component ready to make replicas of. Cheap to clone.
#[derive(Clone)]
pub struct Scorer {
    engine: Arc<Shared>,
    compiled: Arc<Compiled>,
}

/// A component with its imports resolved.
pub(crate) struct Compiled {
    digest: Digest,
    pre: Pre,
}

enum Pre {
    Scorer(scorer::ScorerPre<State>),
    EntryScript(entry_script::EntryScriptPre<State>),
    Command(CommandPre<State>),
}

impl Compiled {
    pub(crate) fn new(
        linker: &Linker<State>,
        component: &Component,
        world: World,
        digest: Digest,
    ) -> Result<Self, ScorerError> {
        let types = |error: wasmtime::Error| ScorerError::Types { world: world.name(), reason: format!("{error:#}") };
        let linked = linker.instantiate_pre(component).map_err(types)?;
        let pre = match world {
            World::Scorer => scorer::ScorerPre::new(linked).map(Pre::Scorer),
            World::EntryScript => entry_script::EntryScriptPre::new(linked).map(Pre::EntryScript),
            World::Command => CommandPre::new(linked).map(Pre::Command),
        };
        Ok(Self { digest, pre: pre.map_err(types)? })
    }
}

impl Scorer {
    pub(crate) const fn new(engine: Arc<Shared>, compiled: Arc<Compiled>) -> Self {
        Self { engine, compiled }
    }

    /// How it is called.
    #[must_use]
    pub fn world(&self) -> World {
        match self.compiled.pre {
            Pre::Scorer(_) => World::Scorer,
            Pre::EntryScript(_) => World::EntryScript,
            Pre::Command(_) => World::Command,
        }
    }

    /// SHA-256 of the component it was made of.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.compiled.digest
    }

    /// Makes the replicas of one deployment. Creating and calling them needs a tokio runtime with time enabled.
    #[must_use]
    pub fn factory(&self, environment: Environment) -> Arc<dyn ReplicaFactory> {
        Arc::new(Factory { scorer: self.clone(), environment: Arc::new(environment) })
    }
}

struct Factory {
    scorer: Scorer,
    environment: Arc<Environment>,
}

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        Box::pin(async move {
            let (engine, environment) = (&self.scorer.engine, &self.environment);
            let replica: Box<dyn Replica> = match &self.scorer.compiled.pre {
                Pre::Scorer(pre) => Box::new(ScorerReplica::create(engine, environment, pre).await?),
                Pre::EntryScript(pre) => Box::new(EntryScriptReplica::create(engine, environment, pre).await?),
                Pre::Command(pre) => Box::new(CommandReplica::new(engine, environment, pre.clone())),
            };
            Ok(replica)
        })
    }
}
