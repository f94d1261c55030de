//! Operators that the ONNX project has few cases for: random models of one of them answer like ONNX Runtime.

mod images;
mod machines;
mod resize;
mod trees;

use std::sync::Arc;

use scorehost_core::{DType, Graph, NamedTensor, Tensor};
use scorehost_device::{Devices, ModelSource};

use crate::encode::{Message, Value, attribute, model_of, value};
use crate::fixtures::{floats, onnxruntime, reference};

/// A model of one operator whose inputs all come from outside.
#[derive(Clone)]
struct Single {
    opset: u64,
    domain: &'static str,
    operator: &'static str,
    /// ONNX's element types of the outputs.
    outputs: Vec<u64>,
    attributes: Vec<(&'static str, Value)>,
    /// Inputs that are left out have no tensor.
    inputs: Vec<Option<Tensor>>,
}

fn code(dtype: DType) -> u64 {
    match dtype {
        DType::F32 => 1,
        DType::I64 => 7,
        DType::Bytes => 8,
        DType::F64 => 11,
        other => panic!("{other} is not made here"),
    }
}

impl Single {
    fn model(&self) -> Vec<u8> {
        let mut node = Message::default();
        let mut graph = Message::default();
        for (index, input) in self.inputs.iter().enumerate() {
            let name = input.as_ref().map_or_else(String::new, |_| format!("x{index}"));
            node = node.bytes(1, &name);
            if let Some(tensor) = input {
                let dims: Vec<Option<u64>> = tensor.shape().iter().map(|_| None).collect();
                graph = graph.message(11, value(&name, code(tensor.dtype()), &dims));
            }
        }
        for (index, dtype) in self.outputs.iter().enumerate() {
            node = node.bytes(2, format!("y{index}"));
            let tensor = Message::default().int(1, *dtype);
            let typed = Message::default().message(1, tensor);
            graph = graph.message(12, Message::default().bytes(1, format!("y{index}")).message(2, typed));
        }
        node = node.bytes(4, self.operator).bytes(7, self.domain);
        for (name, value) in &self.attributes {
            node = node.message(5, attribute(name, value));
        }
        model_of(self.opset, graph.message(1, node))
    }

    fn run(&self, devices: &Devices) -> Result<Vec<Tensor>, String> {
        let graph: Arc<dyn Graph> =
            devices.load(ModelSource::Bytes(self.model().into())).map_err(|error| error.to_string())?;
        let tensor = |(index, input): (usize, &Option<Tensor>)| {
            input.clone().map(|tensor| NamedTensor::new(format!("x{index}"), tensor))
        };
        let inputs: Vec<NamedTensor> = self.inputs.iter().enumerate().filter_map(tensor).collect();
        let outputs: Vec<usize> = (0..self.outputs.len()).collect();
        let results = graph.run(&inputs, &outputs).map_err(|error| error.to_string())?;
        Ok(results.into_iter().map(|result| result.tensor).collect())
    }

    /// What the model is about, in words.
    fn shown(&self) -> String {
        let attributes = self.attributes.iter().map(|(name, value)| format!("{name}={value:?}"));
        let inputs = self.inputs.iter().map(|input| match input {
            None => "-".to_owned(),
            Some(tensor) => format!("{}{:?}", tensor.dtype(), tensor.shape()),
        });
        format!(
            "{} {} {}",
            self.operator,
            inputs.collect::<Vec<_>>().join(" "),
            attributes.collect::<Vec<_>>().join(" ")
        )
    }
}

/// Runs models that `make` gives on both executors. Those that ONNX Runtime refuses are left out, but not all may be; the
/// number of outputs that are equal is told.
fn compare(many: usize, tolerance: f64, mut make: impl FnMut() -> Single) {
    let (Some(theirs), ours) = (onnxruntime(), reference()) else { return };
    let (mut equal, mut wrong) = (0, Vec::new());
    for _ in 0..many {
        let single = make();
        let Ok(want) = single.run(&theirs) else { continue };
        match single.run(&ours) {
            Err(problem) => wrong.push(format!("{}: {problem}", single.shown())),
            Ok(got) => match got.iter().zip(&want).try_for_each(|(got, want)| same(got, want, tolerance)) {
                Ok(()) => equal += 1,
                Err(problem) => wrong.push(format!("{}: {problem}", single.shown())),
            },
        }
    }
    eprintln!("{equal} of {many} answer alike");
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    assert!(equal * 4 > many, "ONNX Runtime refused most models");
}

fn same(got: &Tensor, want: &Tensor, tolerance: f64) -> Result<(), String> {
    if (got.dtype(), got.shape()) != (want.dtype(), want.shape()) {
        let (got, want) = ((got.dtype(), got.shape()), (want.dtype(), want.shape()));
        return Err(format!("{got:?}, expected {want:?}"));
    }
    let (Some(got_floats), Some(want_floats)) = (floats(got), floats(want)) else {
        let equal = got.data() == want.data();
        return if equal { Ok(()) } else { Err(format!("{:?}, expected {:?}", got.data(), want.data())) };
    };
    let close = |a: f64, b: f64| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= tolerance * (1.0 + b.abs());
    match got_floats.iter().zip(&want_floats).position(|(a, b)| !close(*a, *b)) {
        None => Ok(()),
        Some(at) => Err(format!("[{at}] is {}, expected {}", got_floats[at], want_floats[at])),
    }
}
