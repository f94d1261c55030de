//! The state of planning: what every value is so far, and the launches that make it.

use std::rc::Rc;
use std::sync::Arc;

use scorehost_core::{DType, Shape, Tensor};
use scorehost_graph::{Fold, Graph, Initialiser, Node, ValueId};

use super::constants::{self, Constants, Form};
use super::expression::{Expression, Tree};
use super::integers::Integers;
use super::launch::{Cost, Launch, Place, Work};
use super::view::{Base, View, channels_last, dense, elements};
use super::{Plan, Port, arena, kernels, lower};
use crate::PlanError;
use scorehost_core::Precision;

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The family of devices.
    pub dialect: Dialect,
    /// Arithmetic.
    pub precision: Precision,
}

/// What differs between families of devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// CUDA C++; products go to NVIDIA's library.
    Cuda {
        /// Compute capability, such as 90.
        capability: u32,
        /// Streaming multiprocessors.
        multiprocessors: u32,
    },
    /// OpenCL C 1.2; F32 may be stored in half and is computed in full.
    OpenCl(OpenCl),
}

/// A device that OpenCL C is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCl {
    /// How its work items run.
    pub style: Style,
    /// F32 elements of a vector: 4, 8 or 16.
    pub lanes: u32,
    /// Compute units.
    pub units: u32,
}

/// How a device runs work items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// One after the other on a core with vectors: a work item gets a row or a tile of a matrix, and none waits for another.
    Cores,
    /// Side by side in groups that share local memory.
    Groups,
}

impl OpenCl {
    /// What a program's text needs to know of the device, as options of its compiler.
    #[must_use]
    pub fn options(&self) -> String {
        match self.style {
            Style::Cores => format!("-D CORES=1 -D LANES={}", self.lanes),
            Style::Groups => format!("-D LANES={}", self.lanes),
        }
    }
}

impl Dialect {
    /// Whether products of narrow floats have instructions of their own that our kernels use.
    pub(crate) const fn has_tensor_cores(self) -> bool {
        matches!(self, Self::Cuda { capability: 80.., .. })
    }

    /// Parts of the device that run blocks of their own.
    pub(crate) const fn units(self) -> u32 {
        match self {
            Self::Cuda { multiprocessors, .. } => multiprocessors,
            Self::OpenCl(device) => device.units,
        }
    }

    /// The device, where kernels are written in OpenCL C.
    pub(crate) const fn opencl(self) -> Option<OpenCl> {
        match self {
            Self::OpenCl(device) => Some(device),
            Self::Cuda { .. } => None,
        }
    }

    /// What stands behind a function's name: the type of its arguments, where the language does not choose by it.
    pub(crate) fn suffix(self, arithmetic: DType) -> String {
        match self {
            Self::Cuda { .. } => String::new(),
            Self::OpenCl(_) => format!("_{}", kernels::wide(arithmetic)),
        }
    }
}

/// What a value is while planning.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Known on the host.
    Host(Tensor),
    /// In a buffer or constant; the declared dtype is beside it.
    Stored(View, DType),
    /// Not computed yet: it joins the kernel of whoever reads it.
    Pending(Expression),
}

/// The state of planning one graph for one set of input shapes.
pub struct Planner<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) fold: &'a dyn Fold,
    pub(crate) target: Target,
    constants: &'a mut Constants,
    values: Vec<Option<Value>>,
    /// Times each value is read.
    uses: Vec<u32>,
    sizes: Vec<u64>,
    pinned: Vec<bool>,
    launches: Vec<Launch>,
    node: Arc<str>,
}

impl<'a> Planner<'a> {
    /// The plan of a graph for these shapes of its inputs, in the signature's order.
    ///
    /// # Errors
    /// `Node` naming what cannot run with these shapes, `Constant` and `Read` for constants that no device can hold.
    pub fn plan(
        graph: &'a Graph,
        inputs: &[Shape],
        fold: &'a dyn Fold,
        target: Target,
        constants: &'a mut Constants,
    ) -> Result<Plan, PlanError> {
        let mut planner = Self {
            graph,
            fold,
            target,
            constants,
            values: vec![None; graph.values.len()],
            uses: uses(graph),
            sizes: Vec::new(),
            pinned: Vec::new(),
            launches: Vec::new(),
            node: Arc::from(""),
        };
        for (id, initialiser) in &graph.initialisers {
            planner.values[id.0] = Some(Value::Host(constant(initialiser, &graph.values[id.0])?));
        }
        let ports = planner.inputs(inputs);
        for node in &graph.nodes {
            planner.node = Arc::clone(&node.name);
            planner.lower(node).map_err(|problem| PlanError::Node {
                node: node.name.to_string(),
                operator: node.operator.to_string(),
                problem,
            })?;
        }
        planner.finish(ports)
    }

