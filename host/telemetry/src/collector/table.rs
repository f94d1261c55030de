//! Rows and columns: what every record becomes before it is written, whatever the format of the file.

use std::hash::{DefaultHasher, Hash, Hasher};

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bool,
    /// Signed, of that many bits.
    Int(i8),
    /// Unsigned, of that many bits.
    Uint(i8),
    Single,
    Double,
    Text,
    /// Milliseconds since 1970, UTC.
    Time,
}

/// A value in a row; its column says what it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Single(f32),
    Double(f64),
    Text(String),
}

impl Cell {
    /// Bytes that it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            _ => 8,
        }
    }

    /// As a field of CSV: pandas, `csv` modules and spreadsheets read it back as the same value.
    pub(super) fn text(&self, kind: Kind) -> String {
        match self {
            Self::Int(millis) if kind == Kind::Time => super::date::Moment::at(*millis).rfc3339(),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(value) => value.to_string(),
            Self::Single(value) => value.to_string(),
            Self::Double(value) => value.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A name and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
}

impl Column {
    pub(super) fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }
}

/// Columns and rows; every row has a cell for every column.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table of one row.
    pub(super) fn of_row(cells: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let (columns, row) =
            cells.into_iter().map(|(name, text)| (Column::new(name, Kind::Text), Cell::Text(text))).unzip();
        Self { columns, rows: vec![row] }
    }

    /// The same for tables whose rows can stand in one file.
    pub(super) fn layout(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.columns.hash(&mut hasher);
        hasher.finish()
    }

    /// Makes names different from each other: a second `x` becomes `x_`.
    pub(super) fn with_distinct_names(mut self) -> Self {
        let mut known = std::collections::HashSet::new();
        for column in &mut self.columns {
            while !known.insert(column.name.clone()) {
                column.name.push('_');
            }
        }
        self
    }
}
