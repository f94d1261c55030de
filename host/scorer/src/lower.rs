//! Host functions whose data crosses without the copy that `bindgen!`'s owned types make: elements of a tensor go from
//! the host's bytes straight into guest memory, and a log message is read where it lies.

use bytes::Bytes;
use scorehost_core::{Copied, Failure};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmStr};

use crate::bindings::scorer::scorehost::scoring::failures::Failure as GuestFailure;
use crate::bindings::scorer::scorehost::scoring::log::Level;
use crate::host::{ModelHandle, NnTensor, TensorHandle, to_guest_failure};
use crate::state::State;

type Store<'a> = StoreContextMut<'a, State>;
type Answer = wasmtime::Result<(Result<Bytes, GuestFailure>,)>;

impl State {
    /// Bytes `offset..offset + length` of a tensor, shared.
    pub(crate) fn bytes_of(
        &self,
        handle: &Resource<TensorHandle>,
        offset: u64,
        length: u64,
    ) -> wasmtime::Result<Result<Bytes, Failure>> {
        let held = self.held(handle)?;
        let size = held.value.byte_len();
        let Some(end) = offset.checked_add(length).filter(|end| *end <= size) else {
            return Ok(Err(Failure::invalid(format!(
                "{length} bytes from byte {offset} on are beyond the end: the tensor has {size} bytes"
            ))));
        };
        Ok(self.fetch(held).map(|tensor| tensor.data().slice(offset as usize..end as usize)))
    }
}

/// Replaces the definitions of `bindgen!` for the calls that move much data.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let mut tensors = linker.instance("scorehost:scoring/tensors@0.1.0")?;
    tensors.func_wrap("[method]tensor.data", data)?;
    tensors.func_wrap("[method]tensor.read", read)?;
    linker.instance("scorehost:scoring/models@0.1.0")?.func_wrap("[method]model.file", file)?;
    linker.instance("scorehost:scoring/log@0.1.0")?.func_wrap("write", write)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The same for wasi:nn.
pub(crate) fn add_nn_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance("wasi:nn/tensor@0.2.0-rc-2024-10-28")?.func_wrap("[method]tensor.data", nn_data)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn nn_data(store: Store<'_>, (this,): (Resource<NnTensor>,)) -> wasmtime::Result<(Bytes,)> {
    let data = store.data().table.get(&this)?.bytes();
    count(&data);
    Ok((data,))
}

fn count(bytes: &Bytes) {
    Copied::ToGuest.count(bytes.len());
}

fn data(store: Store<'_>, (this,): (Resource<TensorHandle>,)) -> wasmtime::Result<(Bytes,)> {
    let state = store.data();
    // The guest's interface knows no failure here, so that a lost device ends the call.
    let data = state.fetch(state.held(&this)?)?.data().clone();
    Copied::ToGuest.count(data.len());
    Ok((data,))
}

fn read(store: Store<'_>, (this, offset, length): (Resource<TensorHandle>, u64, u64)) -> Answer {
    let bytes = store.data().bytes_of(&this, offset, length)?.inspect(count);
    Ok((bytes.map_err(|failure| to_guest_failure(&failure)),))
}

fn file(store: Store<'_>, (this, path): (Resource<ModelHandle>, String)) -> Answer {
    let bytes = store.data().models.get(this.rep())?.deployed.files.read(&path).inspect(count);
    Ok((bytes.map_err(|failure| to_guest_failure(&failure)),))
}

fn write(store: Store<'_>, (level, message): (Level, WasmStr)) -> wasmtime::Result<()> {
    let text = message.to_str(&store)?;
    store.data().journal.write(level.into(), &text);
    Ok(())
}
