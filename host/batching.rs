//! How a deployed model's calls are merged: what its own configuration says, what the deployment says, and what holds.

use scorehost_batcher::{BatchConfig, QueueLimits, RowsFrom};
use scorehost_control::files::{Declared, Fill, ModelConfiguration, ModelWarmUp, WarmUpInput, configuration_path};
use scorehost_core::{
    Admission, Batching, DType, Failure, Graph, ModelFiles, NamedTensor, NamedTensors, Priority, ServiceSpec, Shape,
    Signature, Tensor, TensorSpec,
};

/// A model's configuration, where it has one, and the folder that it lies in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Configured {
    configuration: Option<ModelConfiguration>,
    folder: String,
}

/// What a warm-up's inputs may hold together.
const MOST_WARM_UP_BYTES: u64 = 1 << 30;

impl Configured {
    /// Reads the configuration beside a model's graph.
    ///
    /// # Errors
    /// `InvalidInput` naming everything that is wrong in it; `Internal` where stored content is damaged.
    pub(crate) fn read(graph: &str, files: &dyn ModelFiles) -> Result<Self, Failure> {
        let paths = files.paths();
        let found = configuration_path(graph, paths.iter().map(String::as_str), |path| files.read(path))?;
        let Some(path) = found else { return Ok(Self::default()) };
        let configuration = Some(ModelConfiguration::parse(path, &files.read(path)?)?);
        let folder = path.rfind('/').map_or("", |end| &path[..=end]).to_owned();
        Ok(Self { configuration, folder })
    }

    /// How long the line of a deployment may be: the stricter of what it and the model say.
    pub(crate) fn limits(&self, admission: &Admission) -> QueueLimits {
        let Admission { max_queue, max_queue_wait, weight, .. } = *admission;
        let dynamic = self.configuration.as_ref().and_then(|configuration| configuration.dynamic_batching.as_ref());
        let queue = dynamic.and_then(|dynamic| dynamic.max_queue).unwrap_or(u32::MAX);
        let wait = dynamic.and_then(|dynamic| dynamic.timeout).unwrap_or(max_queue_wait);
        QueueLimits {
            max_queue: max_queue.min(queue) as usize,
            max_wait: max_queue_wait.min(wait),
            weight,
            default_priority: dynamic.map_or(Priority::Normal, |dynamic| dynamic.default_priority),
        }
    }

    /// How calls are merged; `None` where they are not. Where the deployment says nothing, the model's configuration decides, and
    /// where there is none, calls are merged as far as the graph allows.
    pub(crate) fn batches(&self, asked: &Batching) -> Option<BatchConfig> {
        let (configuration, defaults) = (self.configuration.as_ref(), BatchConfig::default());
        let dynamic = configuration.and_then(|configuration| configuration.dynamic_batching.as_ref());
        let enabled = asked.enabled.unwrap_or(configuration.is_none() || dynamic.is_some());
        let most = self.most_rows().map_or(u64::MAX, u64::from);
        if !enabled || configuration.is_some_and(|configuration| configuration.max_batch_size == 0) {
            return None;
        }
        let max_rows =
            asked.max_size.map_or(defaults.max_rows.max(self.most_rows().unwrap_or(0).into()), u64::from).min(most);
        let preferred = if asked.preferred.is_empty() {
            dynamic.map(|dynamic| dynamic.preferred.clone()).unwrap_or_default()
        } else {
            asked.preferred.clone()
        };
        Some(BatchConfig {
            rows_from: if self.most_rows().is_some() { RowsFrom::Operator } else { RowsFrom::Graph },
            max_rows,
            max_delay: asked.max_delay.or(dynamic.map(|dynamic| dynamic.max_delay)).unwrap_or_default(),
            preferred: preferred.into_iter().map(u64::from).filter(|size| *size <= max_rows).collect(),
            latency_target: asked.latency_target,
            isolated: asked.isolated,
        })
    }

    /// Rows of one request at most, where the configuration says that dimension 0 is a batch.
    pub(crate) fn most_rows(&self) -> Option<u32> {
        self.configuration.as_ref().map(|configuration| configuration.max_batch_size).filter(|max| *max > 0)
    }

    /// Holds the declarations against the model.
    ///
    /// # Errors
    /// `InvalidInput` naming everything that does not fit.
    pub(crate) fn check(&self, signature: &Signature) -> Result<(), Failure> {
        let Some(configuration) = &self.configuration else { return Ok(()) };
        let batch = configuration.max_batch_size > 0;
        let mut wrong = conflicts("input", &configuration.inputs, &signature.inputs, batch);
        wrong.extend(conflicts("output", &configuration.outputs, &signature.outputs, batch));
        if wrong.is_empty() {
            return Ok(());
        }
        Err(Failure::invalid(format!("the model's configuration does not fit the model:\n  {}", wrong.join("\n  ")))
            .with_hint("docs/reference/model-configuration.md says what is declared how"))
    }

