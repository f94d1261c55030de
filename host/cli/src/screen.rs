//! Where results and messages go.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Standard output and standard error of one command. Only results go to the former.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    format: Format,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write, format: Format) -> Self {
        Self { out, err, format }
    }

    /// Prints `value` as JSON, or what `table` makes of it.
    pub(crate) fn result<T: Serialize>(&mut self, value: &T, table: impl FnOnce(&T) -> String) -> io::Result<()> {
        match self.format {
            Format::Json => {
                serde_json::to_writer_pretty(&mut *self.out, value)?;
                writeln!(self.out)
            }
            Format::Table => writeln!(self.out, "{}", table(value)),
        }
    }

    /// Whether results are for people.
    pub(crate) fn is_table(&self) -> bool {
        self.format == Format::Table
    }

    /// Writes a result's bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// The writer of results, for what streams.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        self.out
    }

    /// A line beside the result; lost where nobody reads it.
    pub(crate) fn note(&mut self, line: &str) {
        let _ = writeln!(self.err, "{line}");
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A list with a header.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = bare();
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    trimmed(&table)
}

/// Names and values of one thing; empty values are left out.
pub(crate) fn sheet(rows: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = bare();
    table.add_rows(
        rows.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| [name.to_owned(), value]),
    );
    trimmed(&table)
}

fn bare() -> Table {
    let mut table = Table::new();
    // Never wrapped: a line is a record, for people and for grep.
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.to_string().lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

/// Bytes in binary units: `1.5 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Unix seconds as `2026-11-23 10:45:00Z`; empty for 0.
pub(crate) fn time(seconds: u64) -> String {
    if seconds == 0 {
        return String::new();
    }
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.unwrap_or(jiff::Timestamp::MAX).strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil_dates() {
        for (seconds, expected) in [
            (0, ""),
            (1, "1970-01-01 00:00:01Z"),
            (951_782_400, "2000-02-29 00:00:00Z"),
            (1_798_761_599, "2026-12-31 23:59:59Z"),
            (4_107_542_400, "2100-03-01 00:00:00Z"),
        ] {
            assert_eq!(time(seconds), expected);
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        for (bytes, expected) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 30, "5.0 GiB")] {
            assert_eq!(size(bytes), expected);
        }
    }
}
