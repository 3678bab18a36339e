//! Statements on a connection.

use rusqlite::{
    Connection, ToSql,
    types::{ToSqlOutput, ValueRef},
};

use super::error::from_sqlite;
use crate::{
    Result,
    sql::{Cell, Row, Value},
};

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let value = match *self {
            Self::Int(Some(number)) => ValueRef::Integer(number),
            Self::Text(Some(text)) => ValueRef::Text(text.as_bytes()),
            Self::Blob(Some(bytes)) => ValueRef::Blob(bytes),
            Self::Int(None) | Self::Text(None) | Self::Blob(None) => ValueRef::Null,
        };
        Ok(ToSqlOutput::Borrowed(value))
    }
}

/// The value in a column; none when it is of no type that is used here.
pub(crate) fn cell<'r>(row: &'r rusqlite::Row<'_>, column: usize) -> Option<Cell<'r>> {
    Some(match row.get_ref(column).ok()? {
        ValueRef::Null => Cell::Null,
        ValueRef::Integer(number) => Cell::Int(number),
        ValueRef::Text(bytes) => Cell::Text(std::str::from_utf8(bytes).ok()?),
        ValueRef::Blob(bytes) => Cell::Blob(bytes),
        ValueRef::Real(_) => return None,
    })
}

/// Runs a statement and returns how many rows it changed.
pub(crate) fn execute(
    connection: &Connection,
    operation: &'static str,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<usize> {
    let failed = |error| from_sqlite(operation, error);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    statement.execute(rusqlite::params_from_iter(values)).map_err(failed)
}

/// Runs a query and returns its rows.
pub(crate) fn rows<T>(
    connection: &Connection,
    operation: &'static str,
    sql: &'static str,
    values: &[Value<'_>],
    read: &mut impl FnMut(&Row<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let failed = |error| from_sqlite(operation, error);
    let mut statement = connection.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(rusqlite::params_from_iter(values)).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        found.push(read(&Row::sqlite(row, operation))?);
    }
    Ok(found)
}
