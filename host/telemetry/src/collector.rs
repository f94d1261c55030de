//! Collected data: what scorers record of their inputs and outputs, in dated JSON-lines files.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use scorehost_core::{Clock, Collector, ServiceName};

mod date;
mod files;
mod record;
mod service;

use files::Files;
use record::Record;
use service::ServiceCollector;

/// Why data cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The writing thread did not start.
    #[error("the thread that writes collected data did not start: {0}")]
    Thread(#[from] std::io::Error),
}

impl From<TelemetryError> for scorehost_core::Failure {
    fn from(error: TelemetryError) -> Self {
        Self::internal(error)
    }
}

/// Bounds of data collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CollectorConfig {
    /// Records that wait to be written.
    pub max_queued: usize,
    /// Bytes of tensors and documents that wait to be written.
    pub max_queued_bytes: usize,
    /// Bytes of one tensor or document; larger ones are dropped.
    pub max_record_bytes: usize,
    /// Bytes of one file, that is of one designation in one day.
    pub max_file_bytes: u64,
    /// Designations that one service may use.
    pub max_designations: usize,
    /// Files held open.
    pub max_open_files: usize,
}

impl Default for CollectorConfig {
    /// 10,000 records and 64 MiB waiting, 4 MiB a record, 1 GiB a file, 32 designations, 64 open files.
    fn default() -> Self {
        Self {
            max_queued: 10_000,
            max_queued_bytes: 64 << 20,
            max_record_bytes: 4 << 20,
            max_file_bytes: 1 << 30,
            max_designations: 32,
            max_open_files: 64,
        }
    }
}

/// What became of the records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectorCounts {
    /// Written to a file.
    pub written: u64,
    /// Dropped: the queue, a file or the number of designations was full, or the record too large.
    pub dropped: u64,
    /// Lost to an error of the file system, or not valid JSON.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    queued_bytes: AtomicUsize,
}

enum Message {
    Record(Box<Record>),
    Flush(mpsc::Sender<()>),
}

/// Writes the records of all services on one background thread.
pub struct DataCollector {
    queue: Option<SyncSender<Message>>,
    counters: Arc<Counters>,
    config: CollectorConfig,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl DataCollector {
    /// Starts the writer of `<folder>/<service>/<version>/<designation>/YYYY/MM/DD/data.jsonl` (days in UTC).
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start(folder: PathBuf, config: CollectorConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TelemetryError> {
        let (queue, records) = sync_channel(config.max_queued);
        let counters = Arc::new(Counters::default());
        let mut files = Files::new(folder, config, Arc::clone(&counters));
        let write = move || records.iter().for_each(|message| files.handle(message));
        let writer = std::thread::Builder::new().name("collector".into()).spawn(write)?;
        Ok(Arc::new(Self { queue: Some(queue), counters, config, clock, writer: Mutex::new(Some(writer)) }))
    }

    /// The collector of one version of one service; it ignores everything unless `enabled`.
    pub fn service(self: &Arc<Self>, service: &ServiceName, version: &str, enabled: bool) -> Arc<dyn Collector> {
        Arc::new(ServiceCollector::new(enabled.then(|| Arc::clone(self)), service, version))
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> CollectorCounts {
        CollectorCounts {
            written: self.counters.written.load(Relaxed),
            dropped: self.counters.dropped.load(Relaxed),
            failed: self.counters.failed.load(Relaxed),
        }
    }

    /// Blocks until every record accepted before is in its file.
    pub fn flush(&self) {
        let (done, finished) = mpsc::channel();
        if let Some(queue) = &self.queue
            && queue.send(Message::Flush(done)).is_ok()
        {
            // An error means that the writer is gone, and with it everything it could have written.
            let _ = finished.recv();
        }
    }

    /// Queues a record, or drops and counts it.
    fn submit(&self, record: Record) {
        let bytes = record.bytes();
        let fits = bytes <= self.config.max_record_bytes && self.reserve(bytes);
        let sent = match &self.queue {
            Some(queue) if fits => queue.try_send(Message::Record(Box::new(record))),
            _ => return self.drop_record(),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.counters.queued_bytes.fetch_sub(bytes, Relaxed);
            self.drop_record();
        }
    }

    fn reserve(&self, bytes: usize) -> bool {
        let queued = &self.counters.queued_bytes;
        if queued.fetch_add(bytes, Relaxed) + bytes <= self.config.max_queued_bytes {
            return true;
        }
        queued.fetch_sub(bytes, Relaxed);
        false
    }

    fn drop_record(&self) {
        self.counters.dropped.fetch_add(1, Relaxed);
    }
}

impl Drop for DataCollector {
    /// Writes what is queued before it returns.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.lock().take() {
            // A panic of the writer was reported when it happened.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests;
