use scorehost_core::{DType, TensorSpec};

use crate::files::reader::{Findings, Object};

/// An input or output that a configuration declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// `data_type`; `None` where it is left to the model.
    pub dtype: Option<DType>,
    /// `dims`, without the batch where there is one; -1 for any size. `None` where they are left to the model.
    pub dims: Option<Vec<i64>>,
}

const KEYS: [&str; 10] = [
    "name",
    "data_type",
    "dims",
    "format",
    "reshape",
    "is_shape_tensor",
    "allow_ragged_batch",
    "optional",
    "is_non_linear_format_io",
    "label_filename",
];

pub(super) fn read(root: &Object<'_>, field: &str, notes: &mut Vec<String>, found: &mut Findings) -> Vec<Declared> {
    let mut declared: Vec<Declared> = Vec::new();
    for (path, value) in root.several(field, found) {
        let Some(tensor) = Object::open(&path, value, &KEYS, found) else { continue };
        let Some(name) = tensor.text("name", found).filter(|name| !name.is_empty()) else {
            found.add(tensor.at("name"), "is required");
            continue;
        };
        if declared.iter().any(|other| other.name == name) {
            found.add(tensor.at("name"), format!("'{name}' is declared twice"));
        }
        refuse(&tensor, found);
        if tensor.value("label_filename").is_some() {
            notes.push(format!("{field} '{name}': label_filename: the classification extension is not offered"));
        }
        let dims = tensor.value("dims").is_some().then(|| dims(&tensor, found));
        declared.push(Declared { name, dtype: dtype(&tensor, found), dims });
    }
    declared
}

/// What would change the tensors that a caller sends or gets.
fn refuse(tensor: &Object<'_>, found: &mut Findings) {
    if tensor.value("reshape").is_some() {
        found.add(tensor.at("reshape"), "is not offered: tensors have the model's own shapes");
    }
    for key in ["is_shape_tensor", "optional", "is_non_linear_format_io"] {
        if tensor.flag(key, found) == Some(true) {
            found.add(tensor.at(key), "is not offered for ONNX models here");
        }
    }
    if tensor.flag("allow_ragged_batch", found) == Some(true) {
        found.add(tensor.at("allow_ragged_batch"), "is not offered: calls with other shapes make batches of their own");
    }
    const FORMATS: [(&str, ()); 3] = [("FORMAT_NONE", ()), ("FORMAT_NHWC", ()), ("FORMAT_NCHW", ())];
    tensor.word("format", &FORMATS, found);
}

/// Name and number of a dtype in `model_config.proto`; `None` for `TYPE_INVALID`, which leaves it to the model.
pub(super) fn dtype(tensor: &Object<'_>, found: &mut Findings) -> Option<DType> {
    const TYPES: [(&str, Option<DType>); 15] = [
        ("TYPE_INVALID", None),
        ("TYPE_BOOL", Some(DType::Bool)),
        ("TYPE_UINT8", Some(DType::U8)),
        ("TYPE_UINT16", Some(DType::U16)),
        ("TYPE_UINT32", Some(DType::U32)),
        ("TYPE_UINT64", Some(DType::U64)),
        ("TYPE_INT8", Some(DType::I8)),
        ("TYPE_INT16", Some(DType::I16)),
        ("TYPE_INT32", Some(DType::I32)),
        ("TYPE_INT64", Some(DType::I64)),
        ("TYPE_FP16", Some(DType::F16)),
        ("TYPE_FP32", Some(DType::F32)),
        ("TYPE_FP64", Some(DType::F64)),
        ("TYPE_STRING", Some(DType::Bytes)),
        ("TYPE_BF16", Some(DType::BF16)),
    ];
    tensor.word("data_type", &TYPES, found).flatten()
}

/// Dimensions: -1 or from 0 on.
pub(super) fn dims(tensor: &Object<'_>, found: &mut Findings) -> Vec<i64> {
    let mut dims = Vec::new();
    for (path, value) in tensor.several("dims", found) {
        // JSON made of protobuf messages writes 64-bit numbers as text.
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        match number.filter(|dim| *dim >= -1) {
            Some(dim) => dims.push(dim),
            None => found.add(path, "must be -1 or a whole number from 0 on"),
        }
    }
    dims
}

impl Declared {
    /// What is wrong with it as a declaration of one of `specs`; `batch` is whether its dimensions leave the first one out.
    #[must_use]
    pub fn conflict(&self, specs: &[TensorSpec], batch: bool) -> Option<String> {
        let Some(spec) = specs.iter().find(|spec| *spec.name == *self.name) else {
            let known: Vec<&str> = specs.iter().map(|spec| &*spec.name).collect();
            return Some(format!("'{}' is not in the model, which has [{}]", self.name, known.join(", ")));
        };
        if let Some(dtype) = self.dtype.filter(|dtype| *dtype != spec.dtype) {
            return Some(format!("'{}' is {} in the model, declared as {dtype}", self.name, spec.dtype));
        }
        if batch && spec.shape.is_empty() {
            return Some(format!("'{}' is a scalar in the model, which has no batch", self.name));
        }
        if batch && spec.shape[0] >= 0 {
            return Some(format!(
                "'{}' has {} as first dimension in the model, which is no free batch",
                self.name, spec.shape[0]
            ));
        }
        let dims = self.dims.as_ref()?;
        let actual = &spec.shape[usize::from(batch)..];
        let fits = |(said, actual): (&i64, &i64)| *said < 0 || *actual < 0 || said == actual;
        let same = dims.len() == actual.len() && dims.iter().zip(actual).all(fits);
        (!same).then(|| format!("'{}' has dims {actual:?} in the model, declared as {dims:?}", self.name))
    }
}
