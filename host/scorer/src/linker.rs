//! Everything a guest can import, linked once per engine.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2;

use crate::bindings::{nn, scorer};
use crate::lower;
use crate::state::State;

type Own = HasSelf<State>;

/// The imports of all worlds.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    scorer::Scorer::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    lower::add_to_linker(&mut linker)?;
    nn::Ml::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}
