use serde_json::Value;

/// Fields of which one tells a model configuration from another `config.json`, such as that of a tokenizer.
const TELLING: [&str; 6] =
    ["max_batch_size", "dynamic_batching", "instance_group", "model_warmup", "platform", "backend"];

/// The path of a model's configuration among its files: `config.pbtxt` or a `config.json` with fields of one, in the folder of the
/// `graph`, or above it where that folder is a number, as in a Triton repository. `read` gives a file's content.
///
/// # Errors
/// Those of `read`.
pub fn configuration_path<'a, E>(
    graph: &str,
    paths: impl Iterator<Item = &'a str> + Clone,
    mut read: impl FnMut(&str) -> Result<bytes::Bytes, E>,
) -> Result<Option<&'a str>, E> {
    let folder = graph.rfind('/').map_or("", |end| &graph[..=end]);
    let numbered = folder.trim_end_matches('/');
    let (parent, name) =
        numbered.rsplit_once('/').map_or(("", numbered), |(_, name)| (&numbered[..numbered.len() - name.len()], name));
    let version = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let folders = [Some(folder), version.then_some(parent)];
    for folder in folders.into_iter().flatten() {
        let find = |name: &str| paths.clone().find(|path| path.strip_prefix(folder) == Some(name));
        if let Some(path) = find("config.pbtxt") {
            return Ok(Some(path));
        }
        if let Some(path) = find("config.json")
            && is_configuration(&read(path)?)
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn is_configuration(content: &[u8]) -> bool {
    let Ok(Value::Object(fields)) = serde_json::from_slice(content) else { return false };
    TELLING.iter().any(|field| fields.contains_key(*field))
}

/// The path of a model that is its graph: the only `.onnx` file, or else the one called `model.onnx`.
#[must_use]
pub fn graph_path<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let mut graphs = paths.filter(|path| path.ends_with(".onnx"));
    let mut others = graphs.clone().skip(1);
    match others.next() {
        None => graphs.next(),
        Some(_) => graphs.find(|path| *path == "model.onnx" || path.ends_with("/model.onnx")),
    }
}
