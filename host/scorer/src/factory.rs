//! Compiled components, and the replicas made of them.

use std::sync::Arc;

use scorehost_core::{BoxFuture, Digest, Failure, Replica, ReplicaFactory};
use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p2::bindings::CommandPre;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::bindings::{entry_script, scorer};
use crate::command::CommandReplica;
use crate::deployed::Deployed;
use crate::engine::Shared;
use crate::handler::HandlerReplica;
use crate::imports::Need;
use crate::inspect::Outline;
use crate::replica::{EntryScriptReplica, ScorerReplica};
use crate::residency::Residency;
use crate::state::State;
use crate::{Environment, ScorerError, World, imports};

/// A component ready to make replicas of. Cheap to clone.
#[derive(Clone)]
pub struct Scorer {
    engine: Arc<Shared>,
    compiled: Arc<Compiled>,
}

/// A component with its imports resolved.
pub(crate) struct Compiled {
    digest: Digest,
    /// Imports that work only where the deployment grants something.
    needs: Vec<(String, Need)>,
    pre: Pre,
}

enum Pre {
    Scorer(scorer::ScorerPre<State>),
    EntryScript(entry_script::EntryScriptPre<State>),
    Command(CommandPre<State>),
    Handler(ProxyPre<State>),
}

impl Compiled {
    pub(crate) fn new(
        linker: &Linker<State>,
        component: &Component,
        world: World,
        outline: Outline,
        digest: Digest,
    ) -> Result<Self, ScorerError> {
        let types = |error: wasmtime::Error| ScorerError::Types { world: world.name(), reason: format!("{error:#}") };
        let linked = linker.instantiate_pre(component).map_err(types)?;
        let pre = match world {
            World::Scorer => scorer::ScorerPre::new(linked).map(Pre::Scorer),
            World::EntryScript => entry_script::EntryScriptPre::new(linked).map(Pre::EntryScript),
            World::Command => CommandPre::new(linked).map(Pre::Command),
            World::HttpHandler => ProxyPre::new(linked).map(Pre::Handler),
        };
        Ok(Self { digest, needs: imports::needs(world, outline.imports), pre: pre.map_err(types)? })
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
            Pre::Handler(_) => World::HttpHandler,
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
        let outgoing = self.engine.outgoing(&environment);
        let residency = Residency::new(&environment.models);
        let environment = Arc::new(Deployed { environment, outgoing, residency });
        Arc::new(Factory { scorer: self.clone(), environment })
    }
}

struct Factory {
    scorer: Scorer,
    environment: Arc<Deployed>,
}

impl ReplicaFactory for Factory {
    fn create(&self) -> BoxFuture<'_, Result<Box<dyn Replica>, Failure>> {
        Box::pin(async move {
            let (engine, environment) = (&self.scorer.engine, &self.environment);
            imports::check_needs(&self.scorer.compiled.needs, &environment.grants)?;
            let replica: Box<dyn Replica> = match &self.scorer.compiled.pre {
                Pre::Scorer(pre) => Box::new(ScorerReplica::create(engine, environment, pre).await?),
                Pre::EntryScript(pre) => Box::new(EntryScriptReplica::create(engine, environment, pre).await?),
                Pre::Command(pre) => Box::new(CommandReplica::new(engine, environment, pre.clone())),
                Pre::Handler(pre) => Box::new(HandlerReplica::create(engine, environment, pre).await?),
            };
            Ok(replica)
        })
    }
}
