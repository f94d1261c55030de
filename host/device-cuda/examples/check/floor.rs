//! What a narrow number format costs by itself: the optimised graph, operator by operator with the reference executor's kernels, in
//! exact F32 but for what is rounded to the format. Needs no GPU.

use std::collections::HashMap;
use std::sync::Arc;

use scorehost_core::{DType, NamedTensor, Tensor};
use scorehost_graph::{Fold, Graph, Initialiser, Model, Node, ValueId};

use crate::inputs::{distance, random, shapes};

/// A number format that F32 values are rounded to.
#[derive(Clone, Copy)]
pub(crate) enum Format {
    Bf16,
    F16,
    Tf32,
}

/// What is rounded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounded {
    /// Nothing: how far the operators themselves are from the oracle.
    Nothing,
    /// Weights of products and convolutions.
    Weights,
    /// Both operands of products and convolutions; results stay F32.
    Operands,
    /// Weights, and every value that a kernel stores, but the first, the last and the depthwise convolutions stay F32 with
    /// what they read.
    Inside,
    /// Weights, and every value that a kernel stores: what the executor does.
    Stored,
    /// The same, and the constants of other operators.
    Everything,
}

const KINDS: [(Rounded, &str); 6] = [
    (Rounded::Nothing, "nothing"),
    (Rounded::Weights, "weights"),
    (Rounded::Operands, "operands of products"),
    (Rounded::Inside, "weights and stored values, but of the first, the last and depthwise layers"),
    (Rounded::Stored, "weights and stored values"),
    (Rounded::Everything, "weights, stored values, other constants"),
];

impl Format {
    fn round(self, value: f32) -> f32 {
        match self {
            // Finite numbers beyond the range go to its ends, as constants on the device do.
            Self::Bf16 if value.is_finite() => {
                let most = half::bf16::MAX.to_f32();
                half::bf16::from_f32(value.clamp(-most, most)).to_f32()
            }
            Self::F16 if value.is_finite() => {
                let most = half::f16::MAX.to_f32();
                half::f16::from_f32(value.clamp(-most, most)).to_f32()
            }
            // To the nearest, ties to even, in the ten bits that are kept.
            Self::Tf32 if value.is_finite() => {
                let bits = value.to_bits();
                let rounded = f32::from_bits((bits + 0xfff + (bits >> 13 & 1)) & !0x1fff);
                if rounded.is_finite() { rounded } else { value }
            }
            _ => value,
        }
    }

    fn rounded(self, tensor: &Tensor) -> Tensor {
        if tensor.dtype() != DType::F32 {
            return tensor.clone();
        }
        let values = tensor.data().as_chunks().0.iter().map(|bytes| self.round(f32::from_le_bytes(*bytes)));
        let data: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
        Tensor::new(DType::F32, tensor.shape(), data.into()).unwrap()
    }
}

/// Operators that stay pending and join the kernel of their reader, where there is one reader.
fn is_pointwise(node: &Node) -> bool {
    const NAMES: [&str; 24] = [
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Pow",
        "Min",
        "Max",
        "Where",
        "Clip",
        "Cast",
        "BatchNormalization",
        "Identity",
        "Abs",
        "Neg",
        "Sqrt",
        "Reciprocal",
        "Exp",
        "Log",
        "Tanh",
        "Erf",
        "Relu",
        "Sigmoid",
        "HardSigmoid",
        "HardSwish",
    ];
    node.domain.is_empty() && NAMES.contains(&&*node.operator)
}

fn is_product(node: &Node) -> bool {
    matches!(&*node.operator, "MatMul" | "Gemm" | "Conv" | "FusedMatMul" | "FusedConv" | "FusedAttention")
}

/// One way of rounding over a graph.
struct Simulation<'g> {
    graph: &'g Graph,
    rounded: Rounded,
    format: Format,
    readers: HashMap<ValueId, Vec<usize>>,
    /// Nodes that stay F32 altogether.
    wide: Vec<bool>,
}

impl<'g> Simulation<'g> {
    fn new(graph: &'g Graph, rounded: Rounded, format: Format) -> Self {
        let mut readers: HashMap<ValueId, Vec<usize>> = HashMap::new();
        for (index, node) in graph.nodes.iter().enumerate() {
            node.inputs.iter().flatten().for_each(|id| readers.entry(*id).or_default().push(index));
        }
        let products: Vec<usize> = (0..graph.nodes.len()).filter(|index| is_product(&graph.nodes[*index])).collect();
        let ends = [products.first(), products.last()];
        let wide = (0..graph.nodes.len()).map(|index| {
            let depthwise = graph.nodes[index].int("group", 1) > 1;
            rounded == Rounded::Inside && (depthwise || ends.contains(&Some(&index)))
        });
        Self { graph, rounded, format, readers, wide: wide.collect() }
    }

    fn stores(&self, index: usize, id: ValueId) -> bool {
        if self.wide[index] || !matches!(self.rounded, Rounded::Inside | Rounded::Stored | Rounded::Everything) {
            return false;
        }
        let readers = self.readers.get(&id).map_or(&[][..], Vec::as_slice);
        // What a wide layer reads is not narrowed on the way to it.
        if !readers.is_empty() && readers.iter().all(|reader| self.wide[*reader]) {
            return false;
        }
        let joins = |reader: &usize| is_pointwise(&self.graph.nodes[*reader]);
        !is_pointwise(&self.graph.nodes[index]) || readers.len() > 1 || !readers.iter().all(joins)
    }

