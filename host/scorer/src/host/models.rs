//! Interface `models`: the deployment's models, run outside the sandbox.

use std::sync::Arc;

use scorehost_core::{
    CallContext, DeployedModel, ErrorKind, Failure, MemoryId, Model, NamedTensor, NamedTensors, NamedValue,
    NamedValues, Value,
};
use wasmtime::component::Resource;

use super::convert::{to_guest_failure, to_guest_specs};
use super::{ModelHandle, TensorHandle};
use crate::bindings::scorer::scorehost::scoring::models::{
    Failure as GuestFailure, Host, HostModel, ModelMetadata as GuestMetadata, NamedTensor as GuestTensor,
};
use crate::residency::Origin;
use crate::state::{Held, Opened, State};

type Handle = Resource<ModelHandle>;
type Answer<T> = wasmtime::Result<Result<T, GuestFailure>>;
type GuestInput = (String, Resource<TensorHandle>);

impl Host for State {
    fn available(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.environment.models.iter().map(|model| model.id.to_string()).collect())
    }
}

impl HostModel for State {
    fn open(&mut self, name: String) -> Answer<Handle> {
        let models = &self.environment.models;
        let deployed = match models.open(&name) {
            Ok(model) => model.clone(),
            Err(failure) => return Ok(Err(to_guest_failure(&failure))),
        };
        let number = models.iter().position(|model| model.id == deployed.id).unwrap_or(usize::MAX);
        Ok(Ok(Resource::new_own(self.models.push(Opened { deployed, number })?)))
    }

    fn metadata(&mut self, this: Handle) -> wasmtime::Result<GuestMetadata> {
        let model = &self.models.get(this.rep())?.deployed;
        let signature = model.model.as_ref().map(|model| &model.metadata().signature);
        Ok(GuestMetadata {
            name: model.id.name.to_string(),
            version: model.id.version.to_string(),
            inputs: signature.map_or_else(Vec::new, |signature| to_guest_specs(&signature.inputs)),
            outputs: signature.map_or_else(Vec::new, |signature| to_guest_specs(&signature.outputs)),
        })
    }

    async fn run(&mut self, this: Handle, inputs: Vec<GuestInput>, outputs: Vec<String>) -> Answer<Vec<GuestTensor>> {
        let Opened { deployed, number } = self.models.get(this.rep())?;
        let Some(model) = deployed.model.clone() else {
            return Ok(Err(to_guest_failure(&no_graph(deployed))));
        };
        let number = *number;
        let inputs = self.model_inputs(&model, inputs)?;
        let outputs = output_names(&model, outputs);
        let answer = if model.memory().is_some() {
            let keep = self.environment.residency.of(number);
            let values = model.run_values(inputs, &outputs, keep, &self.call).await;
            values.map(|values| self.hold_values(values, number, &*model))
        } else {
            run_on_host(&*model, inputs, &outputs, &self.call).await.map(|tensors| self.hold_outputs(tensors))
        };
        match answer {
            Ok(held) => Ok(Ok(held?)),
            Err(failure) => Ok(Err(self.report(&failure))),
        }
    }

    fn file(&mut self, this: Handle, path: String) -> Answer<Vec<u8>> {
        let bytes = self.models.get(this.rep())?.deployed.files.read(&path);
        Ok(bytes.map(Into::into).map_err(|failure| to_guest_failure(&failure)))
    }

    fn drop(&mut self, this: Handle) -> wasmtime::Result<()> {
        self.models.take(this.rep())?;
        Ok(())
    }
}

impl State {
    fn model_inputs(&self, model: &Arc<dyn Model>, inputs: Vec<GuestInput>) -> wasmtime::Result<NamedValues> {
        let specs = &model.metadata().signature.inputs;
        let named = |(name, tensor): GuestInput| {
            let known = specs.iter().find(|spec| *spec.name == *name).map(|spec| Arc::clone(&spec.name));
            let held = self.held(&tensor)?;
            match &held.origin {
                Some(origin) if self.is_of(held, &**model) => self.environment.residency.used(origin),
                // Another device's call begins with a copy.
                Some(origin) if held.value.memory().is_some() => self.environment.residency.read(origin),
                _ => {}
            }
            Ok(NamedValue { name: known.unwrap_or_else(|| name.into()), value: held.value.clone() })
        };
        inputs.into_iter().map(named).collect()
    }

    /// Whether a value is, or could have stayed, in the memory of a model's device.
    fn is_of(&self, held: &Held, model: &dyn Model) -> bool {
        let Some(memory) = model.memory() else { return false };
        match &held.value {
            Value::Device(_) => held.value.memory() == Some(&memory),
            Value::Host(_) => self.made_in(held).is_some_and(|made_in| made_in == memory),
        }
    }

    /// The memory of the model that made a value.
    fn made_in(&self, held: &Held) -> Option<MemoryId> {
        let number = held.origin.as_ref()?.model();
        self.environment.models.iter().nth(number)?.model.as_ref()?.memory()
    }

    /// Notes that a value's device has a use for it.
    pub(super) fn used(&self, held: &Held) {
        if let Some(origin) = &held.origin {
            self.environment.residency.used(origin);
        }
    }

    /// Gives the guest what a model made whose outputs may stay on its device; `number` is the model's.
    fn hold_values(
        &mut self,
        values: NamedValues,
        number: usize,
        model: &dyn Model,
    ) -> wasmtime::Result<Vec<GuestTensor>> {
        let hold = |NamedValue { name, value }: NamedValue| {
            let origin = output_of(model, &name).map(|output| Arc::new(Origin::new(number, output)));
            Ok(GuestTensor { name: name.to_string(), tensor: self.hold_output(value, origin)? })
        };
        values.into_iter().map(hold).collect()
    }

    pub(super) fn hold_outputs(&mut self, tensors: NamedTensors) -> wasmtime::Result<Vec<GuestTensor>> {
        let hold =
            |named: NamedTensor| Ok(GuestTensor { name: named.name.to_string(), tensor: self.hold(named.tensor)? });
        tensors.into_iter().map(hold).collect()
    }

    /// A model's failure for the guest; what the guest must not read goes to the service's log.
    pub(crate) fn report(&self, failure: &Failure) -> GuestFailure {
        if let Some(detail) = &failure.detail {
            self.journal.remark(scorehost_core::LogLevel::Error, detail);
        }
        to_guest_failure(failure)
    }
}

/// Runs a model that knows the host's memory only.
async fn run_on_host(
    model: &dyn Model,
    inputs: NamedValues,
    outputs: &[Arc<str>],
    call: &CallContext,
) -> Result<NamedTensors, Failure> {
    let inputs = inputs.into_iter().map(NamedValue::fetch).collect::<Result<_, _>>()?;
    model.run(inputs, outputs, call).await
}

/// The place of an output in a model's signature.
fn output_of(model: &dyn Model, name: &str) -> Option<usize> {
    model.metadata().signature.outputs.iter().position(|spec| *spec.name == *name)
}

fn output_names(model: &Arc<dyn Model>, names: Vec<String>) -> Vec<Arc<str>> {
    let specs = &model.metadata().signature.outputs;
    let known = |name: String| {
        let spec = specs.iter().find(|spec| *spec.name == *name);
        spec.map_or_else(|| name.into(), |spec| Arc::clone(&spec.name))
    };
    names.into_iter().map(known).collect()
}

pub(crate) fn no_graph(model: &DeployedModel) -> Failure {
    let message = format!("model '{}' holds files but no graph that can run", model.id);
    Failure::new(ErrorKind::Unsupported, message).with_hint("read its files with `file`")
}
