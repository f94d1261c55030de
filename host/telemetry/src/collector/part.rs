//! One file of collected data while it is written: what is in it is never half a record once the process has started again.

use std::io;
use std::path::Path;

use super::table::Table;

mod csv;
mod parquet;

pub(super) use csv::CsvPart;
pub(super) use parquet::ParquetPart;

/// A file under way. It ends when it is dropped; [`Part::finish`] says whether that worked.
pub(super) enum Part {
    Csv(CsvPart),
    Parquet(Box<ParquetPart>),
}

impl Part {
    /// Writes rows of the layout that the file was begun with; the bytes that the file grew by.
    pub(super) fn write(&mut self, table: &Table) -> io::Result<u64> {
        match self {
            Self::Csv(part) => part.write(table),
            Self::Parquet(part) => part.write(table),
        }
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Csv(part) => part.bytes,
            Self::Parquet(part) => part.bytes(),
        }
    }

    /// Puts everything on disk and gives the file its own name; the bytes that it grew by.
    pub(super) fn finish(self) -> io::Result<u64> {
        match self {
            Self::Csv(part) => part.finish(),
            Self::Parquet(part) => part.finish(),
        }
    }
}

/// `data.csv`, `data-1.csv`, …
pub(super) fn file_name(number: u32, extension: &str) -> String {
    if number == 0 { format!("data.{extension}") } else { format!("data-{number}.{extension}") }
}

/// The numbers of the parts in a folder, finished or not, in order.
pub(super) fn numbers(folder: &Path, extension: &str) -> io::Result<Vec<u32>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        numbers.extend(name.to_str().and_then(|name| number(name, extension)));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
}

fn number(name: &str, extension: &str) -> Option<u32> {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    // The mark of an uploaded file keeps its number from being used again after the file itself has gone.
    let marked = name.strip_prefix('.').and_then(|name| name.strip_suffix(super::upload::MARK));
    let name = marked.unwrap_or(name);
    let stem = name.strip_prefix("data")?.strip_suffix(extension)?.strip_suffix('.')?;
    if stem.is_empty() { Some(0) } else { stem.strip_prefix('-')?.parse().ok() }
}

/// What stands behind the name of a file that cannot be read yet.
pub(super) const UNFINISHED: &str = ".unfinished";