    fn inputs(&mut self, shapes: &[Shape]) -> Vec<(Place, DType, Shape)> {
        let specs = self.graph.signature.inputs.iter().map(|spec| spec.dtype);
        let all: Vec<(ValueId, DType, Shape)> = self
            .graph
            .inputs
            .iter()
            .copied()
            .zip(specs)
            .zip(shapes)
            .map(|((id, dtype), shape)| (id, dtype, shape.clone()))
            .collect();
        all.into_iter()
            .map(|(id, dtype, shape)| {
                let view = self.buffer(dtype, shape.to_vec());
                self.pin(&view);
                let place = Place::from(&view);
                self.values[id.0] = Some(Value::Stored(view, dtype));
                (place, dtype, shape)
            })
            .collect()
    }

    fn pin(&mut self, view: &View) {
        if let Base::Buffer(id) = view.base {
            self.pinned[id] = true;
        }
    }

    fn lower(&mut self, node: &Node) -> Result<(), String> {
        if let Some(values) = self.folded(node) {
            for (output, tensor) in node.outputs.iter().zip(values) {
                if let Some(id) = output {
                    self.values[id.0] = Some(Value::Host(tensor));
                }
            }
            return Ok(());
        }
        lower::node(self, node)
    }

    /// The node's outputs where all its inputs are known on the host.
    fn folded(&self, node: &Node) -> Option<Vec<Tensor>> {
        let inputs: Vec<Option<Tensor>> = node
            .inputs
            .iter()
            .map(|input| match input.map(|id| self.values[id.0].as_ref()) {
                None => Some(None),
                Some(Some(Value::Host(tensor))) => Some(Some(tensor.clone())),
                Some(_) => None,
            })
            .collect::<Option<_>>()?;
        Integers(self.fold).fold(node, &inputs)
    }

    fn finish(mut self, inputs: Vec<(Place, DType, Shape)>) -> Result<Plan, PlanError> {
        let mut outputs = Vec::new();
        for (index, id) in self.graph.outputs.iter().enumerate() {
            self.node = Arc::clone(&self.graph.values[id.0]);
            let declared = self.graph.signature.outputs[index].dtype;
            outputs.push(self.output(*id, declared).map_err(|problem| PlanError::Node {
                node: self.graph.values[id.0].to_string(),
                operator: "output".to_owned(),
                problem,
            })?);
        }
        let (offsets, arena_bytes) = arena::place(&self.sizes, &self.launches, &self.pinned);
        let at = |place: &Place| match place.base {
            Base::Buffer(id) => offsets[id] + place.offset,
            Base::Weight(_) => 0,
        };
        let port = |(place, dtype, shape): &(Place, DType, Shape), constant| {
            let bytes = elements(shape) * dtype.size().unwrap_or(1) as u64;
            Port { dtype: *dtype, shape: shape.clone(), offset: at(place), bytes, constant }
        };
        let inputs = inputs.iter().map(|input| port(input, None)).collect();
        let outputs = outputs.iter().map(|(output, constant)| port(output, constant.clone())).collect();
        Ok(Plan { inputs, outputs, launches: self.launches, offsets, arena_bytes })
    }

    #[expect(clippy::type_complexity, reason = "a place, what is there, and its value where it is known")]
    fn output(&mut self, id: ValueId, declared: DType) -> Result<((Place, DType, Shape), Option<Tensor>), String> {
        let value = self.value(id)?.clone();
        if let Value::Host(tensor) = value {
            let place = Place { base: Base::Weight(0), offset: 0 };
            return Ok(((place, tensor.dtype(), Shape::from(tensor.shape())), Some(tensor)));
        }
        let expression = self.reading(&value)?;
        if expression.dtype != declared {
            return Err(format!("is {}, and the model declares {declared}", expression.dtype));
        }
        let view = self.buffer(declared, expression.shape.clone());
        self.pin(&view);
        self.store(&expression, &view)?;
        Ok(((Place::from(&view), declared, Shape::from(&*view.shape)), None))
    }

    // --- What operators ask for.

    /// The value of an id.
    pub(crate) fn value(&self, id: ValueId) -> Result<&Value, String> {
        self.values[id.0].as_ref().ok_or_else(|| format!("value '{}' was not computed", self.name(id)))
    }

    /// A value's name, for messages.
    fn name(&self, id: ValueId) -> &str {
        self.graph.values.get(id.0).map_or("a value in the middle of the operator", |name| &**name)
    }

    /// A value that the graph does not have: one in the middle of an operator that is lowered as several.
    pub(crate) fn fresh(&mut self, value: Option<Value>) -> ValueId {
        self.values.push(value);
        // What is read once and pending joins its reader; read again, it is computed again.
        self.uses.push(1);
        ValueId(self.values.len() - 1)
    }

