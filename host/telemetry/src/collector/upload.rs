//! Finished files on their way to an object store: each is sent once, and marked beside itself when it has arrived.
//!
//! What waits is what is on disk, so that the backlog is bounded by each service's `max_bytes` and survives a restart.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use parking_lot::Mutex;

use super::part::UNFINISHED;
use super::store::{Busy, files};

/// Longest time of one file, the store's own repetitions included.
const LONGEST: Duration = Duration::from_secs(120);
/// Longest pause between two looks while files cannot be sent.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Where finished files are sent.
#[derive(Clone, Debug)]
pub struct Destination {
    store: Arc<dyn ObjectStore>,
    prefix: Key,
    shown: String,
}

impl Destination {
    /// The place of an URL: `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix` or `file:///folder`.
    /// Credentials and endpoints are the variables that `object_store`'s builders know, such as `AWS_ACCESS_KEY_ID`.
    ///
    /// # Errors
    /// What is wrong with the URL or the variables.
    pub fn new(url: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, String> {
        let parsed = reqwest::Url::parse(url).map_err(|error| error.to_string())?;
        if parsed.scheme() == "file" {
            let folder =
                parsed.to_file_path().map_err(|()| "a file URL has three slashes: file:///folder".to_owned())?;
            std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        }
        if !["s3", "az", "gs", "file"].contains(&parsed.scheme()) {
            return Err(format!("'{}' is none of s3, az, gs, file", parsed.scheme()));
        }
        // The store's client looks for a process-wide provider, and panics where there is none.
        crate::otlp::use_ring();
        // Other variables are none of the store's settings.
        let (store, prefix) = object_store::parse_url_opts(&parsed, variables).map_err(|error| error.to_string())?;
        Ok(Self { store: store.into(), prefix, shown: url.to_owned() })
    }

    #[cfg(test)]
    pub(super) fn of_store(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, prefix: Key::from("prefix"), shown: "memory".to_owned() }
    }
}

/// What became of files so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadCounts {
    /// Files that arrived.
    pub sent: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Files that wait.
    pub waiting: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
}

/// The thread that sends files.
pub(super) struct Uploader {
    counters: Arc<Counters>,
    /// Asks for a look at once, and for word of its end.
    asks: Mutex<Sender<Sender<()>>>,
    _thread: JoinHandle<()>,
}

impl Uploader {
    pub(super) fn start(root: PathBuf, to: Destination, every: Duration, busy: Busy) -> std::io::Result<Self> {
        let counters = Arc::new(Counters::default());
        let (asks, asked) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let courier = Courier { root, to, busy, counters: Arc::clone(&counters), runtime };
        let thread = std::thread::Builder::new().name("uploader".into()).spawn(move || courier.work(&asked, every))?;
        Ok(Self { counters, asks: Mutex::new(asks), _thread: thread })
    }

    /// Sends what is finished, and waits for it no longer than `longest`.
    pub(super) fn flush(&self, longest: Duration) {
        let (done, finished) = channel();
        if self.asks.lock().send(done).is_ok() {
            // What has not arrived by then is sent after the next start.
            let _ = finished.recv_timeout(longest);
        }
    }

    pub(super) fn counts(&self) -> UploadCounts {
        let Counters { sent, failed, waiting } = &*self.counters;
        UploadCounts { sent: sent.load(Relaxed), failed: failed.load(Relaxed), waiting: waiting.load(Relaxed) }
    }
}

struct Courier {
    root: PathBuf,
    to: Destination,
    busy: Busy,
    counters: Arc<Counters>,
    runtime: tokio::runtime::Runtime,
}

impl Courier {
    fn work(&self, asked: &Receiver<Sender<()>>, every: Duration) {
        let mut pause = every;
        loop {
            let done = match asked.recv_timeout(pause) {
                Ok(done) => Some(done),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            // A store that is away is asked less and less often.
            pause = if self.send_all() { every } else { (pause * 2).min(LONGEST_PAUSE).max(every) };
            done.into_iter().for_each(|done| _ = done.send(()));
        }
    }

    /// Sends every file that is finished and not marked; false where one could not be sent.
    fn send_all(&self) -> bool {
        let unsent = |path: &PathBuf| !mark(path).is_some_and(|mark| mark.exists());
        let finished =
            |path: &PathBuf| !path.to_string_lossy().ends_with(UNFINISHED) && !self.busy.lock().contains(path);
        let mut waiting: Vec<PathBuf> = files(&self.root).into_iter().map(|file| file.path).collect();
        waiting.retain(|path| finished(path) && unsent(path));
        waiting.sort();
        self.counters.waiting.store(waiting.len() as u64, Relaxed);
        for path in waiting {
            if let Err(cause) = self.send(&path) {
                self.counters.failed.fetch_add(1, Relaxed);
                tracing::warn!(file = %path.display(), to = self.to.shown, cause, "collected data could not be uploaded yet");
                return false;
            }
            self.counters.sent.fetch_add(1, Relaxed);
            self.counters.waiting.fetch_sub(1, Relaxed);
        }
        true
    }

    fn send(&self, path: &Path) -> Result<(), String> {
        let content = match std::fs::read(path) {
            // Too old, and removed since the look.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            read => read.map_err(|error| error.to_string())?,
        };
        let below = path.strip_prefix(&self.root).map_err(|error| error.to_string())?;
        let parts = self.to.prefix.parts().chain([object_store::path::PathPart::from("modeldata")]);
        let key: Key = parts.chain(below.iter().map(|part| part.to_string_lossy().into_owned().into())).collect();
        let put = self
            .runtime
            .block_on(async { tokio::time::timeout(LONGEST, self.to.store.put(&key, content.into())).await });
        put.map_err(|_| "it took too long".to_owned())?.map_err(|error| error.to_string())?;
        let mark = mark(path).ok_or("a file without a name")?;
        std::fs::write(mark, []).map_err(|error| error.to_string())
    }
}

/// The file whose existence says that this one has arrived.
fn mark(path: &Path) -> Option<PathBuf> {
    Some(path.with_file_name(format!(".{}{MARK}", path.file_name()?.to_str()?)))
}

/// What stands behind the name of a mark.
pub(super) const MARK: &str = ".sent";

/// Removes the marks of a folder whose day is over, and whose files are gone.
pub(super) fn forget(folder: &Path) {
    if !files(folder).is_empty() {
        return;
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().ends_with(MARK) {
            // A mark that stays keeps its folder, and no more.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<Destination, String> {
        let variable = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let variables = [
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "eu-central-1"),
            ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
            ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0"),
            ("PATH", "/bin"),
        ];
        Destination::new(url, variables.map(variable))
    }

    #[test]
    fn every_kind_of_store_is_built_from_its_url_and_variables() {
        for url in ["s3://bucket/a/b", "az://container/a/b", "gs://bucket/a/b"] {
            let place = place(url).map(|place| place.prefix);
            assert_eq!(place, Ok(Key::from("a/b")), "{url}");
        }
    }

    #[test]
    fn other_places_are_refused() {
        for url in ["ftp://host/a", "https://host/a", "bucket/a", "memory:///a", "file://host/a"] {
            assert!(place(url).is_err(), "{url}");
        }
    }
}
