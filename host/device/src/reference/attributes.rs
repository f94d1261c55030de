//! Attributes of a node, with the types that an operator expects.

use bytes::Bytes;
use scorehost_graph::{Attribute, Initialiser, Node};

use super::array::Array;

/// The attributes of a node.
pub(crate) struct Attributes<'a>(pub(crate) &'a Node);

impl<'a> Attributes<'a> {
    /// Version of the operator set.
    pub(crate) fn opset(&self) -> i64 {
        self.0.opset
    }

    /// Number of outputs that the node has.
    pub(crate) fn outputs(&self) -> usize {
        self.0.outputs.len()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.attributes.contains_key(name)
    }

    fn get<T>(&self, name: &str, read: impl FnOnce(&'a Attribute) -> Option<T>) -> Result<Option<T>, String> {
        match self.0.attributes.get(name) {
            None => Ok(None),
            Some(attribute) => read(attribute).map(Some).ok_or_else(|| format!("attribute '{name}' has another type")),
        }
    }

    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64, String> {
        Ok(self.optional_int(name)?.unwrap_or(default))
    }

    pub(crate) fn optional_int(&self, name: &str) -> Result<Option<i64>, String> {
        self.get(name, |attribute| match attribute {
            Attribute::Int(value) => Some(*value),
            _ => None,
        })
    }

    pub(crate) fn float(&self, name: &str, default: f32) -> Result<f32, String> {
        Ok(self.optional_float(name)?.unwrap_or(default))
    }

    pub(crate) fn optional_float(&self, name: &str) -> Result<Option<f32>, String> {
        self.get(name, |attribute| match attribute {
            Attribute::Float(value) => Some(*value),
            _ => None,
        })
    }

    /// Empty where there is none.
    pub(crate) fn ints(&self, name: &str) -> Result<Vec<i64>, String> {
        let ints = self.get(name, |attribute| match attribute {
            Attribute::Ints(values) => Some(values.clone()),
            _ => None,
        });
        Ok(ints?.unwrap_or_default())
    }

    /// Empty where there is none.
    pub(crate) fn floats(&self, name: &str) -> Result<Vec<f32>, String> {
        let floats = self.get(name, |attribute| match attribute {
            Attribute::Floats(values) => Some(values.clone()),
            _ => None,
        });
        Ok(floats?.unwrap_or_default())
    }

    pub(crate) fn string(&self, name: &str, default: &'static str) -> Result<Bytes, String> {
        let string = self.get(name, |attribute| match attribute {
            Attribute::String(value) => Some(value.clone()),
            _ => None,
        });
        Ok(string?.unwrap_or(Bytes::from_static(default.as_bytes())))
    }

    /// Empty where there is none.
    pub(crate) fn strings(&self, name: &str) -> Result<Vec<Bytes>, String> {
        let strings = self.get(name, |attribute| match attribute {
            Attribute::Strings(values) => Some(values.clone()),
            _ => None,
        });
        Ok(strings?.unwrap_or_default())
    }

    pub(crate) fn tensor(&self, name: &str) -> Result<Option<Array>, String> {
        let tensor = self.get(name, |attribute| match attribute {
            Attribute::Tensor(Initialiser::Tensor(tensor)) => Some(tensor),
            _ => None,
        });
        tensor?.map(Array::from_tensor).transpose()
    }
}
