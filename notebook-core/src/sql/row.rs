//! Rows of results.

use serde::de::DeserializeOwned;

use super::corrupt;
use crate::{Result, Timestamp};

/// A row of a result, with its columns by number from 0.
pub(crate) struct Row<'r> {
    engine: Engine<'r>,
    operation: &'static str,
}

enum Engine<'r> {
    #[cfg(feature = "sqlite")]
    Sqlite(&'r rusqlite::Row<'r>),
    #[cfg(feature = "postgres")]
    Postgres(&'r sqlx::postgres::PgRow),
}

/// A value in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cell<'r> {
    /// None.
    Null,
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'r str),
    /// Bytes.
    Blob(&'r [u8]),
}

/// What a column can be read as.
pub(crate) trait Column<'r>: Sized {
    /// The value, if the cell is of its type and range.
    fn read(cell: Cell<'r>) -> Option<Self>;
}

macro_rules! columns {
    ($($kind:ty: $cell:pat => $value:expr;)*) => {
        $(impl<'r> Column<'r> for $kind {
            fn read(cell: Cell<'r>) -> Option<Self> {
                match cell { $cell => $value, _ => None }
            }
        })*
    };
}

columns! {
    i64: Cell::Int(number) => Some(number);
    u64: Cell::Int(number) => number.try_into().ok();
    u32: Cell::Int(number) => number.try_into().ok();
    u16: Cell::Int(number) => number.try_into().ok();
    usize: Cell::Int(number) => number.try_into().ok();
    bool: Cell::Int(number @ (0 | 1)) => Some(number == 1);
    Timestamp: Cell::Int(number) => Some(Timestamp::from_millis(number));
    &'r str: Cell::Text(text) => Some(text);
    String: Cell::Text(text) => Some(text.to_owned());
    &'r [u8]: Cell::Blob(bytes) => Some(bytes);
    Vec<u8>: Cell::Blob(bytes) => Some(bytes.to_vec());
}

impl<'r, const N: usize> Column<'r> for [u8; N] {
    fn read(cell: Cell<'r>) -> Option<Self> {
        <&[u8]>::read(cell)?.try_into().ok()
    }
}

impl<'r, T: Column<'r>> Column<'r> for Option<T> {
    fn read(cell: Cell<'r>) -> Option<Self> {
        match cell {
            Cell::Null => Some(None),
            cell => T::read(cell).map(Some),
        }
    }
}

impl<'r> Row<'r> {
    #[cfg(feature = "sqlite")]
    pub(crate) const fn sqlite(row: &'r rusqlite::Row<'r>, operation: &'static str) -> Self {
        Self { engine: Engine::Sqlite(row), operation }
    }

    #[cfg(feature = "postgres")]
    pub(crate) const fn postgres(row: &'r sqlx::postgres::PgRow, operation: &'static str) -> Self {
        Self { engine: Engine::Postgres(row), operation }
    }

    /// A value; `Option` of one where it may be absent.
    pub(crate) fn get<T: Column<'r>>(&self, column: usize) -> Result<T> {
        let cell = match self.engine {
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(row) => crate::sqlite::cell(row, column),
            #[cfg(feature = "postgres")]
            Engine::Postgres(row) => crate::postgres::cell(row, column),
        };
        cell.and_then(T::read).ok_or_else(|| corrupt(self.operation, column))
    }

    /// An id.
    pub(crate) fn id<Id>(&self, column: usize, make: impl Fn(u128) -> Id) -> Result<Id> {
        Ok(make(u128::from_be_bytes(self.get(column)?)))
    }

    /// An id that may be absent.
    pub(crate) fn optional_id<Id>(
        &self,
        column: usize,
        make: impl Fn(u128) -> Id,
    ) -> Result<Option<Id>> {
        Ok(self.get::<Option<[u8; 16]>>(column)?.map(|bytes| make(u128::from_be_bytes(bytes))))
    }

    /// A value stored as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        self.parse(column, self.get(column)?)
    }

    /// A value stored as JSON that may be absent.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>> {
        let text: Option<&str> = self.get(column)?;
        text.map(|text| self.parse(column, text)).transpose()
    }

    fn parse<T: DeserializeOwned>(&self, column: usize, text: &str) -> Result<T> {
        serde_json::from_str(text).map_err(|e| corrupt(self.operation, column).caused_by(e))
    }

    /// A value of an enum without fields, stored as its name on the wire.
    pub(crate) fn name<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        let name = serde_json::Value::String(self.get(column)?);
        serde_json::from_value(name).map_err(|e| corrupt(self.operation, column).caused_by(e))
    }
}