    /// Lowers a node that stands for a part of the current one.
    pub(crate) fn lower_part(&mut self, node: &Node) -> Result<(), String> {
        self.lower(node)
    }

    /// The current node's name.
    pub(crate) fn current(&self) -> Arc<str> {
        Arc::clone(&self.node)
    }

    /// The value of a required input.
    pub(crate) fn input(&self, node: &Node, index: usize) -> Result<ValueId, String> {
        node.inputs.get(index).copied().flatten().ok_or_else(|| format!("input {index} is missing"))
    }

    /// Shape and declared dtype of a value.
    pub(crate) fn kind(&self, id: ValueId) -> Result<(Vec<u64>, DType), String> {
        Ok(match self.value(id)? {
            Value::Host(tensor) => (tensor.shape().to_vec(), tensor.dtype()),
            Value::Stored(view, dtype) => (view.shape.clone(), *dtype),
            Value::Pending(expression) => (expression.shape.clone(), expression.dtype),
        })
    }

    /// A value that has to be known while planning.
    pub(crate) fn host(&self, id: ValueId) -> Result<&Tensor, String> {
        match self.value(id)? {
            Value::Host(tensor) => Ok(tensor),
            _ => Err(format!("'{}' must not depend on the inputs' values", self.name(id))),
        }
    }

    /// The stored form of a declared dtype: F32 is narrower where the deployment asked for it.
    pub(crate) fn stored(&self, declared: DType) -> DType {
        match (declared, self.target.precision) {
            (DType::F32, Precision::F16) => DType::F16,
            (DType::F32, Precision::BF16) => DType::BF16,
            _ => declared,
        }
    }

    /// A value in memory, in whatever steps it has.
    pub(crate) fn view(&mut self, id: ValueId) -> Result<(View, DType), String> {
        let value = self.value(id)?.clone();
        let (view, dtype) = match value {
            Value::Stored(view, dtype) => return Ok((view, dtype)),
            Value::Host(tensor) => (self.constant(&tensor, self.stored(tensor.dtype()), Form::Plain)?, tensor.dtype()),
            Value::Pending(expression) => (self.materialised(&expression)?, expression.dtype),
        };
        // Later readers find the host's value where it is one: operators may still ask for it.
        if matches!(self.values[id.0], Some(Value::Pending(_))) {
            self.values[id.0] = Some(Value::Stored(view.clone(), dtype));
        }
        Ok((view, dtype))
    }

    /// A value in memory, in the stored form of its dtype.
    pub(crate) fn compute_view(&mut self, id: ValueId) -> Result<(View, DType), String> {
        let (view, dtype) = self.view(id)?;
        let stored = self.stored(dtype);
        if view.dtype == stored {
            return Ok((view, dtype));
        }
        let copy = self.copied(&view, dtype, stored, None)?;
        self.values[id.0] = Some(Value::Stored(copy.clone(), dtype));
        Ok((copy, dtype))
    }

    /// A value in memory, row-major, in the stored form of its dtype.
    pub(crate) fn dense(&mut self, id: ValueId) -> Result<(View, DType), String> {
        let (view, dtype) = self.compute_view(id)?;
        Ok((self.made_dense(&view, dtype)?, dtype))
    }

    pub(crate) fn made_dense(&mut self, view: &View, dtype: DType) -> Result<View, String> {
        if view.is_dense() { Ok(view.clone()) } else { self.copied(view, dtype, view.dtype, Some(dense(&view.shape))) }
    }

    /// A view with the channels last.
    pub(crate) fn made_channels_last(&mut self, view: &View, dtype: DType) -> Result<View, String> {
        if view.is_channels_last() {
            Ok(view.clone())
        } else {
            self.copied(view, dtype, view.dtype, Some(channels_last(&view.shape)))
        }
    }

    /// The view with its elements stored as F32.
    pub(crate) fn widened(&mut self, view: View, dtype: DType) -> Result<View, String> {
        if view.dtype == DType::F32 { Ok(view) } else { self.copied(&view, dtype, DType::F32, None) }
    }

    fn copied(&mut self, view: &View, dtype: DType, stored: DType, steps: Option<Vec<i64>>) -> Result<View, String> {
        let mut to = self.buffer(stored, view.shape.clone());
        let keep = view.is_channels_last() && !view.is_dense();
        to.steps = steps.unwrap_or_else(|| if keep { channels_last(&view.shape) } else { dense(&view.shape) });
        let tree = Rc::new(Tree::Read(view.clone()));
        self.store(&Expression { dtype, shape: view.shape.clone(), tree }, &to)?;
        Ok(to)
    }

