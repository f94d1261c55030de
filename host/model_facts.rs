//! What is known of graphs without loading them, kept in the registry: signature, measured size, when it was used last.
//!
//! With it a host of a thousand models starts with those that were called last and fit, and knows of the others what it must
//! evict for them. It is a memory aid: what is missing, unreadable or of another runtime is found out again by a load.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use scorehost_core::{Clock, DType, Digest, Failure, Signature, TensorSpec};
use scorehost_device::Devices;
use scorehost_memory::{Facts, MemorySnapshot};
use scorehost_registry::Registry;
use serde_json::{Value, json};

use crate::device_memory::DeviceMemory;

/// Kind of the documents about one graph; the key is its digest.
const KIND: &str = "model-facts";
/// Kind of the document that says when graphs were used.
const USE: &str = "model-use";
/// Key of that document.
const ALL: &str = "all";
/// Time between two looks at what was used.
const INTERVAL: Duration = Duration::from_secs(60);

/// The facts of all graphs.
pub(crate) struct ModelFacts {
    registry: Arc<Registry>,
    /// What loads graphs here: facts of another runtime or setting are not facts.
    runtime: String,
    clock: Arc<dyn Clock>,
    /// Graphs to load at the start; `None` is all.
    likely: Option<HashSet<String>>,
    /// Seconds since 1970 at which each graph was used, as last written.
    used: Mutex<HashMap<String, u64>>,
}

