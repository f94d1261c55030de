//! One case: a folder with a model, inputs and expected outputs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use prost::Message;
use scorehost_core::Tensor;
use scorehost_graph::Initialiser;

use crate::messages::{Kind, Model, Value};

/// What a case asks of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Inputs and outputs are single-precision floats, integers and booleans: the cases that percentages are of.
    Plain,
    /// Tensors of other element types: half and double precision, strings.
    Other,
    /// Operators of a domain that the ONNX project calls a preview: no part of the standard's operator sets.
    Preview,
    /// The expected output comes from a random generator that the standard does not name.
    Random,
    /// Inputs or outputs that are no tensors here: sequences, optional values, elements below 16 bits that are packed.
    Outside,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 5] = [Self::Plain, Self::Other, Self::Preview, Self::Random, Self::Outside];

    /// How tables call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "f32/int/bool",
            Self::Other => "f16/bf16/f64/string",
            Self::Preview => "preview operators",
            Self::Random => "random",
            Self::Outside => "no tensors here",
        }
    }
}

/// Cases whose outputs nobody can reproduce: they hold what numpy's generator gave. Those of `Dropout` with a ratio of
/// 0 are not among them.
const RANDOM: [&str; 2] = ["test_bernoulli", "test_training_dropout"];

/// A case of the suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// The folder's name, such as `test_add_bcast`.
    pub name: String,
    /// What it asks.
    pub class: Class,
    /// Domain and name of every operator in the main graph.
    pub operators: BTreeSet<(String, String)>,
    /// The model file.
    pub model: Bytes,
    inputs: Vec<String>,
    outputs: Vec<String>,
    folder: PathBuf,
}

impl Case {
    /// Reads the model and what it is about.
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let folder = folder.join(name);
        let path = folder.join("model.onnx");
        let model: Bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?.into();
        let decoded = Model::decode(model.clone()).map_err(|error| format!("{name}: {error}"))?;
        let graph = decoded.graph.ok_or_else(|| format!("{name}: no graph"))?;
        let random = RANDOM.iter().any(|start| name.starts_with(start)) && !name.contains("zero_ratio");
        let values = || graph.inputs.iter().chain(&graph.outputs);
        let preview = graph.nodes.iter().any(|node| node.domain.starts_with("ai.onnx.preview"));
        let class = match values().map(class).max().unwrap_or(Class::Plain) {
            Class::Outside => Class::Outside,
            _ if random => Class::Random,
            _ if preview => Class::Preview,
            class => class,
        };
        let names = |values: &[Value]| values.iter().map(|value| value.name.clone()).collect();
        let operators = graph.nodes.iter().map(|node| (node.domain.clone(), node.operator.clone())).collect();
        let (inputs, outputs) = (names(&graph.inputs), names(&graph.outputs));
        Ok(Self { name: name.to_owned(), class, operators, model, inputs, outputs, folder })
    }

    /// The same case with all inputs but the first as constants of the model: axes, shapes and weights come at run time in these
    /// cases, and in hardly any model. `None` where there is one input, or none that is a tensor.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn with_constants(&self) -> Result<Option<Self>, String> {
        let folder = self.folder.join("test_data_set_0");
        let mut model = self.model.to_vec();
        let mut constants = 0;
        for (index, name) in self.inputs.iter().enumerate().skip(1) {
            let path = folder.join(format!("input_{index}.pb"));
            // Left out, as an optional input.
            let Ok(mut tensor) = std::fs::read(&path) else { continue };
            tensor.extend(field(TENSOR_NAME, name.as_bytes()));
            // A message that comes again is merged, so that what is appended is added.
            model.extend(field(MODEL_GRAPH, &field(GRAPH_INITIALISER, &tensor)));
            constants += 1;
        }
        let inputs = self.inputs.iter().take(1).cloned().collect();
        Ok((constants > 0 && self.class != Class::Outside).then(|| Self {
            model: model.into(),
            inputs,
            ..self.clone()
        }))
    }

    /// Inputs by name.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub fn inputs(&self) -> Result<Vec<(String, Tensor)>, String> {
        self.tensors("input", &self.inputs)
    }

    /// Expected outputs by name.
    pub(crate) fn outputs(&self) -> Result<Vec<(String, Tensor)>, String> {
        self.tensors("output", &self.outputs)
    }

    /// The files `<kind>_<index>.pb`, in the order of the graph's values; left-out optional ones have no file.
    fn tensors(&self, kind: &str, names: &[String]) -> Result<Vec<(String, Tensor)>, String> {
        let folder = self.folder.join("test_data_set_0");
        let path = |index: usize| folder.join(format!("{kind}_{index}.pb"));
        let present =
            names.iter().enumerate().map(|(index, name)| (name, path(index))).filter(|(_, path)| path.is_file());
        present.map(|(name, path)| Ok((name.clone(), tensor(&path)?))).collect()
    }
}

/// Numbers of fields in ONNX's messages.
const MODEL_GRAPH: u8 = 7;
const GRAPH_INITIALISER: u8 = 5;
const TENSOR_NAME: u8 = 8;

/// A field of bytes in the wire format of protocol buffers.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 0x7f {
        bytes.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}

/// The class of a case by one of its inputs or outputs; of several, the last one counts.
fn class(value: &Value) -> Class {
    match value.value_type.as_ref().and_then(|value_type| value_type.kind.as_ref()) {
        Some(Kind::Tensor(tensor)) => match tensor.element_type {
            1..=7 | 9 | 12 | 13 => Class::Plain,
            8 | 10 | 11 | 16 => Class::Other,
            _ => Class::Outside,
        },
        _ => Class::Outside,
    }
}

fn tensor(path: &Path) -> Result<Tensor, String> {
    let failed = |problem: String| format!("{}: {problem}", path.display());
    let bytes = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    match scorehost_graph::read_tensor(bytes.into()).map_err(|error| failed(error.to_string()))? {
        Initialiser::Tensor(tensor) => Ok(tensor),
        Initialiser::External(_) => Err(failed("its data is in another file".to_owned())),
        Initialiser::Unsupported { what } => Err(failed(format!("it is {what}"))),
    }
}