    /// Whether an input of a node is rounded while it is read.
    fn reads_narrow(&self, index: usize, input: usize, constant: bool) -> bool {
        let node = &self.graph.nodes[index];
        // A convolution's bias is F32 on the device.
        let bias = input == 2 && node.operator.contains("Conv");
        match self.rounded {
            Rounded::Nothing => false,
            Rounded::Operands => is_product(node) && input < 2,
            Rounded::Everything => constant && !bias,
            _ => constant && is_product(node) && !bias && !self.wide[index],
        }
    }

    fn run(&self, fold: &dyn Fold, inputs: &[NamedTensor]) -> Result<Vec<Tensor>, String> {
        let mut values: HashMap<ValueId, Tensor> = HashMap::new();
        let mut constants: HashMap<ValueId, Tensor> = HashMap::new();
        for (id, initialiser) in &self.graph.initialisers {
            let tensor = match initialiser {
                Initialiser::Tensor(tensor) => tensor.clone(),
                Initialiser::External(external) => {
                    external.read().map_err(|error| error.to_string())?.map_err(|error| error.to_string())?
                }
                Initialiser::Unsupported { what } => return Err(format!("a constant is {what}")),
            };
            constants.insert(*id, tensor);
        }
        for (id, spec) in self.graph.inputs.iter().zip(&self.graph.signature.inputs) {
            let input = inputs.iter().find(|input| input.name == spec.name).ok_or("an input is missing")?;
            values.insert(*id, input.tensor.clone());
        }
        for (index, node) in self.graph.nodes.iter().enumerate() {
            let operand = |(input, id): (usize, &Option<ValueId>)| {
                let Some(id) = id else { return Ok(None) };
                let constant = constants.get(id);
                let tensor = constant.or_else(|| values.get(id)).ok_or("a value is missing")?;
                let narrow = self.reads_narrow(index, input, constant.is_some());
                Ok::<_, String>(Some(if narrow { self.format.rounded(tensor) } else { tensor.clone() }))
            };
            let operands = node.inputs.iter().enumerate().map(operand).collect::<Result<Vec<_>, _>>()?;
            let results = fold.fold(node, &operands).ok_or_else(|| format!("{} is not evaluated", node.id()))?;
            for (id, tensor) in node.outputs.iter().zip(results) {
                let Some(id) = *id else { continue };
                values.insert(id, if self.stores(index, id) { self.format.rounded(&tensor) } else { tensor });
            }
            let last = |id: &ValueId| self.readers.get(id).and_then(|readers| readers.last()) == Some(&index);
            for id in node.inputs.iter().flatten().filter(|id| last(id) && !self.graph.outputs.contains(id)) {
                values.remove(id);
            }
        }
        let output = |id: &ValueId| values.get(id).or_else(|| constants.get(id)).cloned();
        self.graph.outputs.iter().map(|id| output(id).ok_or_else(|| "an output is missing".to_owned())).collect()
    }
}

/// A model as it is planned for the device, to be run with roundings.
pub(crate) struct Floor {
    graph: Graph,
    fold: Arc<dyn Fold + Send + Sync>,
}

impl Floor {
    pub(crate) fn new(path: &str) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{path}: {error}"))?;
        let model =
            Model::read(bytes.into(), std::path::Path::new(path).parent()).map_err(|error| error.to_string())?;
        let fold = scorehost_device::folding();
        let options = scorehost_graph::Options { fold: &*fold, supports: &scorehost_plan::supports };
        let graph = model.graph().and_then(|graph| graph.optimised(&options)).map_err(|error| error.to_string())?;
        Ok(Self { graph, fold })
    }

    /// The largest error of any output that this rounding alone makes.
    pub(crate) fn error(
        &self,
        rounded: Rounded,
        format: Format,
        inputs: &[NamedTensor],
        expected: &[NamedTensor],
    ) -> Result<f64, String> {
        let actual = Simulation::new(&self.graph, rounded, format).run(&*self.fold, inputs)?;
        Ok(actual.iter().zip(expected).map(|(a, b)| distance(a, &b.tensor)).fold(0.0, f64::max))
    }
}

/// Prints a row for each format and kind of rounding.
pub(crate) fn run(path: &str, dims: &[&str]) -> usize {
    let oracle = crate::models::oracle(path);
    let floor = Floor::new(path).unwrap();
    let mut failures = 0;
    for batch in crate::models::batches() {
        let inputs = random(oracle.signature(), &shapes(dims, batch), 7 + batch);
        let expected = oracle.run(&inputs, &crate::models::every(&*oracle)).unwrap();
        for (format, name) in [(Format::Bf16, "bf16"), (Format::F16, "fp16"), (Format::Tf32, "tf32")] {
            for (rounded, what) in KINDS {
                let title = format!("{path} {name} batch {batch}, rounded {what}");
                match floor.error(rounded, format, &inputs, &expected) {
                    Ok(error) => println!("floor {title}: relative error {error:.2e}"),
                    Err(reason) => {
                        println!("FAIL floor {title}: {reason}");
                        failures += 1;
                    }
                }
            }
        }
    }
    failures
}
