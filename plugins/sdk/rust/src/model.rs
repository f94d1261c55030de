//! Models of the deployment.

use crate::bindings::scorer::scorehost::scoring::models::{self, Model as Handle};
use crate::{Error, Result, Signature, Tensor, TensorSpec, Tensors};

/// What a model is.
#[derive(Clone, Debug)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its inputs and outputs.
    pub signature: Signature,
}

/// A model that runs in the host, on the deployment's device. Open it once, in `init`.
#[derive(Debug)]
pub struct Model(Handle);

impl Model {
    /// Opens a model of the deployment by `name` or `name:version`.
    ///
    /// # Errors
    /// `NotFound`, listing the models there are.
    pub fn open(name: &str) -> Result<Self> {
        Handle::open(name).map(Self).map_err(Error::from_host)
    }

    /// Names of the deployment's models, each `name:version`.
    #[must_use]
    pub fn available() -> Vec<String> {
        models::available()
    }

    /// Name, version, inputs and outputs.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        let data = self.0.metadata();
        let specs = |specs: Vec<_>| specs.into_iter().map(TensorSpec::from_host).collect::<Vec<_>>();
        Metadata {
            name: data.name,
            version: data.version,
            signature: Signature::new(specs(data.inputs), specs(data.outputs)),
        }
    }

    /// Runs the model and returns all its outputs. Only handles travel.
    ///
    /// # Errors
    /// `InvalidInput` where the inputs do not fit the model; other kinds as the device reports them.
    pub fn run(&self, inputs: &Tensors) -> Result<Tensors> {
        self.run_for(inputs.iter(), &[])
    }

    /// Runs the model on borrowed tensors and returns the outputs named in `outputs`, all when it is empty.
    ///
    /// # Errors
    /// As [`Model::run`]; `NotFound` for an output the model does not have.
    pub fn run_for<'a>(
        &self,
        inputs: impl IntoIterator<Item = (&'a str, &'a Tensor)>,
        outputs: &[&str],
    ) -> Result<Tensors> {
        let inputs: Vec<_> = inputs.into_iter().map(|(name, tensor)| (name.to_owned(), tensor.handle())).collect();
        let outputs: Vec<String> = outputs.iter().map(|name| (*name).to_owned()).collect();
        self.0.run(&inputs, &outputs).map(Tensors::from_host).map_err(Error::from_host)
    }

    /// Reads a file registered with the model, by its path below the model's folder.
    ///
    /// # Errors
    /// `NotFound`, listing the files there are.
    pub fn file(&self, path: &str) -> Result<Vec<u8>> {
        self.0.file(path).map_err(Error::from_host)
    }
}
