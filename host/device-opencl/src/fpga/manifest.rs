//! What a program's kernels do, as its manifest says it. `docs/reference/fpga.md` describes the file.

mod reader;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use reader::{Findings, Object};
use scorehost_core::DType;
use serde_json::Value;

/// Kernels of a manifest at most.
const MAX_KERNELS: usize = 256;
/// Arguments of a kernel at most.
const MAX_ARGUMENTS: usize = 64;
/// Dimensions of a tensor at most.
const MAX_DIMENSIONS: usize = 8;
/// Batch sizes of a kernel at most.
const MAX_SIZES: usize = 32;
/// The largest number of rows of one launch.
const MAX_ROWS: u64 = 1 << 20;
/// Characters of a name at most.
const MAX_NAME: usize = 1024;

/// Keys of the file, of a kernel, and of a kernel's operator.
const KEYS: [&str; 5] = ["$schema", "binary", "sha256", "device", "kernels"];
const KERNEL_KEYS: [&str; 6] = ["name", "implements", "batch", "arguments", "items", "group"];
const OPERATOR_KEYS: [&str; 3] = ["operator", "domain", "attributes"];

/// A program and what its kernels do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Manifest {
    /// The program's file, below the manifest's folder.
    pub(super) binary: String,
    /// Digest of that file, in lower-case hexadecimal digits.
    pub(super) sha256: String,
    /// A part of the name of the device it was made for.
    pub(super) device: Option<String>,
    /// What it can do; the first that fits a node takes it.
    pub(super) kernels: Vec<KernelSpec>,
}

/// One thing that a function of the program can do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct KernelSpec {
    /// The function.
    pub(super) name: String,
    /// Which nodes it stands for.
    pub(super) implements: Implements,
    /// Numbers of rows that it can compute at a time, ascending; empty where its shapes are all fixed.
    pub(super) batch: Vec<u64>,
    /// Its arguments in order.
    pub(super) arguments: Vec<Argument>,
    /// Work items in each dimension.
    pub(super) items: [Size; 3],
    /// Work items of a group.
    pub(super) group: Option<[usize; 3]>,
}

/// Which nodes a kernel stands for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Implements {
    /// All of them.
    Model,
    /// Those of these names.
    Nodes(Vec<String>),
    /// Every node of an operator with these attributes, whose tensors are the arguments'.
    Operator { name: String, domain: String, attributes: BTreeMap<String, Value> },
}

/// A value of the graph, by its name, or by its place among a node's inputs or outputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Name(String),
    Index(usize),
}

/// A dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// The rows of a launch.
    Batch,
    Fixed(u64),
}

/// Dtype and dimensions of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) dtype: DType,
    pub(super) shape: Vec<Size>,
}

/// One argument of a kernel.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Argument {
    Input(Place, Layout),
    Output(Place, Layout),
    /// A constant of the graph, copied to the device once.
    Constant(String, Layout),
    /// The number of rows of the launch.
    Rows(Number),
    /// A number.
    Int(i32),
    Long(i64),
    Float(f32),
}

/// How a whole number is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Int,
    Long,
}

impl Manifest {
    /// Reads a manifest, or tells everything that is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, Vec<String>> {
        let value: Value = serde_json::from_str(text).map_err(|error| vec![format!("not JSON: {error}")])?;
        let mut found = Findings::default();
        let manifest = manifest(&value, &mut found);
        found.finish(manifest)
    }
}

impl KernelSpec {
    /// Whether any of its tensors has a row for each of a launch's.
    pub(super) fn has_rows(&self) -> bool {
        let layouts = self.arguments.iter().filter_map(Argument::layout);
        layouts.flat_map(|layout| &layout.shape).any(|size| *size == Size::Batch)
    }
}

impl Argument {
    /// Dtype and dimensions, of one that is a tensor.
    pub(super) const fn layout(&self) -> Option<&Layout> {
        match self {
            Self::Input(_, layout) | Self::Output(_, layout) | Self::Constant(_, layout) => Some(layout),
            _ => None,
        }
    }
}

