//! Collected data: what services take in and answer, and what scorers record, in dated files of CSV or Parquet.
//!
//! `<folder>/modeldata/<service>/<model>/<model version>/<designation>/YYYY/MM/DD/data.csv`, days in UTC, laid out as Azure's
//! collector does (<https://learn.microsoft.com/python/api/azureml-monitoring/>). Whoever records never waits: a record that
//! finds the queue full is dropped and counted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use scorehost_core::{Clock, Collector, ServiceName, ServiceSpec};

mod date;
mod layout;
mod part;
mod record;
mod redact;
pub(crate) mod sample;
mod service;
mod store;
mod table;
mod tail;
mod upload;

/// Bytes of a CSV file up to and with its last whole record; what is behind is what a crash cut off.
#[must_use]
pub fn whole_records(file: &[u8]) -> u64 {
    let mut tail = tail::Tail::default();
    tail.feed(file);
    tail.whole()
}

use record::Record;
pub use service::ServiceCollector;
use store::{Busy, Store};
use upload::Uploader;
pub use upload::{Destination, UploadCounts};

/// Time between two looks for files that have been open for too long.
const TICK: Duration = Duration::from_secs(1);

/// Longest wait for the last files to be uploaded when the host stops.
const LAST_UPLOADS: Duration = Duration::from_secs(10);

/// Why data cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The folder cannot be made, or the writing thread did not start.
    #[error("collected data cannot be written: {0}")]
    Start(#[from] std::io::Error),
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
    /// Bytes of tensors, bodies and documents that wait to be written.
    pub max_queued_bytes: usize,
    /// Bytes of one record; larger ones are dropped.
    pub max_record_bytes: usize,
    /// Bytes of one file, after which the next is begun.
    pub max_file_bytes: u64,
    /// Designations that one service's scorer may use.
    pub max_designations: usize,
    /// Files held open.
    pub max_open_files: usize,
    /// How long a Parquet file is written before it is finished and can be read; what a crash costs at most.
    pub parquet_after: Duration,
    /// How long any file is written before it is finished, so that it can be uploaded; `None` where nothing is uploaded.
    pub rotate_after: Option<Duration>,
}

impl Default for CollectorConfig {
    /// 10,000 records and 64 MiB waiting, 4 MiB a record, 64 MiB a file, 32 designations, 64 open files, Parquet for a minute.
    fn default() -> Self {
        Self {
            max_queued: 10_000,
            max_queued_bytes: 64 << 20,
            max_record_bytes: 4 << 20,
            max_file_bytes: 64 << 20,
            max_designations: 32,
            max_open_files: 64,
            parquet_after: Duration::from_secs(60),
            rotate_after: None,
        }
    }
}

/// What became of the records of a service so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectorCounts {
    /// Written to a file.
    pub written: u64,
    /// Dropped: the queue was full, there were too many designations or layouts, or the record is too large.
    pub dropped: u64,
    /// Lost to an error of the file system, or not valid JSON.
    pub failed: u64,
    /// Bytes of files.
    pub bytes: u64,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    bytes: AtomicU64,
}

impl Counters {
    fn dropped(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    fn snapshot(&self) -> CollectorCounts {
        CollectorCounts {
            written: self.written.load(Relaxed),
            dropped: self.dropped.load(Relaxed),
            failed: self.failed.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
        }
    }
}

enum Message {
    Record(Box<Record>),
    Flush(mpsc::Sender<()>),
}

/// Writes the records of all services on one background thread.
pub struct DataCollector {
    queue: Option<SyncSender<Message>>,
    counters: Mutex<BTreeMap<ServiceName, Arc<Counters>>>,
    queued_bytes: Arc<AtomicUsize>,
    config: CollectorConfig,
    clock: Arc<dyn Clock>,
    writer: Mutex<Option<JoinHandle<()>>>,
    uploader: Option<Uploader>,
}

impl DataCollector {
    /// Starts the writer of the files below `<folder>/modeldata`.
    ///
    /// # Errors
    /// When the thread does not start.
    pub fn start(folder: PathBuf, config: CollectorConfig, clock: Arc<dyn Clock>) -> Result<Arc<Self>, TelemetryError> {
        Self::start_with(folder, config, clock, None)
    }

    /// The same, sending finished files to an object store. They are finished at intervals of `config.rotate_after`, a minute
    /// where it says nothing.
    ///
    /// # Errors
    /// When a thread does not start.
    pub fn uploading(
        folder: PathBuf,
        mut config: CollectorConfig,
        clock: Arc<dyn Clock>,
        to: Destination,
    ) -> Result<Arc<Self>, TelemetryError> {
        config.rotate_after.get_or_insert(Duration::from_secs(60));
        Self::start_with(folder, config, clock, Some(to))
    }

