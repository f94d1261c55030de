use scorehost_core::DType;

use super::declared;
use crate::files::reader::{Findings, Object};

/// One `model_warmup`: a run before the model answers requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelWarmUp {
    /// `name`.
    pub name: String,
    /// Rows; `None` where shapes are complete as they stand.
    pub rows: Option<u64>,
    /// `count`: how often.
    pub count: u32,
    /// Every input.
    pub inputs: Vec<WarmUpInput>,
}

/// An input of a warm-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUpInput {
    /// Its name.
    pub name: String,
    /// Its dtype.
    pub dtype: DType,
    /// Its dimensions, without the rows where there are some.
    pub dims: Vec<u64>,
    /// Its content.
    pub fill: Fill,
}

/// What a warm-up's input holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zeros, or empty strings.
    Zeros,
    /// Numbers from 0 to 1.
    Random,
    /// The content of a file in the folder `warmup` beside the configuration.
    File(String),
}

/// Runs of one warm-up, and rows of one run, at most.
const MOST: u64 = 1024;

pub(super) fn read(root: &Object<'_>, max: u32, found: &mut Findings) -> Vec<ModelWarmUp> {
    let mut warm_ups = Vec::new();
    for (path, value) in root.several("model_warmup", found) {
        let Some(block) = Object::open(&path, value, &["name", "batch_size", "inputs", "count"], found) else {
            continue;
        };
        let name = block.text("name", found).unwrap_or_default();
        let rows = block.whole("batch_size", 0, MOST, "a whole number from 0 to 1024", found);
        if rows.is_some_and(|rows| rows > u64::from(max)) {
            found.add(block.at("batch_size"), format!("must not be above max_batch_size, which is {max}"));
        }
        let rows = (max > 0).then(|| rows.unwrap_or(1).max(1));
        let count = block.whole("count", 0, MOST, "a whole number from 0 to 1024", found).unwrap_or(1).max(1) as u32;
        warm_ups.push(ModelWarmUp { name, rows, count, inputs: inputs(&block, found) });
    }
    warm_ups
}

/// A map: in the text format a list of keys and values, in JSON an object.
fn inputs(block: &Object<'_>, found: &mut Findings) -> Vec<WarmUpInput> {
    let mut inputs = Vec::new();
    if let Some(map) = block.value("inputs").and_then(|value| value.as_object()).filter(|map| !map.contains_key("key"))
    {
        for (name, value) in map {
            inputs.extend(input(name.clone(), &format!("{}.{name}", block.at("inputs")), value, found));
        }
        return inputs;
    }
    for (path, entry) in block.several("inputs", found) {
        let Some(entry) = Object::open(&path, entry, &["key", "value"], found) else { continue };
        let name = entry.text("key", found).unwrap_or_default();
        match entry.value("value") {
            Some(value) => inputs.extend(input(name, &entry.at("value"), value, found)),
            None => found.add(entry.at("value"), "is required"),
        }
    }
    inputs
}

fn input(name: String, path: &str, value: &serde_json::Value, found: &mut Findings) -> Option<WarmUpInput> {
    const KEYS: [&str; 5] = ["data_type", "dims", "zero_data", "random_data", "input_data_file"];
    let block = Object::open(path, value, &KEYS, found)?;
    let dtype = declared::dtype(&block, found);
    let mut dims = Vec::new();
    for dim in declared::dims(&block, found) {
        match u64::try_from(dim) {
            Ok(dim) => dims.push(dim),
            Err(_) => found.add(block.at("dims"), "must be whole numbers from 0 on: a warm-up has one shape"),
        }
    }
    let zero = block.flag("zero_data", found) == Some(true);
    let random = block.flag("random_data", found) == Some(true);
    let file = block.text("input_data_file", found);
    let fill = match (zero, random, file) {
        (true, false, None) => Fill::Zeros,
        (false, true, None) => Fill::Random,
        (false, false, Some(file)) => Fill::File(file),
        _ => {
            found.add(path, "needs one of zero_data, random_data and input_data_file");
            return None;
        }
    };
    if dtype.is_none() {
        found.add(block.at("data_type"), "is required");
    }
    Some(WarmUpInput { name, dtype: dtype?, dims, fill })
}