    /// A constant on the device.
    pub(crate) fn constant(&mut self, tensor: &Tensor, stored: DType, form: Form) -> Result<View, String> {
        let id = self.constants.get(tensor, stored, form)?;
        Ok(View::new(Base::Weight(id), stored, tensor.shape().to_vec()))
    }

    /// A value as an expression. One that is pending and read only once is taken as it is; others are made first.
    pub(crate) fn expression(&mut self, id: ValueId) -> Result<Expression, String> {
        if let Value::Pending(expression) = self.value(id)?
            && self.uses[id.0] <= 1
            && expression.fits()
        {
            return Ok(expression.clone());
        }
        if let Value::Host(tensor) = self.value(id)?
            && self.stored(tensor.dtype()) != tensor.dtype()
            && self.target.dialect.opencl().is_none()
            && constants::is_within(tensor, self.stored(tensor.dtype()))
        {
            // Scales and offsets cost next to nothing in full, and rounded they would bend every element alike.
            let (tensor, dtype) = (tensor.clone(), tensor.dtype());
            let view = self.constant(&tensor, dtype, Form::Plain)?;
            return Ok(Expression { dtype, shape: view.shape.clone(), tree: Rc::new(Tree::Read(view)) });
        }
        let (view, dtype) = self.view(id)?;
        Ok(Expression { dtype, shape: view.shape.clone(), tree: Rc::new(Tree::Read(view)) })
    }

    fn reading(&mut self, value: &Value) -> Result<Expression, String> {
        Ok(match value {
            Value::Pending(expression) => expression.clone(),
            Value::Stored(view, dtype) => {
                Expression { dtype: *dtype, shape: view.shape.clone(), tree: Rc::new(Tree::Read(view.clone())) }
            }
            Value::Host(tensor) => {
                let view = self.constant(tensor, self.stored(tensor.dtype()), Form::Plain)?;
                Expression { dtype: tensor.dtype(), shape: view.shape.clone(), tree: Rc::new(Tree::Read(view)) }
            }
        })
    }

    /// A pending expression joins its reader only where the shapes are the same; else it is computed on its own first.
    pub(crate) fn operand(&mut self, id: ValueId, shape: &[u64]) -> Result<Rc<Tree>, String> {
        let expression = self.expression(id)?;
        if expression.shape == shape || matches!(&*expression.tree, Tree::Read(_)) {
            return Ok(expression.tree);
        }
        let (view, _) = self.view(id)?;
        Ok(Rc::new(Tree::Read(view)))
    }

    fn materialised(&mut self, expression: &Expression) -> Result<View, String> {
        let mut to = self.buffer(self.stored(expression.dtype), expression.shape.clone());
        if let Some(model) = expression.model()
            && model.is_channels_last()
            && !model.is_dense()
        {
            to.steps = channels_last(&expression.shape);
        }
        self.store(expression, &to)?;
        Ok(to)
    }

    /// Computes an expression into a view.
    pub(crate) fn store(&mut self, expression: &Expression, to: &View) -> Result<(), String> {
        if to.elements() == 0 {
            return Ok(());
        }
        let (work, cost) = expression.store(to, self.target.dialect)?;
        self.launch(work, cost);
        Ok(())
    }

    /// A new row-major buffer.
    pub(crate) fn buffer(&mut self, dtype: DType, shape: Vec<u64>) -> View {
        self.sizes.push(elements(&shape) * dtype.size().unwrap_or(1) as u64);
        self.pinned.push(false);
        View::new(Base::Buffer(self.sizes.len() - 1), dtype, shape)
    }

    pub(crate) fn launch(&mut self, work: Work, cost: Cost) {
        self.launches.push(Launch { node: Arc::clone(&self.node), work, cost });
    }

    /// Gives an output of a node its value.
    pub(crate) fn set(&mut self, node: &Node, index: usize, value: Value) {
        if let Some(id) = node.outputs.get(index).copied().flatten() {
            self.values[id.0] = Some(value);
        }
    }

    pub(crate) fn set_view(&mut self, node: &Node, view: View, dtype: DType) {
        self.set(node, 0, Value::Stored(view, dtype));
    }
}

fn uses(graph: &Graph) -> Vec<u32> {
    let mut uses = vec![0; graph.values.len()];
    let inputs = graph.nodes.iter().flat_map(|node| node.inputs.iter().flatten());
    inputs.chain(&graph.outputs).for_each(|id| uses[id.0] += 1);
    uses
}

fn constant(initialiser: &Initialiser, name: &str) -> Result<Tensor, PlanError> {
    match initialiser {
        Initialiser::Tensor(tensor) => Ok(tensor.clone()),
        Initialiser::External(external) => Ok(external.read().map_err(PlanError::Read)??),
        Initialiser::Unsupported { what } => Err(PlanError::Constant { name: name.to_owned(), what }),
    }
}
