//! Everything a guest can import, linked once per engine.

use wasmtime::component::{HasSelf, Linker};
use wasmtime_wasi::p2;

use crate::bindings::operations::scorehost::operations::{arrays, detection, images};
use crate::bindings::{nn, scorer, services};
use crate::lower;
use crate::state::State;

type Own = HasSelf<State>;

/// The imports of all worlds.
pub(crate) fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    scorer::Scorer::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    lower::add_to_linker(&mut linker)?;
    // Interface by interface: the packages' worlds would link the scoring package, which they use, a second time.
    arrays::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    images::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    detection::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    nn::Ml::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    lower::add_nn_to_linker(&mut linker)?;
    services::scorehost::services::services::add_to_linker::<_, Own>(&mut linker, |state| state)?;
    p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    Ok(linker)
}
