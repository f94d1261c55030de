//! The few calls that go straight to the C API, and with them all unsafe code of the room.
//!
//! `ort` runs a session through `&mut`, which would mean one copy of the weights for each concurrent call, and copies
//! names and outputs on the way. The C API documents `OrtApi::Run` as callable from many threads on one session, which
//! holds for the CPU provider (the only one here: it supports concurrent runs and the session keeps no state between
//! them). So sessions are built with `ort` and run from here.
#![expect(unsafe_code, reason = "the C API of ONNX Runtime, see the module's documentation")]

mod arena;
pub(crate) mod heap;
mod probe;
mod stop;
mod strings;
mod value;

use std::ffi::{CString, c_char};
use std::ptr;
use std::sync::Arc;

use ort::AsPointer;
use ort::session::Session;
use scorehost_core::{Deadline, NamedTensor, Tensor};
use smallvec::SmallVec;

pub(super) use arena::share_arena;
pub(super) use probe::{probe, settle};
use stop::Stoppable;
use value::{Memory, Value};

use super::message;
use crate::DeviceError;

/// A few indices, without an allocation.
pub(super) type Indices = SmallVec<[usize; 8]>;

/// `status` of a call as a result.
fn check(status: ort::sys::OrtStatusPtr) -> ort::Result<()> {
    // SAFETY: every status here comes right from the API and is passed on once; this takes ownership of it.
    unsafe { ort::Error::result_from_status(status) }
}

/// A session that many threads run at a time.
pub(super) struct SharedSession {
    session: Arc<Session>,
    memory: Memory,
    inputs: Vec<CString>,
    outputs: Vec<CString>,
}

impl SharedSession {
    /// Wraps a session; `inputs` and `outputs` are its names in the order that indices mean.
    pub(super) fn new(session: Session, inputs: Vec<CString>, outputs: Vec<CString>) -> Result<Self, DeviceError> {
        let memory = Memory::cpu().map_err(|error| DeviceError::Device(error.message().to_owned()))?;
        Ok(Self { session: Arc::new(session), memory, inputs, outputs })
    }

    /// Runs once. `order` has the index of each input's name, `outputs` those of the outputs wanted; `until` ends it.
    pub(super) fn run(
        &self,
        inputs: &[NamedTensor],
        order: &[usize],
        outputs: &[usize],
        until: Option<Deadline>,
    ) -> Result<SmallVec<[Tensor; 4]>, DeviceError> {
        let options = until.map(|until| Stoppable::until(until.instant())).transpose();
        let options = options.map_err(|error| message::run_failed(&error))?;
        let failed = |error: ort::Error| match &options {
            Some(options) if options.is_stopped() => DeviceError::Stopped,
            _ => message::run_failed(&error),
        };
        let values: SmallVec<[Value<'_>; 8]> =
            inputs.iter().map(|input| self.memory.value(&input.tensor)).collect::<ort::Result<_>>().map_err(failed)?;
        let name = |name: &CString| name.as_ptr();
        let input_names: SmallVec<[*const c_char; 8]> = order.iter().map(|index| name(&self.inputs[*index])).collect();
        let output_names: SmallVec<[*const c_char; 8]> =
            outputs.iter().map(|index| name(&self.outputs[*index])).collect();
        let input_values: SmallVec<[*const ort::sys::OrtValue; 8]> = values.iter().map(Value::ptr).collect();
        let mut results: SmallVec<[*mut ort::sys::OrtValue; 8]> = SmallVec::from_elem(ptr::null_mut(), outputs.len());
        // SAFETY: the session lives as long as `self`; all arrays hold as many live elements as the given lengths;
        // names end with NUL. Run takes a mutable pointer but is documented as thread-safe, see the module.
        let status = unsafe {
            (ort::api().Run)(
                self.session.ptr().cast_mut(),
                options.as_ref().map_or(ptr::null(), |options| options.ptr()),
                input_names.as_ptr(),
                input_values.as_ptr(),
                input_values.len(),
                output_names.as_ptr(),
                output_names.len(),
                results.as_mut_ptr(),
            )
        };
        // Owned before anything may return, so that none is lost.
        // SAFETY: Run leaves null, or a value that the caller owns.
        let results: SmallVec<[Option<Value<'static>>; 8]> =
            results.into_iter().map(|result| unsafe { Value::from_raw(result) }).collect();
        check(status).map_err(failed)?;
        results.into_iter().map(|result| self.tensor(result, inputs)).collect()
    }

    fn tensor(&self, result: Option<Value<'static>>, inputs: &[NamedTensor]) -> Result<Tensor, DeviceError> {
        let value = result.ok_or_else(|| DeviceError::Device("no value for an output".to_owned()))?;
        value.into_tensor(&self.session, inputs)
    }
}
