//! Small models of our own making, in ONNX's form.

use bytes::Bytes;
use prost::Message;
use scorehost_core::{DType, Tensor};

use crate::onnx::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetId, ShapeProto, TensorProto,
    TensorTypeProto, TypeKind, TypeProto, ValueInfoProto, attribute_kind,
};
use crate::tensor::known;

/// IR version and operator set that are written.
const VERSIONS: (i64, i64) = (8, 18);

/// Writes a model node by node; every dimension of its inputs and outputs is free.
#[derive(Default)]
pub struct ModelWriter(GraphProto);

/// An attribute of a node.
#[derive(Clone, Copy, Debug)]
pub enum Setting<'a> {
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(&'a [i64]),
    /// A number.
    Float(f32),
    /// Text.
    Text(&'a str),
}

impl ModelWriter {
    /// Adds an input of the model.
    pub fn input(&mut self, name: &str, dtype: DType, rank: usize) {
        self.0.input.push(port(name, dtype, rank));
    }

    /// Adds an output of the model.
    pub fn output(&mut self, name: &str, dtype: DType, rank: usize) {
        self.0.output.push(port(name, dtype, rank));
    }

    /// Adds a constant of fixed-size elements.
    pub fn constant(&mut self, name: &str, value: &Tensor) {
        self.0.initializer.push(TensorProto {
            dims: value.shape().iter().map(|dim| *dim as i64).collect(),
            data_type: code(value.dtype()),
            name: name.to_owned(),
            raw_data: Some(value.data().clone()),
            ..TensorProto::default()
        });
    }

    /// Adds a constant vector of integers.
    pub fn integers(&mut self, name: &str, values: &[i64]) {
        self.0.initializer.push(TensorProto {
            dims: vec![values.len() as i64],
            data_type: code(DType::I64),
            name: name.to_owned(),
            raw_data: Some(values.iter().flat_map(|value| value.to_le_bytes()).collect()),
            ..TensorProto::default()
        });
    }

    /// Adds a node of the standard's operators.
    pub fn node(&mut self, operator: &str, inputs: &[&str], output: &str, settings: &[(&str, Setting<'_>)]) {
        self.0.node.push(NodeProto {
            input: inputs.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: operator.to_owned(),
            attribute: settings.iter().map(|(name, setting)| attribute(name, *setting)).collect(),
            ..NodeProto::default()
        });
    }

    /// The model's file, for [`crate::Model::read`]. The same steps give the same bytes.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let (ir_version, version) = VERSIONS;
        let opset_import = vec![OperatorSetId { domain: String::new(), version }];
        ModelProto { ir_version, opset_import, graph: Some(self.0), ..ModelProto::default() }.encode_to_vec().into()
    }
}

/// ONNX's number of a dtype.
fn code(dtype: DType) -> i32 {
    (1..=16).find(|code| known(*code) == Some(dtype)).unwrap_or_default()
}

fn port(name: &str, dtype: DType, rank: usize) -> ValueInfoProto {
    let shape = ShapeProto { dim: vec![DimensionProto { kind: None }; rank] };
    let tensor = TensorTypeProto { elem_type: code(dtype), shape: Some(shape) };
    ValueInfoProto { name: name.to_owned(), value_type: Some(TypeProto { kind: Some(TypeKind::Tensor(tensor)) }) }
}

fn attribute(name: &str, setting: Setting<'_>) -> AttributeProto {
    let mut attribute = AttributeProto { name: name.to_owned(), ..AttributeProto::default() };
    match setting {
        Setting::Int(value) => (attribute.kind, attribute.i) = (attribute_kind::INT, value),
        Setting::Ints(values) => (attribute.kind, attribute.ints) = (attribute_kind::INTS, values.to_vec()),
        Setting::Float(value) => (attribute.kind, attribute.f) = (attribute_kind::FLOAT, value),
        Setting::Text(text) => {
            (attribute.kind, attribute.s) = (attribute_kind::STRING, Bytes::copy_from_slice(text.as_bytes()));
        }
    }
    attribute
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::{Attribute, Model};

    #[test]
    fn what_is_written_is_read_again() {
        let mut writer = ModelWriter::default();
        writer.input("x", DType::F32, 3);
        writer.integers("axes", &[1, 2]);
        writer.constant("two", &Tensor::from_f32([].as_slice(), &[2.0]).unwrap());
        writer.node("ReduceSum", &["x", "axes"], "s", &[("keepdims", Setting::Int(0))]);
        writer.node("Mul", &["s", "two"], "m", &[]);
        let settings = [("alpha", Setting::Float(0.5)), ("mode", Setting::Text("t")), ("p", Setting::Ints(&[3, 4]))];
        writer.node("Other", &["m"], "y", &settings);
        writer.output("y", DType::F32, 1);
        let model = Model::read(writer.finish(), None).unwrap();
        let signature = model.signature();
        assert_eq!((signature.inputs[0].dtype, &*signature.inputs[0].shape), (DType::F32, &[-1, -1, -1][..]));
        let graph = model.graph().unwrap();
        let operators: Vec<&str> = graph.nodes.iter().map(|node| &*node.operator).collect();
        assert_eq!(operators, ["ReduceSum", "Mul", "Other"]);
        let node = &graph.nodes[2];
        assert_eq!((node.float("alpha", 0.0), node.text("mode", ""), node.ints("p")), (0.5, "t", Some(&[3, 4][..])));
        assert!(matches!(graph.nodes[0].attributes.get("keepdims"), Some(Attribute::Int(0))));
        assert_eq!(graph.initialisers.len(), 2);
    }

    #[test]
    fn every_dtype_has_its_number() {
        for dtype in [DType::Bool, DType::U8, DType::I64, DType::F16, DType::BF16, DType::F64, DType::U64] {
            assert_eq!(known(code(dtype)), Some(dtype));
        }
    }
}
