//! Scorers that take tensors and return tensors.

use crate::{Result, Signature, Tensors};

/// A scorer of tensors, reachable through the Open Inference Protocol and the scoring URI. Export it with
/// [`scorer!`](crate::scorer!).
pub trait Scorer: Sized {
    /// Makes the scorer, once per replica before any request.
    ///
    /// # Errors
    /// Any error keeps the replica out of service.
    fn init() -> Result<Self>;

    /// What [`Scorer::run`] takes and returns; asked once, after `init`.
    fn signature(&self) -> Signature;

    /// Handles one request.
    ///
    /// # Errors
    /// `InvalidInput` where the caller is at fault; anything else is a fault of the scorer.
    fn run(&mut self, inputs: Tensors) -> Result<Tensors>;
}

/// Exports a type that implements [`Scorer`] as this component's scorer.
#[macro_export]
macro_rules! scorer {
    ($scorer:ty) => {
        const _: () = {
            use $crate::export::scorer as host;

            ::std::thread_local! {
                static STATE: $crate::export::State<$scorer> = const { $crate::export::State::new() };
            }

            struct Export;

            impl host::Guest for Export {
                fn init() -> Result<(), host::Failure> {
                    STATE.with(|state| state.init_scorer())
                }

                fn signature() -> host::Signature {
                    STATE.with(|state| state.signature())
                }

                fn run(inputs: Vec<host::NamedTensor>) -> Result<Vec<host::NamedTensor>, host::Failure> {
                    STATE.with(|state| state.run_scorer(inputs))
                }
            }

    host::export_scorer!(Export with_types_in $crate::export::scorer);
        };
    };
}
