//! A model's own configuration: `config.pbtxt`, or `config.json` with the same fields, beside its graph, as Triton's model repositories have it
//! (`model_config.proto` of <https://github.com/triton-inference-server/common>).
//!
//! Every field is read, refused or named in a note; nothing is dropped in silence. See docs/reference/model-configuration.md.

mod batching;
mod declared;
mod notes;
mod place;
mod warm_up;

use serde_json::Value;

use super::pbtxt;
use super::reader::{Findings, Object, ROOT, Violations};

pub use batching::DynamicBatching;
pub use declared::Declared;
pub use place::{configuration_path, graph_path};
pub use warm_up::{Fill, ModelWarmUp, WarmUpInput};

/// A model's configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelConfiguration {
    /// `max_batch_size`: rows of one run at most, where dimension 0 of every input and output is a batch that the declared dimensions leave out;
    /// 0 where there is no such dimension.
    pub max_batch_size: u32,
    /// `dynamic_batching`; `None` where calls are not merged.
    pub dynamic_batching: Option<DynamicBatching>,
    /// `input`.
    pub inputs: Vec<Declared>,
    /// `output`.
    pub outputs: Vec<Declared>,
    /// `model_warmup`.
    pub warm_ups: Vec<ModelWarmUp>,
    /// `response_cache.enable`.
    pub response_cache: bool,
    /// What is there and does not act, one sentence each.
    pub notes: Vec<String>,
}

/// Fields that act, in the order of `model_config.proto`.
const ACT: [&str; 9] = [
    "name",
    "platform",
    "backend",
    "max_batch_size",
    "input",
    "output",
    "dynamic_batching",
    "model_warmup",
    "response_cache",
];

impl ModelConfiguration {
    /// Reads the file of that name: `config.pbtxt`, or JSON.
    ///
    /// # Errors
    /// Everything that is wrong in it, or where it is not of its format.
    pub fn parse(path: &str, content: &[u8]) -> Result<Self, Violations> {
        let file = if path.ends_with(".pbtxt") { "config.pbtxt" } else { "config.json" };
        let refused = |problem: String| {
            let mut found = Findings::default();
            found.add(ROOT, problem);
            found.finish(file, Self::default())
        };
        let Ok(text) = std::str::from_utf8(content) else { return refused("is not UTF-8".to_owned()) };
        if file == "config.pbtxt" {
            match pbtxt::parse(text) {
                Ok(value) => Self::of(file, &value),
                Err(error) => refused(format!("is not in the text format: {error}")),
            }
        } else {
            match serde_json::from_str(text) {
                Ok(value) => Self::of(file, &value),
                Err(error) => refused(format!("is not JSON: {error}")),
            }
        }
    }

    fn of(file: &'static str, value: &Value) -> Result<Self, Violations> {
        let mut found = Findings::default();
        let known: Vec<&str> =
            ACT.into_iter().chain(notes::KNOWN).chain(notes::REFUSED.map(|(name, _)| name)).collect();
        let root = Object::open(ROOT, value, &known, &mut found);
        let configuration = root.map(|root| read(&root, &mut found));
        found.finish(file, configuration.unwrap_or_default())
    }
}

fn read(root: &Object<'_>, found: &mut Findings) -> ModelConfiguration {
    let max = root.whole("max_batch_size", 0, u64::from(batching::MOST_ROWS), "a whole number from 0 to 1024", found);
    let max_batch_size = max.unwrap_or(0) as u32;
    let mut notes = notes::read(root, found);
    check_platform(root, found);
    ModelConfiguration {
        max_batch_size,
        dynamic_batching: batching::read(root, max_batch_size, &mut notes, found),
        inputs: declared::read(root, "input", &mut notes, found),
        outputs: declared::read(root, "output", &mut notes, found),
        warm_ups: warm_up::read(root, max_batch_size, found),
        response_cache: root
            .object("response_cache", &["enable"], found)
            .and_then(|cache| cache.flag("enable", found))
            .unwrap_or(false),
        notes,
    }
}

fn check_platform(root: &Object<'_>, found: &mut Findings) {
    for (key, ours) in [("platform", "onnxruntime_onnx"), ("backend", "onnxruntime")] {
        let Some(said) = root.text(key, found) else { continue };
        if !said.is_empty() && said != ours {
            found.add(root.at(key), format!("must be {ours}, is '{said}': this host runs ONNX models"));
        }
    }
}

#[cfg(test)]
mod tests;
