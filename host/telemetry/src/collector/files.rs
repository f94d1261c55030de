//! The files, on the writer's thread.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::date::Moment;
use super::record::Record;
use super::{CollectorConfig, Counters, Message};

struct Open {
    day: u64,
    file: File,
    bytes: u64,
}

/// Open files by `<service>/<version>/<designation>`.
pub(super) struct Files {
    folder: PathBuf,
    config: CollectorConfig,
    counters: Arc<Counters>,
    open: HashMap<String, Open>,
}

impl Files {
    pub(super) fn new(folder: PathBuf, config: CollectorConfig, counters: Arc<Counters>) -> Self {
        Self { folder, config, counters, open: HashMap::new() }
    }

    pub(super) fn handle(&mut self, message: Message) {
        match message {
            Message::Record(record) => self.record(&record),
            Message::Flush(done) => {
                // Lines go to the file at once; whoever asked may have gone.
                let _ = done.send(());
            }
        }
    }

    fn record(&mut self, record: &Record) {
        let counter = match self.write(record) {
            Ok(true) => &self.counters.written,
            Ok(false) => &self.counters.dropped,
            Err(error) => {
                tracing::warn!(folder = record.folder, %error, "collected data was lost");
                self.open.remove(&record.folder);
                &self.counters.failed
            }
        };
        counter.fetch_add(1, Relaxed);
        self.counters.queued_bytes.fetch_sub(record.bytes(), Relaxed);
    }

    /// Appends the record's line; false when the day's file is full.
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let line = record.line()?;
        let max = self.config.max_file_bytes;
        let open = self.file(record)?;
        if open.bytes + line.len() as u64 > max {
            return Ok(false);
        }
        // One write per line: a crash cuts at most the last one.
        open.file.write_all(&line)?;
        open.bytes += line.len() as u64;
        Ok(true)
    }

    fn file(&mut self, record: &Record) -> io::Result<&mut Open> {
        let moment = Moment::of(record.time);
        let current = self.open.get(&record.folder).is_some_and(|open| open.day == moment.day);
        if !current {
            if self.open.len() >= self.config.max_open_files {
                // Files are cheap to open again; which ones stay open does not matter.
                self.open.clear();
            }
            let open = self.open(record, moment)?;
            self.open.insert(record.folder.clone(), open);
        }
        self.open.get_mut(&record.folder).ok_or_else(|| io::Error::other("the file just opened is not there"))
    }

    fn open(&self, record: &Record, moment: Moment) -> io::Result<Open> {
        let folder = self.folder.join(&record.folder).join(moment.folder());
        std::fs::create_dir_all(&folder)?;
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(folder.join("data.jsonl"))?;
        let bytes = file.metadata()?.len();
        if bytes > 0 && !ends_with_newline(&mut file)? {
            // A crash left half a line: it must not spoil the next one.
            file.write_all(b"\n")?;
        }
        Ok(Open { day: moment.day, file, bytes })
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
