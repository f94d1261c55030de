//! Interface `tensors`: handles to the host's immutable tensors.

use scorehost_core::{Copied, Shape, Tensor, TensorError, Value};
use wasmtime::component::Resource;

use super::TensorHandle;
use super::convert::{from_guest_dtype, to_guest_dtype, to_guest_failure};
use crate::bindings::scorer::scorehost::scoring::tensors::{Dtype, Failure, Host, HostTensor};
use crate::state::State;

type Handle = Resource<TensorHandle>;
type Answer<T> = wasmtime::Result<Result<T, Failure>>;

fn refuse<T>(error: TensorError) -> Answer<T> {
    Ok(Err(to_guest_failure(&error.into())))
}

impl State {
    /// Gives the guest another tensor over the bytes of `of`.
    fn derived(&mut self, of: &Handle, make: impl FnOnce(&Value) -> Result<Value, TensorError>) -> Answer<Handle> {
        match self.held(of)?.derive(make) {
            Ok(derived) => Ok(Ok(self.push(derived)?)),
            Err(error) => refuse(error),
        }
    }
}

impl Host for State {}

impl HostTensor for State {
    fn create(&mut self, dtype: Dtype, shape: Vec<u64>, data: Vec<u8>) -> Answer<Handle> {
        Copied::FromGuest.count(data.len());
        match Tensor::new(from_guest_dtype(dtype), Shape::from_vec(shape), data.into()) {
            Ok(tensor) => Ok(Ok(self.hold(tensor)?)),
            Err(error) => refuse(error),
        }
    }

    fn dtype(&mut self, this: Handle) -> wasmtime::Result<Dtype> {
        Ok(to_guest_dtype(self.held(&this)?.value.dtype()))
    }

    fn shape(&mut self, this: Handle) -> wasmtime::Result<Vec<u64>> {
        Ok(self.held(&this)?.value.shape().to_vec())
    }

    fn byte_length(&mut self, this: Handle) -> wasmtime::Result<u64> {
        Ok(self.held(&this)?.value.byte_len())
    }

    fn data(&mut self, this: Handle) -> wasmtime::Result<Vec<u8>> {
        Ok(self.fetch(self.held(&this)?)?.data().to_vec())
    }

    fn read(&mut self, this: Handle, offset: u64, length: u64) -> Answer<Vec<u8>> {
        Ok(self.bytes_of(&this, offset, length)?.map(Into::into).map_err(|failure| to_guest_failure(&failure)))
    }

    fn reshape(&mut self, this: Handle, shape: Vec<u64>) -> Answer<Handle> {
        self.derived(&this, |value| value.reshape(Shape::from_vec(shape)))
    }

    fn slice(&mut self, this: Handle, start: u64, end: u64) -> Answer<Handle> {
        self.derived(&this, |value| value.rows(start, end))
    }

    fn share(&mut self, this: Handle) -> wasmtime::Result<Handle> {
        let held = self.held(&this)?.clone();
        Ok(self.push(held)?)
    }

    fn drop(&mut self, this: Handle) -> wasmtime::Result<()> {
        self.take(&this).map(|_| ())
    }
}
