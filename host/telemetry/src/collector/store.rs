//! The files of all services, on the writer's thread: which are open, when they end, and which go when there are too many.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Instant, SystemTime};

use parking_lot::Mutex;
use scorehost_core::{Clock, CollectionFormat, ServiceName};

use super::date::Moment;
use super::part::{CsvPart, ParquetPart, Part, UNFINISHED};
use super::record::Record;
use super::table::Table;
use super::upload;
use super::{CollectorConfig, Counters};
use crate::recorder::make_private;

/// Parts of a service's `max_bytes` that one file may take, so that the oldest data can go without the newest.
const PARTS_OF_CAP: u64 = 8;
/// Layouts of one designation that are open at once.
const MAX_LAYOUTS: usize = 32;

/// Files that are being written, so that nothing else touches them.
pub(super) type Busy = Arc<Mutex<BTreeSet<PathBuf>>>;

/// Where a table's rows belong.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    /// `<service>/<model>/<model version>/<designation>`.
    folder: String,
    layout: u64,
    parquet: bool,
}

struct Open {
    service: ServiceName,
    counters: Arc<Counters>,
    day: u64,
    begun: Instant,
    path: PathBuf,
    part: Part,
}

/// Open files by where their rows belong.
pub(super) struct Store {
    root: PathBuf,
    config: CollectorConfig,
    clock: Arc<dyn Clock>,
    open: HashMap<Key, Open>,
    /// Bytes of each service's files.
    usage: HashMap<ServiceName, u64>,
    busy: Busy,
}