fn name(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (!text.is_empty() && text.len() <= MAX_NAME && !text.contains('\0')).then(|| text.to_owned())
}

fn digest(value: &Value) -> Option<String> {
    let text = value.as_str()?.to_lowercase();
    (text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(text)
}

fn manifest(value: &Value, found: &mut Findings) -> Option<Manifest> {
    let object = Object::open("$".to_owned(), value, &KEYS, found)?;
    let binary = object.required("binary", "the name of the program's file", found, name);
    let sha256 = object.required("sha256", "the 64 hexadecimal digits of `sha256sum` of that file", found, digest);
    let device = object.typed("device", "a part of the name of a device", found, name);
    let expected = format!("a list of 1 to {MAX_KERNELS} kernels");
    let list = object.required("kernels", &expected, found, |value| {
        value.as_array().filter(|list| (1..=MAX_KERNELS).contains(&list.len()))
    });
    let all: Vec<Option<KernelSpec>> = list?
        .iter()
        .enumerate()
        .map(|(index, value)| kernel(format!("{}[{index}]", object.at("kernels")), value, found))
        .collect();
    Some(Manifest { binary: binary?, sha256: sha256?, device, kernels: all.into_iter().collect::<Option<_>>()? })
}

fn kernel(path: String, value: &Value, found: &mut Findings) -> Option<KernelSpec> {
    let object = Object::open(path, value, &KERNEL_KEYS, found)?;
    let name = object.required("name", "the name of a function of the program", found, name);
    let implements = implements(&object, found);
    let batch = batch(&object, found);
    let arguments = arguments(&object, implements.as_ref(), found);
    let items = object.typed("items", "1 to 3 numbers above 0 or \"batch\"", found, items);
    let group = object.typed("group", "1 to 3 numbers above 0", found, group);
    let spec = KernelSpec {
        name: name?,
        implements: implements?,
        batch: batch?,
        arguments: arguments?,
        // One work item, as kernels for FPGAs are mostly written, is a group of one.
        group: group.or_else(|| object.value("items").is_none().then_some([1; 3])),
        items: items.unwrap_or([Size::Fixed(1); 3]),
    };
    match (spec.has_rows(), spec.batch.is_empty()) {
        (true, true) => found.add(object.path(), "has \"batch\" in a shape and no 'batch' that lists the sizes"),
        (false, false) => found.add(object.path(), "has 'batch' and no shape with \"batch\" in it"),
        _ => return Some(spec),
    }
    None
}

fn implements(object: &Object<'_>, found: &mut Findings) -> Option<Implements> {
    let expected = "\"model\", {\"nodes\": […]} or {\"operator\": …}";
    match object.required("implements", expected, found, Some)? {
        Value::String(text) if text == "model" => Some(Implements::Model),
        value @ Value::Object(fields) if fields.contains_key("nodes") => {
            let inner = Object::open(object.at("implements"), value, &["nodes"], found)?;
            let names = |value: &Value| value.as_array()?.iter().map(name).collect::<Option<Vec<_>>>();
            let nodes = inner
                .typed("nodes", "names of nodes", found, |value| names(value).filter(|nodes| !nodes.is_empty()))?;
            Some(Implements::Nodes(nodes))
        }
        value @ Value::Object(_) => {
            let inner = Object::open(object.at("implements"), value, &OPERATOR_KEYS, found)?;
            let operator = inner.required("operator", "the name of an operator", found, name)?;
            let domain = inner.typed("domain", "an operator domain", found, |value| value.as_str().map(str::to_owned));
            let attributes = inner.typed("attributes", "an object", found, |value| {
                Some(value.as_object()?.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            });
            let domain = domain.filter(|domain| domain != "ai.onnx").unwrap_or_default();
            Some(Implements::Operator { name: operator, domain, attributes: attributes.unwrap_or_default() })
        }
        _ => {
            found.add(&object.at("implements"), format!("must be {expected}"));
            None
        }
    }
}

fn batch(object: &Object<'_>, found: &mut Findings) -> Option<Vec<u64>> {
    if object.value("batch").is_none() {
        return Some(Vec::new());
    }
    let expected = format!("1 to {MAX_SIZES} numbers of rows from 1 to {MAX_ROWS}");
    let mut sizes = object.typed("batch", &expected, found, |value| {
        let sizes = value.as_array()?.iter().map(Value::as_u64).collect::<Option<Vec<u64>>>()?;
        let good = (1..=MAX_SIZES).contains(&sizes.len()) && sizes.iter().all(|size| (1..=MAX_ROWS).contains(size));
        good.then_some(sizes)
    })?;
    sizes.sort_unstable();
    sizes.dedup();
    Some(sizes)
}

fn arguments(object: &Object<'_>, implements: Option<&Implements>, found: &mut Findings) -> Option<Vec<Argument>> {
    let expected = format!("a list of 1 to {MAX_ARGUMENTS} arguments in the function's order");
    let list = object.required("arguments", &expected, found, |value| {
        value.as_array().filter(|list| (1..=MAX_ARGUMENTS).contains(&list.len()))
    })?;
    let by_index = matches!(implements, Some(Implements::Operator { .. }));
    let all: Vec<Option<Argument>> = list
        .iter()
        .enumerate()
        .map(|(index, value)| argument(format!("{}[{index}]", object.at("arguments")), value, by_index, found))
        .collect();
    all.into_iter().collect()
}

/// Keys of an argument, each with the keys that belong to it.
const ARGUMENTS: [(&str, &[&str]); 5] = [
    ("input", &["input", "dtype", "shape"]),
    ("output", &["output", "dtype", "shape"]),
    ("constant", &["constant", "dtype", "shape"]),
    ("rows", &["rows"]),
    ("value", &["value", "dtype"]),
];

fn argument(path: String, value: &Value, by_index: bool, found: &mut Findings) -> Option<Argument> {
    let every = ["input", "output", "constant", "rows", "value", "dtype", "shape"];
    let kinds = || ARGUMENTS.iter().filter(|(key, _)| value.get(key).is_some());
    let Some((kind, known)) = kinds().next() else {
        let object = Object::open(path, value, &every, found)?;
        found.add(object.path(), "must have one of input, output, constant, rows and value");
        return None;
    };
    let object = Object::open(path, value, known, found)?;
    match *kind {
        "rows" => object.typed("rows", "INT32 or INT64", found, number).map(Argument::Rows),
        "value" => scalar(&object, found),
        "constant" => {
            let name = object.typed("constant", "the name of a constant of the graph", found, name);
            let layout = layout(&object, found);
            Some(Argument::Constant(name?, layout?))
        }
        kind => {
            let place = object.typed(kind, if by_index { INDEX } else { NAME }, found, |value| {
                if by_index { index(value).map(Place::Index) } else { name(value).map(Place::Name) }
            });
            let layout = layout(&object, found);
            let make = if kind == "input" { Argument::Input } else { Argument::Output };
            Some(make(place?, layout?))
        }
    }
}

const INDEX: &str = "the place among the node's inputs or outputs, from 0 on";
const NAME: &str = "the name of a value of the graph";

fn index(value: &Value) -> Option<usize> {
    value.as_u64().filter(|index| *index < 64).map(|index| index as usize)
}

fn number(value: &Value) -> Option<Number> {
    match value.as_str()? {
        "INT32" => Some(Number::Int),
        "INT64" => Some(Number::Long),
        _ => None,
    }
}

fn scalar(object: &Object<'_>, found: &mut Findings) -> Option<Argument> {
    let dtype = object.required("dtype", "INT32, INT64 or FP32", found, |value| {
        value.as_str().filter(|dtype| ["INT32", "INT64", "FP32"].contains(dtype))
    })?;
    object.typed("value", &format!("a number of {dtype}"), found, |value| match dtype {
        "INT32" => i32::try_from(value.as_i64()?).ok().map(Argument::Int),
        "INT64" => value.as_i64().map(Argument::Long),
        _ => value.as_f64().map(|number| Argument::Float(number as f32)),
    })
}

fn layout(object: &Object<'_>, found: &mut Findings) -> Option<Layout> {
    let dtype = object.required("dtype", "the name of a dtype such as FP32", found, |value| {
        DType::from_name(value.as_str()?).filter(|dtype| dtype.size().is_some())
    });
    let expected = format!("up to {MAX_DIMENSIONS} sizes, each a number or \"batch\"");
    let shape = object.required("shape", &expected, found, |value| {
        let list = value.as_array().filter(|list| list.len() <= MAX_DIMENSIONS)?;
        let shape = list.iter().map(size).collect::<Option<Vec<_>>>()?;
        // Rows are the slowest dimension, so that a few of them are one piece of memory.
        shape.iter().skip(1).all(|size| *size != Size::Batch).then_some(shape)
    });
    let layout = Layout { dtype: dtype?, shape: shape? };
    if layout.bytes(MAX_ROWS).is_none() {
        found.add(&object.at("shape"), "has more elements than any tensor can hold");
        return None;
    }
    Some(layout)
}

fn size(value: &Value) -> Option<Size> {
    match value {
        Value::String(text) if text == "batch" => Some(Size::Batch),
        value => value.as_u64().map(Size::Fixed),
    }
}

fn three<T: Copy>(list: &[T], one: T) -> Option<[T; 3]> {
    let at = |index: usize| list.get(index).copied().unwrap_or(one);
    (1..=3).contains(&list.len()).then(|| [at(0), at(1), at(2)])
}

fn items(value: &Value) -> Option<[Size; 3]> {
    let above_zero =
        |size: &Size| !matches!(size, Size::Fixed(0)) && !matches!(size, Size::Fixed(many) if *many > 1 << 32);
    let list = value.as_array()?.iter().map(|value| size(value).filter(above_zero)).collect::<Option<Vec<_>>>()?;
    three(&list, Size::Fixed(1))
}

fn group(value: &Value) -> Option<[usize; 3]> {
    let one = |value: &Value| value.as_u64().filter(|size| (1..=1 << 20).contains(size)).map(|size| size as usize);
    three(&value.as_array()?.iter().map(one).collect::<Option<Vec<_>>>()?, 1)
}

impl Size {
    /// The size in a launch of `rows`.
    pub(super) const fn of(self, rows: u64) -> u64 {
        match self {
            Self::Batch => rows,
            Self::Fixed(size) => size,
        }
    }
}

impl Layout {
    /// Whether it has a row for each of a launch's.
    pub(super) fn has_rows(&self) -> bool {
        self.shape.first() == Some(&Size::Batch)
    }

    /// Bytes in a launch of `rows`; `None` where no number holds them.
    pub(super) fn bytes(&self, rows: u64) -> Option<u64> {
        let size = self.dtype.size()? as u64;
        self.shape.iter().try_fold(size, |bytes, size| bytes.checked_mul(size.of(rows)))
    }

    /// Dimensions in a launch of `rows`.
    pub(super) fn dimensions(&self, rows: u64) -> scorehost_core::Shape {
        self.shape.iter().map(|size| size.of(rows)).collect()
    }

    /// The rows of a tensor of this layout; 0 where it has none. `None` where the shape is another one.
    pub(super) fn rows(&self, shape: &[u64]) -> Option<u64> {
        let same = |(size, dim): (&Size, &u64)| *size == Size::Batch || *size == Size::Fixed(*dim);
        let fits = shape.len() == self.shape.len() && self.shape.iter().zip(shape).all(same);
        fits.then(|| if self.has_rows() { shape[0] } else { 0 })
    }
}

impl std::fmt::Display for Layout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = |size: &Size| match size {
            Size::Batch => "batch".to_owned(),
            Size::Fixed(size) => size.to_string(),
        };
        write!(f, "{} [{}]", self.dtype, self.shape.iter().map(size).collect::<Vec<_>>().join(", "))
    }
}
