//! How tensors become columns.
//!
//! A row for each item of the batch, which is the first dimension where all tensors have the same. What is left of a tensor is a
//! column where it is one element, columns `name_0`, `name_1`, … where it is a few and always as many, and else one column of
//! JSON.

use std::fmt::Write;

use half::{bf16, f16};
use scorehost_core::{DType, NamedTensor, Tensor};

use super::redact::{REDACTED, Redaction};
use super::table::{Cell, Column, Kind, Table};

/// Columns that one tensor may become.
const MAX_COLUMNS: u64 = 64;
/// Rows that one request may become; larger batches are one row of JSON.
const MAX_ROWS: u64 = 4096;

/// The table of a request's tensors. `fixed` says of a tensor whether its dimensions behind the first are always the same.
pub(super) fn of_tensors(tensors: &[NamedTensor], fixed: impl Fn(&str) -> bool, redaction: &Redaction) -> Table {
    let rows = batch(tensors);
    let mut table = Table { columns: Vec::new(), rows: vec![Vec::new(); rows.unwrap_or(1) as usize] };
    for NamedTensor { name, tensor } in tensors {
        let shape = tensor.shape().get(usize::from(rows.is_some())..).unwrap_or_default();
        if redaction.names(name) {
            table.columns.push(Column::new(&**name, Kind::Text));
            table.rows.iter_mut().for_each(|row| row.push(Cell::Text(REDACTED.to_owned())));
            continue;
        }
        let elements = shape.iter().product::<u64>();
        let always = shape.is_empty() || fixed(name);
        let lay = if !always || elements > MAX_COLUMNS || elements == 0 { as_json } else { as_columns };
        lay(&mut table, name, tensor, shape, redaction);
    }
    table.with_distinct_names()
}

/// The dimension that all tensors begin with.
fn batch(tensors: &[NamedTensor]) -> Option<u64> {
    let first = *tensors.first()?.tensor.shape().first()?;
    let same = tensors.iter().all(|named| named.tensor.shape().first() == Some(&first));
    (same && (1..=MAX_ROWS).contains(&first)).then_some(first)
}

fn as_columns(table: &mut Table, name: &str, tensor: &Tensor, shape: &[u64], redaction: &Redaction) {
    let width = shape.iter().product::<u64>() as usize;
    let names: Vec<String> = match width {
        1 => vec![name.to_owned()],
        _ => (0..width).map(|index| format!("{name}_{index}")).collect(),
    };
    let hidden: Vec<bool> = names.iter().map(|name| redaction.names(name)).collect();
    let kind = kind(tensor.dtype());
    for (name, hidden) in names.into_iter().zip(&hidden) {
        table.columns.push(Column::new(name, if *hidden { Kind::Text } else { kind }));
    }
    let mut cells = Cells::of(tensor);
    for row in &mut table.rows {
        for (cell, hidden) in cells.by_ref().take(width).zip(&hidden) {
            row.push(if *hidden { Cell::Text(REDACTED.to_owned()) } else { redaction.cell(cell) });
        }
    }
}

fn as_json(table: &mut Table, name: &str, tensor: &Tensor, shape: &[u64], redaction: &Redaction) {
    table.columns.push(Column::new(name, Kind::Text));
    let mut cells = Cells::of(tensor);
    for row in &mut table.rows {
        let mut text = String::new();
        nested(&mut text, &mut cells, shape, redaction);
        row.push(Cell::Text(text));
    }
}

/// Writes lists in lists, as the shape says.
fn nested(text: &mut String, cells: &mut Cells<'_>, shape: &[u64], redaction: &Redaction) {
    let Some((length, inner)) = shape.split_first() else {
        return cells.next().into_iter().for_each(|cell| json(text, redaction.cell(cell)));
    };
    text.push('[');
    for index in 0..*length {
        if index > 0 {
            text.push(',');
        }
        nested(text, cells, inner, redaction);
    }
    text.push(']');
}

/// JSON has no NaN and no infinity: they become the strings `NaN`, `inf` and `-inf`.
fn json(text: &mut String, cell: Cell) {
    // Writing to a string does not fail.
    let _ = match cell {
        Cell::Bool(value) => write!(text, "{value}"),
        Cell::Int(value) => write!(text, "{value}"),
        Cell::Uint(value) => write!(text, "{value}"),
        Cell::Single(value) if value.is_finite() => write!(text, "{value}"),
        Cell::Double(value) if value.is_finite() => write!(text, "{value}"),
        Cell::Single(value) => write!(text, "\"{value}\""),
        Cell::Double(value) => write!(text, "\"{value}\""),
        Cell::Text(value) => write!(text, "{}", serde_json::Value::from(value)),
    };
}

const fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::Bool => Kind::Bool,
        DType::U8 => Kind::Uint(8),
        DType::U16 => Kind::Uint(16),
        DType::U32 => Kind::Uint(32),
        DType::U64 => Kind::Uint(64),
        DType::I8 => Kind::Int(8),
        DType::I16 => Kind::Int(16),
        DType::I32 => Kind::Int(32),
        DType::I64 => Kind::Int(64),
        DType::F16 | DType::BF16 | DType::F32 => Kind::Single,
        DType::F64 => Kind::Double,
        DType::Bytes => Kind::Text,
    }
}

/// The elements of a tensor, row-major.
struct Cells<'a> {
    dtype: DType,
    /// Fixed-size elements that are left.
    data: &'a [u8],
    strings: Box<dyn Iterator<Item = &'a [u8]> + 'a>,
}

impl<'a> Cells<'a> {
    fn of(tensor: &'a Tensor) -> Self {
        Self { dtype: tensor.dtype(), data: tensor.data(), strings: Box::new(tensor.byte_strings()) }
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (element, rest) = self.data.split_first_chunk::<N>()?;
        self.data = rest;
        Some(*element)
    }
}

impl Iterator for Cells<'_> {
    type Item = Cell;

    fn next(&mut self) -> Option<Cell> {
        Some(match self.dtype {
            DType::Bool => Cell::Bool(self.bytes::<1>()?[0] != 0),
            DType::U8 => Cell::Uint(u8::from_le_bytes(self.bytes()?).into()),
            DType::U16 => Cell::Uint(u16::from_le_bytes(self.bytes()?).into()),
            DType::U32 => Cell::Uint(u32::from_le_bytes(self.bytes()?).into()),
            DType::U64 => Cell::Uint(u64::from_le_bytes(self.bytes()?)),
            DType::I8 => Cell::Int(i8::from_le_bytes(self.bytes()?).into()),
            DType::I16 => Cell::Int(i16::from_le_bytes(self.bytes()?).into()),
            DType::I32 => Cell::Int(i32::from_le_bytes(self.bytes()?).into()),
            DType::I64 => Cell::Int(i64::from_le_bytes(self.bytes()?)),
            DType::F16 => Cell::Single(f16::from_le_bytes(self.bytes()?).into()),
            DType::BF16 => Cell::Single(bf16::from_le_bytes(self.bytes()?).into()),
            DType::F32 => Cell::Single(f32::from_le_bytes(self.bytes()?)),
            DType::F64 => Cell::Double(f64::from_le_bytes(self.bytes()?)),
            DType::Bytes => Cell::Text(text(self.strings.next()?)),
        })
    }
}

/// Text as it is; other bytes in Base64 behind `base64:`.
fn text(element: &[u8]) -> String {
    use base64::Engine as _;
    let encoded = || format!("base64:{}", base64::engine::general_purpose::STANDARD.encode(element));
    std::str::from_utf8(element).map_or_else(|_| encoded(), str::to_owned)
}

#[cfg(test)]
mod tests;