impl Store {
    /// Files below `root`. What a crash left unfinished is removed: it has no end and cannot be read.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub(super) fn open(root: PathBuf, config: CollectorConfig, clock: Arc<dyn Clock>, busy: Busy) -> io::Result<Self> {
        make_private(&root)?;
        for file in files(&root) {
            if file.path.to_string_lossy().ends_with(UNFINISHED) {
                tracing::warn!(file = %file.path.display(), bytes = file.bytes, "collected data of a crash was discarded");
                // Tried again at the next start.
                let _ = std::fs::remove_file(&file.path);
            }
        }
        Ok(Self { root, config, clock, open: HashMap::new(), usage: HashMap::new(), busy })
    }

    /// Writes a record and counts what became of it.
    pub(super) fn record(&mut self, record: &Record) {
        let counters = &record.place.counters;
        let Some(table) = record.table() else {
            counters.failed.fetch_add(1, Relaxed);
            return;
        };
        match self.write(record, &table) {
            Ok(Some(grown)) => {
                counters.written.fetch_add(1, Relaxed);
                counters.bytes.fetch_add(grown, Relaxed);
            }
            Ok(None) => counters.dropped(),
            Err(error) => {
                tracing::warn!(service = %record.place.service, %error, "collected data was lost");
                self.abandon(&record.place.service);
                counters.failed.fetch_add(1, Relaxed);
            }
        }
    }

    /// The bytes that files grew by; `None` where there is no room.
    fn write(&mut self, record: &Record, table: &Table) -> io::Result<Option<u64>> {
        let place = &record.place;
        let moment = Moment::of(record.time);
        let parquet = place.format == CollectionFormat::Parquet;
        let key = Key { folder: place.folder(&record.designation), layout: table.layout(), parquet };
        let largest = self.config.max_file_bytes.min(place.max_bytes / PARTS_OF_CAP);
        let ended = |open: &Open| open.day != moment.day || open.part.bytes() >= largest;
        if self.open.get(&key).is_some_and(ended) {
            self.finish(&key)?;
        }
        if !self.open.contains_key(&key) && !self.begin(&key, record, table, largest)? {
            return Ok(None);
        }
        let open = self.open.get_mut(&key).ok_or_else(|| io::Error::other("the file just opened is not there"))?;
        let grown = open.part.write(table)?;
        self.grew(&place.service, grown, place.max_bytes)?;
        Ok(Some(grown))
    }

    /// Opens a file; false where a designation has too many layouts.
    fn begin(&mut self, key: &Key, record: &Record, table: &Table, largest: u64) -> io::Result<bool> {
        if self.open.keys().filter(|open| open.folder == key.folder).count() >= MAX_LAYOUTS {
            return Ok(false);
        }
        if self.open.len() >= self.config.max_open_files {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.begun).map(|(key, _)| key.clone());
            oldest.map(|key| self.finish(&key)).transpose()?;
        }
        let moment = Moment::of(record.time);
        let folder = self.root.join(&key.folder).join(moment.folder());
        std::fs::create_dir_all(&folder)?;
        let (service, counters) = (record.place.service.clone(), Arc::clone(&record.place.counters));
        // Counted before the file is there, so that its bytes are not counted twice.
        self.used(&service);
        let (part, path) = if key.parquet {
            let (part, path) = ParquetPart::create(&folder, table)?;
            (Part::Parquet(Box::new(part)), path)
        } else {
            // A file that was uploaded must not change, so that none is gone on with where files are uploaded.
            let room = self.config.rotate_after.is_none().then_some(largest);
            let (part, path) = CsvPart::open(&folder, table, room)?;
            (Part::Csv(part), path)
        };
        self.busy.lock().insert(path.clone());
        self.open.insert(key.clone(), Open { service, counters, day: moment.day, begun: self.clock.now(), path, part });
        Ok(true)
    }

    fn finish(&mut self, key: &Key) -> io::Result<()> {
        let Some(Open { service, counters, path, part, .. }) = self.open.remove(key) else { return Ok(()) };
        let finished = part.finish();
        self.busy.lock().remove(&path);
        let grown = finished?;
        counters.bytes.fetch_add(grown, Relaxed);
        self.usage.get_mut(&service).into_iter().for_each(|used| *used += grown);
        Ok(())
    }

    /// Ends every file.
    pub(super) fn finish_all(&mut self) {
        self.finish_where(|_| true);
    }

    /// Ends files that have been open for long, so that what is in them can be read or uploaded, and those of former days.
    pub(super) fn tick(&mut self) {
        let (now, today) = (self.clock.now(), Moment::of(self.clock.wall()).day);
        let (csv, parquet) = (self.config.rotate_after, self.config.rotate_after.unwrap_or(self.config.parquet_after));
        self.finish_where(|(key, open)| {
            let longest = if key.parquet { Some(parquet) } else { csv };
            open.day < today || longest.is_some_and(|longest| now.saturating_duration_since(open.begun) >= longest)
        });
    }

    fn finish_where(&mut self, ended: impl Fn(&(&Key, &Open)) -> bool) {
        let keys: Vec<Key> = self.open.iter().filter(ended).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Err(error) = self.finish(&key) {
                tracing::warn!(folder = key.folder, %error, "collected data was lost");
            }
        }
    }

    /// Gives up the open files of a service after an error.
    fn abandon(&mut self, service: &ServiceName) {
        let mut busy = self.busy.lock();
        self.open.retain(|_, open| open.service != *service || !busy.remove(&open.path));
        self.usage.remove(service);
    }

    fn used(&mut self, service: &ServiceName) -> &mut u64 {
        let folder = self.root.join(service.as_str());
        self.usage.entry(service.clone()).or_insert_with(|| files(&folder).iter().map(|file| file.bytes).sum())
    }

    /// Counts bytes, and removes the oldest files of the service where they have become too many.
    fn grew(&mut self, service: &ServiceName, bytes: u64, max: u64) -> io::Result<()> {
        let used = self.used(service);
        *used += bytes;
        if *used <= max {
            return Ok(());
        }
        if self.remove_oldest(service, max)? > max {
            let keys: Vec<Key> =
                self.open.iter().filter(|(_, open)| open.service == *service).map(|(key, _)| key.clone()).collect();
            keys.iter().try_for_each(|key| self.finish(key))?;
            self.remove_oldest(service, max)?;
        }
        Ok(())
    }

    /// Removes files that are not being written until the rest is at most `max` bytes; the bytes that are left.
    fn remove_oldest(&mut self, service: &ServiceName, max: u64) -> io::Result<u64> {
        let mut all = files(&self.root.join(service.as_str()));
        all.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
        let mut left: u64 = all.iter().map(|file| file.bytes).sum();
        let today = Moment::of(self.clock.wall()).folder();
        for file in all {
            if left <= max {
                break;
            }
            if file.path.to_string_lossy().ends_with(UNFINISHED) || self.busy.lock().contains(&file.path) {
                continue;
            }
            std::fs::remove_file(&file.path)?;
            left -= file.bytes;
            remove_empty(&file.path, &self.root, &today);
        }
        self.usage.insert(service.clone(), left);
        Ok(left)
    }
}

/// A file of collected data.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) modified: SystemTime,
}

/// All files below a folder but hidden ones; what cannot be read is not there.
pub(super) fn files(folder: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if !entry.file_name().to_string_lossy().starts_with('.') {
                let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push(Found { path: entry.path(), bytes: metadata.len(), modified });
            }
        }
    }
    found
}

/// Removes the folders that a removed file leaves empty. Marks of uploaded files stay for the day: their names are not used again.
fn remove_empty(file: &Path, root: &Path, today: &str) {
    let Some(folder) = file.parent() else { return };
    if folder.ends_with(today) {
        return;
    }
    upload::forget(folder);
    // A folder that is not empty stays.
    for folder in folder.ancestors().take_while(|folder| *folder != root) {
        if std::fs::remove_dir(folder).is_err() {
            return;
        }
    }
}
