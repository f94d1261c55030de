//! Interface `models`: the deployment's models, run outside the sandbox.

use std::sync::Arc;

use scorehost_core::{DeployedModel, ErrorKind, Failure, Model, NamedTensor, NamedTensors};
use wasmtime::component::Resource;

use super::convert::{to_guest_failure, to_guest_specs};
use super::{ModelHandle, TensorHandle};
use crate::bindings::scorer::scorehost::scoring::models::{
    Failure as GuestFailure, Host, HostModel, ModelMetadata as GuestMetadata, NamedTensor as GuestTensor,
};
use crate::state::State;

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
        match self.environment.models.open(&name).cloned() {
            Ok(model) => Ok(Ok(Resource::new_own(self.models.push(model)?))),
            Err(failure) => Ok(Err(to_guest_failure(&failure))),
        }
    }

    fn metadata(&mut self, this: Handle) -> wasmtime::Result<GuestMetadata> {
        let model = self.models.get(this.rep())?;
        let signature = model.model.as_ref().map(|model| &model.metadata().signature);
        Ok(GuestMetadata {
            name: model.id.name.to_string(),
            version: model.id.version.to_string(),
            inputs: signature.map_or_else(Vec::new, |signature| to_guest_specs(&signature.inputs)),
            outputs: signature.map_or_else(Vec::new, |signature| to_guest_specs(&signature.outputs)),
        })
    }

    async fn run(&mut self, this: Handle, inputs: Vec<GuestInput>, outputs: Vec<String>) -> Answer<Vec<GuestTensor>> {
        let deployed = self.models.get(this.rep())?;
        let Some(model) = deployed.model.clone() else {
            return Ok(Err(to_guest_failure(&no_graph(deployed))));
        };
        let inputs = self.model_inputs(&model, inputs)?;
        let outputs = output_names(&model, outputs);
        match model.run(inputs, &outputs, &self.call).await {
            Ok(tensors) => Ok(Ok(self.hold_outputs(tensors)?)),
            Err(failure) => Ok(Err(self.report(&failure))),
        }
    }

    fn file(&mut self, this: Handle, path: String) -> Answer<Vec<u8>> {
        let bytes = self.models.get(this.rep())?.files.read(&path);
        Ok(bytes.map(Into::into).map_err(|failure| to_guest_failure(&failure)))
    }

    fn drop(&mut self, this: Handle) -> wasmtime::Result<()> {
        self.models.take(this.rep())?;
        Ok(())
    }
}

impl State {
    fn model_inputs(&self, model: &Arc<dyn Model>, inputs: Vec<GuestInput>) -> wasmtime::Result<NamedTensors> {
        let specs = &model.metadata().signature.inputs;
        let named = |(name, tensor): GuestInput| {
            let known = specs.iter().find(|spec| *spec.name == *name).map(|spec| Arc::clone(&spec.name));
            Ok(NamedTensor { name: known.unwrap_or_else(|| name.into()), tensor: self.held(&tensor)?.tensor.clone() })
        };
        inputs.into_iter().map(named).collect()
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