    /// Runs the warm-ups of the configuration.
    ///
    /// # Errors
    /// `InvalidInput` where one cannot be made or fails.
    pub(crate) fn warm_up(&self, graph: &dyn Graph, files: &dyn ModelFiles) -> Result<(), Failure> {
        let warm_ups = self.configuration.iter().flat_map(|configuration| &configuration.warm_ups);
        for warm_up in warm_ups {
            let failed = |failure: Failure| {
                Failure::invalid(format!("model_warmup '{}' of the model's configuration: {failure}", warm_up.name))
            };
            let inputs = self.inputs(warm_up, files).map_err(failed)?;
            graph.signature().check_inputs(&inputs).map_err(|error| failed(error.into()))?;
            let outputs: Vec<usize> = (0..graph.signature().outputs.len()).collect();
            for _ in 0..warm_up.count {
                graph.run(&inputs, &outputs).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn inputs(&self, warm_up: &ModelWarmUp, files: &dyn ModelFiles) -> Result<NamedTensors, Failure> {
        let input = |input: &WarmUpInput| {
            let shape: Shape = warm_up.rows.into_iter().chain(input.dims.iter().copied()).collect();
            let tensor = match &input.fill {
                Fill::File(file) => {
                    Tensor::new(input.dtype, shape, files.read(&format!("{}warmup/{file}", self.folder))?)?
                }
                fill => filled(input.dtype, shape, *fill == Fill::Random)?,
            };
            Ok(NamedTensor::new(input.name.as_str(), tensor))
        };
        warm_up.inputs.iter().map(input).collect()
    }
}

/// What a deployment's models say that does not act, one sentence each.
pub(crate) fn unmerged(model: &str, spec: &ServiceSpec, graph: &dyn Graph, batches: Option<&BatchConfig>) {
    let asked = spec.batching.enabled == Some(true);
    let by_graph = batches.is_none_or(|batches| batches.rows_from == RowsFrom::Graph);
    if let Some(why) = graph.batch().err().filter(|_| asked && by_graph) {
        tracing::warn!(service = %spec.name, model, %why, "calls are not merged, although scorehost.batching asks for it");
    }
}

fn conflicts(field: &str, declared: &[Declared], specs: &[TensorSpec], batch: bool) -> Vec<String> {
    let said = declared.iter().filter_map(|tensor| tensor.conflict(specs, batch));
    let unsaid = specs.iter().filter(|spec| batch && !declared.iter().any(|tensor| tensor.name == *spec.name));
    let free = unsaid.filter(|spec| spec.shape.first().is_none_or(|rows| *rows >= 0));
    let free = free
        .map(|spec| format!("'{}' has no free first dimension in the model, and max_batch_size is above 0", spec.name));
    said.chain(free).map(|problem| format!("{field} {problem}")).collect()
}

/// A tensor of zeros, or of numbers that vary from 0 to 1, the same ones every time.
fn filled(dtype: DType, shape: Shape, vary: bool) -> Result<Tensor, Failure> {
    let elements = shape.iter().try_fold(1u64, |all, dim| all.checked_mul(*dim)).unwrap_or(u64::MAX);
    let bytes = elements.saturating_mul(dtype.size().unwrap_or(4) as u64);
    if bytes > MOST_WARM_UP_BYTES {
        return Err(Failure::invalid(format!("an input of {bytes} bytes is above {MOST_WARM_UP_BYTES}")));
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if vary { (state >> 40) as f32 / (1u64 << 24) as f32 } else { 0.0 }
    };
    let mut data = Vec::with_capacity(bytes as usize);
    for _ in 0..elements {
        let value = next();
        match dtype {
            DType::F32 => data.extend_from_slice(&value.to_le_bytes()),
            DType::F64 => data.extend_from_slice(&f64::from(value).to_le_bytes()),
            DType::BF16 => data.extend_from_slice(&((value.to_bits() >> 16) as u16).to_le_bytes()),
            // Zero, or a half.
            DType::F16 => data.extend_from_slice(&(if value < 0.5 { 0u16 } else { 0x3800 }).to_le_bytes()),
            DType::Bytes => data.extend_from_slice(&[0; 4]),
            whole => {
                let size = whole.size().unwrap_or(1);
                let mut number = [0; 8];
                number[0] = u8::from(value >= 0.5);
                data.extend_from_slice(&number[..size]);
            }
        }
    }
    Ok(Tensor::new(dtype, shape, data.into())?)
}

// Beside this file: every folder of `host` is a crate.
#[cfg(test)]
#[path = "batching_tests.rs"]
mod tests;
