//! Tensors by name.

use crate::bindings::scorer::scorehost::scoring::tensors::NamedTensor;
use crate::{Error, ErrorKind, Result, Tensor};

/// Tensors by name, in order: the inputs or outputs of a scorer or a model.
#[derive(Clone, Debug, Default)]
pub struct Tensors(Vec<(String, Tensor)>);

impl Tensors {
    /// No tensors.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a tensor.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, tensor: Tensor) -> Self {
        self.push(name, tensor);
        self
    }

    /// Adds a tensor.
    pub fn push(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.0.push((name.into(), tensor));
    }

    /// The tensor of that name.
    ///
    /// # Errors
    /// `NotFound`, listing the names there are.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, tensor)| tensor).ok_or_else(|| self.missing(name))
    }

    /// Removes and returns the tensor of that name.
    ///
    /// # Errors
    /// `NotFound`, listing the names there are.
    pub fn take(&mut self, name: &str) -> Result<Tensor> {
        let at = self.0.iter().position(|(key, _)| key == name).ok_or_else(|| self.missing(name))?;
        Ok(self.0.remove(at).1)
    }

    /// Names and tensors in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Tensor)> {
        self.0.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn from_host(tensors: Vec<NamedTensor>) -> Self {
        tensors.into_iter().map(|named| (named.name, Tensor::from_handle(named.tensor))).collect()
    }

    pub(crate) fn into_host(self) -> Vec<NamedTensor> {
        self.into_iter().map(|(name, tensor)| NamedTensor { name, tensor: tensor.into_handle() }).collect()
    }

    fn missing(&self, name: &str) -> Error {
        let names: Vec<&str> = self.iter().map(|(name, _)| name).collect();
        Error::new(ErrorKind::NotFound, format!("there is no tensor '{name}'; there are: [{}]", names.join(", ")))
    }
}

impl FromIterator<(String, Tensor)> for Tensors {
    fn from_iter<I: IntoIterator<Item = (String, Tensor)>>(tensors: I) -> Self {
        Self(tensors.into_iter().collect())
    }
}

impl IntoIterator for Tensors {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