    fn start_with(
        folder: PathBuf,
        config: CollectorConfig,
        clock: Arc<dyn Clock>,
        to: Option<Destination>,
    ) -> Result<Arc<Self>, TelemetryError> {
        let (queue, records) = sync_channel(config.max_queued);
        let (busy, root) = (Busy::default(), folder.join("modeldata"));
        let store = Store::open(root.clone(), config, Arc::clone(&clock), Arc::clone(&busy))?;
        let queued_bytes = Arc::new(AtomicUsize::new(0));
        let mut writer = Writer { store, queued_bytes: Arc::clone(&queued_bytes), ticked: Instant::now() };
        let writer = std::thread::Builder::new().name("collector".into()).spawn(move || writer.work(&records))?;
        let every = config.rotate_after.unwrap_or(TICK).min(Duration::from_secs(10));
        let uploader = to.map(|to| Uploader::start(root, to, every, busy)).transpose()?;
        Ok(Arc::new(Self {
            queue: Some(queue),
            counters: Mutex::default(),
            queued_bytes,
            config,
            clock,
            writer: Mutex::new(Some(writer)),
            uploader,
        }))
    }

    /// The collector of a version; `None` where its deployment collects nothing.
    pub fn service(self: &Arc<Self>, spec: &ServiceSpec) -> Option<Arc<ServiceCollector>> {
        let asked = spec.collection.clone()?;
        Some(Arc::new(ServiceCollector::new(Arc::clone(self), spec, asked)))
    }

    /// What a scorer's records go to; it ignores everything where there is no collector.
    #[must_use]
    pub fn of_scorer(service: Option<&Arc<ServiceCollector>>) -> Arc<dyn Collector> {
        service.map_or_else(|| Arc::new(service::Nothing) as _, |service| Arc::clone(service) as _)
    }

    /// What became of each service's records so far.
    #[must_use]
    pub fn counts(&self) -> Vec<(ServiceName, CollectorCounts)> {
        self.counters.lock().iter().map(|(service, counters)| (service.clone(), counters.snapshot())).collect()
    }

    /// What became of finished files; `None` where they stay.
    #[must_use]
    pub fn uploads(&self) -> Option<UploadCounts> {
        self.uploader.as_ref().map(Uploader::counts)
    }

    /// Blocks until every record accepted before is in a finished file, and a while for those to be uploaded.
    pub fn flush(&self) {
        let (done, finished) = mpsc::channel();
        if let Some(queue) = &self.queue
            && queue.send(Message::Flush(done)).is_ok()
        {
            // An error means that the writer is gone, and with it everything it could have written.
            let _ = finished.recv();
        }
        if let Some(uploader) = &self.uploader {
            uploader.flush(LAST_UPLOADS);
        }
    }

    fn counters_of(&self, service: &ServiceName) -> Arc<Counters> {
        Arc::clone(self.counters.lock().entry(service.clone()).or_default())
    }

    /// Queues a record, or drops and counts it.
    fn submit(&self, record: Record) {
        let (bytes, place) = (record.bytes(), Arc::clone(&record.place));
        let fits = bytes <= self.config.max_record_bytes && self.reserve(bytes);
        let sent = match &self.queue {
            Some(queue) if fits => queue.try_send(Message::Record(Box::new(record))),
            _ => return place.counters.dropped(),
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = sent {
            self.queued_bytes.fetch_sub(bytes, Relaxed);
            place.counters.dropped();
        }
    }

    fn reserve(&self, bytes: usize) -> bool {
        if self.queued_bytes.fetch_add(bytes, Relaxed) + bytes <= self.config.max_queued_bytes {
            return true;
        }
        self.queued_bytes.fetch_sub(bytes, Relaxed);
        false
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

/// The background thread.
struct Writer {
    store: Store,
    queued_bytes: Arc<AtomicUsize>,
    ticked: Instant,
}

impl Writer {
    fn work(&mut self, messages: &Receiver<Message>) {
        loop {
            match messages.recv_timeout(TICK) {
                Ok(Message::Record(record)) => {
                    self.store.record(&record);
                    self.queued_bytes.fetch_sub(record.bytes(), Relaxed);
                }
                Ok(Message::Flush(done)) => {
                    self.store.finish_all();
                    // Whoever asked may have gone.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.store.finish_all(),
            }
            if self.ticked.elapsed() >= TICK {
                self.ticked = Instant::now();
                self.store.tick();
            }
        }
    }
}

#[cfg(test)]
mod tests;
