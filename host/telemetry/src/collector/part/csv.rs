//! Comma-separated values: appended a record at a time, so that a crash costs at most the record under way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::super::table::Table;
use super::super::tail::Tail;
use super::{file_name, numbers};

/// Parts that are looked at for one that can be gone on with.
const LOOKED_AT: usize = 16;

pub(in super::super) struct CsvPart {
    file: File,
    pub(super) bytes: u64,
}

impl CsvPart {
    /// Goes on with the newest file of the folder that has this header and room, or begins another; `None` begins another in
    /// any case. Returns the path and the bytes that were there before, after what a crash left was cut off.
    pub(in super::super) fn open(folder: &Path, table: &Table, room: Option<u64>) -> io::Result<(Self, PathBuf)> {
        let header = header(table)?;
        let known = numbers(folder, "csv")?;
        if let Some(max) = room {
            for number in known.iter().rev().take(LOOKED_AT) {
                let path = folder.join(file_name(*number, "csv"));
                if let Some(part) = go_on(&path, &header, max)? {
                    return Ok((part, path));
                }
            }
        }
        let path = folder.join(file_name(known.last().map_or(0, |last| last + 1), "csv"));
        let mut file = OpenOptions::new().create_new(true).append(true).open(&path)?;
        file.write_all(&header)?;
        Ok((Self { file, bytes: header.len() as u64 }, path))
    }

    pub(super) fn write(&mut self, table: &Table) -> io::Result<u64> {
        let mut writer = csv::Writer::from_writer(Vec::with_capacity(256));
        for row in &table.rows {
            let fields = row.iter().zip(&table.columns).map(|(cell, column)| cell.text(column.kind));
            writer.write_record(fields)?;
        }
        let rows = writer.into_inner().map_err(|error| io::Error::other(error.to_string()))?;
        // One write for a record's rows: a crash cuts at most these.
        self.file.write_all(&rows)?;
        self.bytes += rows.len() as u64;
        Ok(rows.len() as u64)
    }

    pub(super) fn finish(self) -> io::Result<u64> {
        self.file.sync_data()?;
        Ok(0)
    }
}

fn header(table: &Table) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(table.columns.iter().map(|column| &column.name))?;
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

/// Opens a file to go on with, and cuts off what is behind its last whole record.
fn go_on(path: &Path, header: &[u8], max: u64) -> io::Result<Option<CsvPart>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut first = vec![0; header.len()];
    if file.metadata()?.len() >= max || file.read_exact(&mut first).is_err() || first != header {
        return Ok(None);
    }
    let whole = whole_records(&mut file)?;
    file.set_len(whole)?;
    file.seek(SeekFrom::End(0))?;
    Ok(Some(CsvPart { file, bytes: whole }))
}

fn whole_records(file: &mut File) -> io::Result<u64> {
    let mut tail = Tail::default();
    let mut chunk = vec![0; 64 << 10];
    file.rewind()?;
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(tail.whole()),
            read => tail.feed(&chunk[..read]),
        }
    }
}