impl ModelFacts {
    /// Reads what an earlier run left.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn open(
        registry: Arc<Registry>,
        devices: &Devices,
        clock: Arc<dyn Clock>,
        budget: Option<u64>,
    ) -> Result<Self, Failure> {
        let used = registry.document(USE, ALL)?.map(|bytes| read_used(&bytes)).unwrap_or_default();
        let mut facts = Self { registry, runtime: devices.fingerprint(), clock, likely: None, used: Mutex::new(used) };
        facts.likely = budget.map(|budget| facts.choose(budget)).transpose()?;
        Ok(facts)
    }

    /// The graphs that were used last and fit together.
    fn choose(&self, budget: u64) -> Result<HashSet<String>, Failure> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<(u64, String, u64)> = Vec::new();
        for (key, bytes) in self.registry.documents(KIND)? {
            if let Some(facts) = self.read(&bytes) {
                known.push((used.get(&key).copied().unwrap_or(0), key, facts.bytes));
            }
        }
        known.sort_by(|a, b| b.cmp(a));
        let mut left = budget;
        let fits = |(_, key, bytes): (u64, String, u64)| {
            left = left.checked_sub(bytes)?;
            Some(key)
        };
        // The first that does not fit ends it: a smaller one that was used earlier has no better claim.
        Ok(known.into_iter().map_while(fits).collect())
    }

    /// Whether a graph should be loaded while the host starts.
    pub(crate) fn is_likely(&self, key: &Digest) -> bool {
        self.likely.as_ref().is_none_or(|likely| likely.contains(&key.hex()))
    }

    /// What is known of a graph; `None` loads it to find out.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn of(&self, key: &Digest) -> Result<Option<Facts>, Failure> {
        Ok(self.registry.document(KIND, &key.hex())?.and_then(|bytes| self.read(&bytes)))
    }

    /// Whether a graph's weights are in files of their own; `None` where nobody has looked.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn is_in_parts(&self, graph: &Digest) -> Result<Option<bool>, Failure> {
        let document = self.registry.document(KIND, &graph.hex())?;
        let document = document.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
        Ok(document.and_then(|document| document["parts"].as_bool()))
    }

    /// Keeps whether a graph's weights are in files of their own.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn keep_in_parts(&self, graph: &Digest, parts: bool) -> Result<(), Failure> {
        Ok(self.registry.put_document(KIND, &graph.hex(), json!({ "parts": parts }).to_string().as_bytes())?)
    }

    /// Keeps the facts of a graph, where they are new.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn keep(&self, key: &Digest, facts: &Facts) -> Result<(), Failure> {
        let known = self.of(key)?;
        // A size that is measured a little differently is not worth a write.
        let near = |a: u64, b: u64| a.abs_diff(b) <= a.max(b) / 4;
        if known.is_some_and(|known| known.signature == facts.signature && near(known.bytes, facts.bytes)) {
            return Ok(());
        }
        let document = json!({
            "parts": self.is_in_parts(key)?.unwrap_or(false),
            "runtime": self.runtime,
            "platform": facts.platform,
            "bytes": facts.bytes,
            // What keeps calls apart; nothing where they may be merged.
            "unmerged": facts.batch.as_ref().err().map_or("", |reason| reason),
            "inputs": facts.signature.inputs.iter().map(written).collect::<Vec<_>>(),
            "outputs": facts.signature.outputs.iter().map(written).collect::<Vec<_>>(),
        });
        Ok(self.registry.put_document(KIND, &key.hex(), document.to_string().as_bytes())?)
    }

    fn read(&self, document: &[u8]) -> Option<Facts> {
        let document: Value = serde_json::from_slice(document).ok()?;
        if document["runtime"] != self.runtime.as_str() {
            return None;
        }
        let specs = |name: &str| document[name].as_array()?.iter().map(spec).collect::<Option<Vec<_>>>();
        Some(Facts {
            signature: Signature { inputs: specs("inputs")?, outputs: specs("outputs")? },
            platform: Devices::platform(document["platform"].as_str()?)?,
            bytes: document["bytes"].as_u64()?,
            batch: match document["unmerged"].as_str()? {
                "" => Ok(()),
                reason => Err(reason.into()),
            },
        })
    }

    /// Writes down when graphs were used, where it changed. Blocks.
    pub(crate) fn note_use(&self, memory: &MemorySnapshot) {
        let wall = self.clock.wall().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let now: HashMap<String, u64> = memory
            .graphs
            .iter()
            .filter_map(|graph| Some((graph.key.hex(), wall.saturating_sub(graph.idle?.as_secs()))))
            .collect();
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        // Graphs that no deployment uses are forgotten here; those that were not called since the start keep their time.
        let keys: HashSet<String> = memory.graphs.iter().map(|graph| graph.key.hex()).collect();
        let mut next: HashMap<String, u64> = used.clone();
        next.retain(|key, _| keys.contains(key));
        for (key, at) in now {
            let known = next.entry(key).or_default();
            *known = at.max(*known);
        }
        if *used == next {
            return;
        }
        match self.registry.put_document(USE, ALL, json!(next).to_string().as_bytes()) {
            Ok(()) => *used = next,
            Err(error) => tracing::warn!(%error, "when models were used could not be written down"),
        }
    }

    /// Writes down what was used, again and again.
    pub(crate) async fn follow(self: Arc<Self>, memory: Arc<DeviceMemory>) {
        loop {
            tokio::time::sleep(INTERVAL).await;
            let (this, memory) = (Arc::clone(&self), Arc::clone(&memory));
            let written = tokio::task::spawn_blocking(move || this.note_use(&memory.snapshot()));
            if written.await.is_err() {
                return;
            }
        }
    }

    /// Forgets graphs whose content is gone.
    ///
    /// # Errors
    /// Those of the registry.
    pub(crate) fn tidy(&self) -> Result<(), Failure> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for (key, _) in self.registry.documents(KIND)? {
            let digest = format!("sha256:{key}").parse::<Digest>();
            let stored = digest.is_ok_and(|digest| self.registry.blob_size(&digest).is_ok_and(|size| size.is_some()));
            // A graph in parts is no stored content; it counts as long as a deployment uses it.
            if !stored && !used.contains_key(&key) {
                self.registry.delete_document(KIND, &key)?;
            }
        }
        Ok(())
    }
}

fn written(spec: &TensorSpec) -> Value {
    json!({ "name": &*spec.name, "dtype": spec.dtype.name(), "shape": spec.shape })
}

fn spec(written: &Value) -> Option<TensorSpec> {
    Some(TensorSpec {
        name: written["name"].as_str()?.into(),
        dtype: DType::from_name(written["dtype"].as_str()?)?,
        shape: written["shape"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?,
    })
}

fn read_used(document: &[u8]) -> HashMap<String, u64> {
    serde_json::from_slice(document).unwrap_or_default()
}
