//! Who is calling, and what they may do: service keys, signed tokens, management credentials.
//!
//! In: who may call a service ([`Gatekeeper::set`]), and what a request presented ([`Presented`], and the address it came
//! from). Out: a [`Verdict`] with the [`Principal`], or the failure that the caller reads; tokens; the published keys that
//! verify them. Keys are compared in constant time, tokens are verified once and remembered by their hash until they
//! expire, and whoever guesses is refused for a while.
//!
//! Deliberately not here: HTTP headers and status codes (`ingress`), which role a management call needs and where a
//! service's keys are kept (`control`).

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod attempts;
mod config;
mod credentials;
mod entropy;
mod error;
mod fetch;
mod files;
#[doc(hidden)]
pub mod fuzzing;
mod gatekeeper;
mod issuer;
mod keyset;
mod principal;
mod refusal;
mod rules;
mod signing;
mod token;

pub use config::AuthConfig;
pub use credentials::{Credentials, KeptCredential};
pub use entropy::new_key;
pub use error::AuthError;
pub use files::write_private;
pub use gatekeeper::{Gatekeeper, Started, Verdict};
pub use issuer::IssuerConfig;
pub use principal::{Presented, Principal, Role};
pub use token::Token;
