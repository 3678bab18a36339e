use rusqlite::types::FromSql;
use serde::de::DeserializeOwned;

use super::error::{corrupt, from_sqlite};
use crate::{Result, Timestamp};

/// A row of a result, with its columns by number from 0.
pub(crate) struct Row<'r> {
    row: &'r rusqlite::Row<'r>,
    operation: &'static str,
}

impl<'r> Row<'r> {
    pub(super) const fn new(row: &'r rusqlite::Row<'r>, operation: &'static str) -> Self {
        Self { row, operation }
    }

    /// A text, bytes, flag, or number of 32 bits or fewer; `Option` of one where it may be absent.
    pub(crate) fn get<T: FromSql>(&self, column: usize) -> Result<T> {
        self.row.get(column).map_err(|error| from_sqlite(self.operation, error))
    }

    /// A text, borrowed.
    pub(crate) fn text(&self, column: usize) -> Result<&str> {
        let value = self.row.get_ref(column).map_err(|e| from_sqlite(self.operation, e))?;
        value.as_str().map_err(|_| corrupt(self.operation, column))
    }

    /// An unsigned number.
    pub(crate) fn unsigned<T: TryFrom<i64>>(&self, column: usize) -> Result<T> {
        T::try_from(self.get::<i64>(column)?).map_err(|_| corrupt(self.operation, column))
    }

    /// An unsigned number that may be absent.
    pub(crate) fn optional<T: TryFrom<i64>>(&self, column: usize) -> Result<Option<T>> {
        match self.get::<Option<i64>>(column)? {
            None => Ok(None),
            Some(number) => {
                T::try_from(number).map(Some).map_err(|_| corrupt(self.operation, column))
            }
        }
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

    /// A moment.
    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        self.get(column).map(Timestamp::from_millis)
    }

    /// A value stored as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        serde_json::from_str(self.text(column)?)
            .map_err(|e| corrupt(self.operation, column).caused_by(e))
    }

    /// A value stored as JSON that may be absent.
    pub(crate) fn optional_json<T: DeserializeOwned>(&self, column: usize) -> Result<Option<T>> {
        match self.get::<Option<String>>(column)? {
            None => Ok(None),
            Some(_) => self.json(column).map(Some),
        }
    }

    /// A value of an enum without fields, stored as its name on the wire.
    pub(crate) fn name<T: DeserializeOwned>(&self, column: usize) -> Result<T> {
        let name = serde_json::Value::String(self.get(column)?);
        serde_json::from_value(name).map_err(|e| corrupt(self.operation, column).caused_by(e))
    }
}
