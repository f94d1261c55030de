//! Apache Parquet: row groups under a temporary name; the file gets its own when it is complete, since it cannot be read before.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::super::table::{Cell, Column, Kind, Table};
use super::{UNFINISHED, file_name, numbers};

/// Rows, and bytes of rows, that make a row group.
const GROUP_ROWS: usize = 8192;
const GROUP_BYTES: usize = 4 << 20;

pub(in super::super) struct ParquetPart {
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    /// Rows of the next group.
    rows: Vec<Vec<Cell>>,
    row_bytes: usize,
    unfinished: PathBuf,
    path: PathBuf,
    counted: u64,
}

impl ParquetPart {
    /// Begins another file of the folder.
    pub(in super::super) fn create(folder: &Path, table: &Table) -> io::Result<(Self, PathBuf)> {
        let number = numbers(folder, "parquet")?.last().map_or(0, |last| last + 1);
        let path = folder.join(file_name(number, "parquet"));
        let unfinished = folder.join(format!("{}{UNFINISHED}", file_name(number, "parquet")));
        let schema = Arc::new(schema(&table.columns).map_err(io::Error::other)?);
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default()));
        let properties = Arc::new(properties.set_created_by("scorehost".to_owned()).build());
        let file = File::options().write(true).create_new(true).open(&unfinished)?;
        let writer = SerializedFileWriter::new(file, schema, properties).map_err(io::Error::other)?;
        let (columns, rows, row_bytes) = (table.columns.clone(), Vec::new(), 0);
        Ok((Self { writer, columns, rows, row_bytes, unfinished, path: path.clone(), counted: 0 }, path))
    }

    pub(super) fn write(&mut self, table: &Table) -> io::Result<u64> {
        self.row_bytes += table.rows.iter().flatten().map(Cell::bytes).sum::<usize>();
        self.rows.extend(table.rows.iter().cloned());
        if self.rows.len() >= GROUP_ROWS || self.row_bytes >= GROUP_BYTES {
            self.group().map_err(io::Error::other)?;
        }
        Ok(self.grown())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.writer.bytes_written() as u64 + self.row_bytes as u64
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.group().map_err(io::Error::other)?;
        self.writer.finish().map_err(io::Error::other)?;
        self.writer.inner().sync_data()?;
        std::fs::rename(&self.unfinished, &self.path)?;
        Ok(self.grown())
    }

    /// Bytes written since this was last asked.
    fn grown(&mut self) -> u64 {
        let written = self.writer.bytes_written() as u64;
        written.saturating_sub(std::mem::replace(&mut self.counted, written))
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let rows = std::mem::take(&mut self.rows);
        self.row_bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (index, column) in self.columns.iter().enumerate() {
            let cells = rows.iter().map(|row| &row[index]);
            write_column(&mut group, column.kind, cells)?;
        }
        group.close().map(|_| ())
    }
}

fn schema(columns: &[Column]) -> Result<Type, ParquetError> {
    let field = |column: &Column| {
        let (physical, logical) = types(column.kind);
        let builder = Type::primitive_type_builder(&column.name, physical);
        builder.with_repetition(Repetition::REQUIRED).with_logical_type(logical).build().map(Arc::new)
    };
    let fields = columns.iter().map(field).collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("records").with_fields(fields).build()
}

fn types(kind: Kind) -> (Physical, Option<LogicalType>) {
    match kind {
        Kind::Bool => (Physical::BOOLEAN, None),
        Kind::Int(bits) if bits < 64 => (Physical::INT32, Some(LogicalType::integer(bits, true))),
        Kind::Int(_) => (Physical::INT64, Some(LogicalType::integer(64, true))),
        Kind::Uint(bits) if bits < 64 => (Physical::INT32, Some(LogicalType::integer(bits, false))),
        Kind::Uint(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::Single => (Physical::FLOAT, None),
        Kind::Double => (Physical::DOUBLE, None),
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
    }
}

/// Writes the cells of one column; unsigned numbers keep their bits, as the format says.
fn write_column<'a>(
    group: &mut SerializedRowGroupWriter<'_, File>,
    kind: Kind,
    cells: impl Iterator<Item = &'a Cell>,
) -> Result<(), ParquetError> {
    let column = group.next_column()?;
    let mut column = column.ok_or_else(|| ParquetError::General("a row has more cells than columns".to_owned()))?;
    match kind {
        Kind::Bool => typed::<BoolType>(&mut column, cells.map(|cell| matches!(cell, Cell::Bool(true)))),
        Kind::Int(bits) if bits < 64 => typed::<Int32Type>(&mut column, cells.map(|cell| whole(cell) as i32)),
        Kind::Uint(bits) if bits < 64 => typed::<Int32Type>(&mut column, cells.map(|cell| whole(cell) as i32)),
        Kind::Int(_) | Kind::Uint(_) | Kind::Time => typed::<Int64Type>(&mut column, cells.map(whole)),
        Kind::Single => typed::<FloatType>(&mut column, cells.map(|cell| number(cell) as f32)),
        Kind::Double => typed::<DoubleType>(&mut column, cells.map(number)),
        Kind::Text => typed::<ByteArrayType>(&mut column, cells.map(text)),
    }?;
    column.close()
}

fn typed<T: parquet::data_type::DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: impl Iterator<Item = T::T>,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = values.collect();
    column.typed::<T>().write_batch(&values, None, None).map(|_| ())
}

const fn whole(cell: &Cell) -> i64 {
    match cell {
        Cell::Int(value) => *value,
        Cell::Uint(value) => value.cast_signed(),
        _ => 0,
    }
}

fn number(cell: &Cell) -> f64 {
    match cell {
        Cell::Single(value) => f64::from(*value),
        Cell::Double(value) => *value,
        _ => 0.0,
    }
}

fn text(cell: &Cell) -> ByteArray {
    match cell {
        Cell::Text(text) => ByteArray::from(text.as_bytes().to_vec()),
        _ => ByteArray::new(),
    }
}
