//! Why a component cannot become a scorer.

use scorehost_core::{ErrorKind, Failure};

/// A component that cannot be hosted, or an engine that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ScorerError {
    /// Neither a component nor a core module.
    #[error("not a WebAssembly component: the first bytes are {first:02x?}, expected 00 61 73 6d 0d 00 01 00")]
    NotWasm {
        /// At most eight first bytes.
        first: Vec<u8>,
    },
    /// A core module, which has no typed interface.
    #[error("this is a core WebAssembly module, expected a component")]
    CoreModule,
    /// Damaged, cut short, or using features that are not offered.
    #[error("the component is damaged or invalid: {0}")]
    Invalid(String),
    /// Imports that no grant covers.
    #[error("the component imports what this host does not grant: {}", .0.join(", "))]
    Imports(Vec<String>),
    /// An import that works only with a grant that the deployment does not give.
    #[error("the component imports '{import}' and the deployment does not grant it: {key} is empty")]
    NotGranted {
        /// The import.
        import: String,
        /// The key of the deployment configuration.
        key: &'static str,
    },
    /// No known way to call it.
    #[error(
        "the component exports neither world 'scorer' (init, signature, run) nor world 'entry-script' (init, describe, \
         run) nor 'wasi:http/incoming-handler' nor 'wasi:cli/run'; it exports: [{}]", .0.join(", ")
    )]
    World(Vec<String>),
    /// The names fit a world, the types do not.
    #[error("the component does not fit the world '{world}': {reason}")]
    Types {
        /// The world that its export names promise.
        world: &'static str,
        /// The item that differs.
        reason: String,
    },
    /// It needs more instances, memories or tables than a replica may have.
    #[error("the component is too large for a replica: {0}")]
    TooLarge(String),
    /// The engine cannot run on this machine.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
}

impl ScorerError {
    const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotWasm { .. } | Self::CoreModule => {
                Some("build it with `scorehost scorer build DIR -o OUT.wasm`, which makes a component")
            }
            Self::Invalid(_) => {
                Some("build or copy it again; `scorehost scorer inspect FILE` reads it without running it")
            }
            Self::Imports(_) => Some(
                "`scorehost scorer inspect FILE` lists the imports; docs/reference/sandbox.md says what is granted",
            ),
            Self::NotGranted { .. } => Some(
                "list the hosts it may call in deploymentconfig.json: \"scorehost\": {\"grants\": {\"outbound\": \
                 [\"api.example.com\"]}}; for a local run: --outbound HOST",
            ),
            Self::World(_) | Self::Types { .. } => Some(
                "build it against wit/deps/scorehost-scoring@0.1.0; `scorehost scorer new LANG DIR` makes a template",
            ),
            Self::TooLarge(_) | Self::Engine(_) => None,
        }
    }
}

impl From<ScorerError> for Failure {
    fn from(error: ScorerError) -> Self {
        let kind = if matches!(error, ScorerError::Engine(_)) { ErrorKind::Internal } else { ErrorKind::InvalidInput };
        let failure = Self::new(kind, error.to_string());
        match error.hint() {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    }
}
