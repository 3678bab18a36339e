//! Statements on a connection.

use std::borrow::Cow;

use sqlx::{
    AssertSqlSafe, Column as _, PgConnection, Postgres, Row as _, TypeInfo as _, ValueRef as _,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::error::from_postgres;
use crate::{
    Error, ErrorKind, Result,
    sql::{Cell, Lock, Row, Value},
};

type Statement = Query<'static, Postgres, PgArguments>;

/// The value in a column; none when it is of no type that is used here.
pub(crate) fn cell(row: &PgRow, column: usize) -> Option<Cell<'_>> {
    let value = row.try_get_raw(column).ok()?;
    if value.is_null() {
        return Some(Cell::Null);
    }
    let bytes = value.as_bytes().ok()?;
    // Prepared statements answer in the binary format: whole numbers big-endian, the rest as it is.
    match row.column(column).type_info().name() {
        "INT8" => Some(Cell::Int(i64::from_be_bytes(bytes.try_into().ok()?))),
        "INT4" => Some(Cell::Int(i32::from_be_bytes(bytes.try_into().ok()?).into())),
        "TEXT" => Some(Cell::Text(std::str::from_utf8(bytes).ok()?)),
        "BYTEA" => Some(Cell::Blob(bytes)),
        _ => None,
    }
}

/// Runs a statement and returns how many rows it changed.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    operation: &'static str,
    sql: &'static str,
    values: &[Value<'_>],
) -> Result<usize> {
    let statement = bind(operation, sqlx::query(sql), values)?;
    changed(connection, operation, statement).await
}

/// Runs a statement over arrays, one for each column of `rows`, and returns how many rows it changed.
pub(crate) async fn execute_arrays(
    connection: &mut PgConnection,
    operation: &'static str,
    sql: &'static str,
    rows: &[Vec<Value<'_>>],
) -> Result<usize> {
    if rows.is_empty() {
        return Ok(0);
    }
    let statement = arrays(operation, sqlx::query(sql), rows)?;
    changed(connection, operation, statement).await
}

/// Binds the columns of `rows`, each as an array.
fn arrays(
    operation: &'static str,
    mut statement: Statement,
    rows: &[Vec<Value<'_>>],
) -> Result<Statement> {
    let Some(first) = rows.first() else { return Ok(statement) };
    for (column, kind) in first.iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(column));
        statement = match kind {
            Value::Int(_) => statement.bind(array(operation, cells, |value| match value {
                Value::Int(number) => Some(number),
                _ => None,
            })?),
            Value::Text(_) => {
                let texts = rows.iter().filter_map(|row| match row.get(column) {
                    Some(Value::Text(text)) => *text,
                    _ => None,
                });
                texts.into_iter().try_for_each(|text| without_nul(operation, text))?;
                statement.bind(array(operation, cells, |value| match value {
                    Value::Text(text) => Some(text.map(str::to_owned)),
                    _ => None,
                })?)
            }
            Value::Blob(_) => statement.bind(array(operation, cells, |value| match value {
                Value::Blob(bytes) => Some(bytes.map(<[u8]>::to_vec)),
                _ => None,
            })?),
        };
    }
    Ok(statement)
}

/// The values of a column, which are all of the type that `pick` takes.
fn array<'v, T>(
    operation: &'static str,
    cells: impl Iterator<Item = Option<&'v Value<'v>>>,
    pick: impl Fn(Value<'v>) -> Option<Option<T>>,
) -> Result<Vec<Option<T>>> {
    cells
        .map(|cell| {
            let value = cell.copied().and_then(&pick);
            value.ok_or_else(|| {
                Error::new(ErrorKind::Internal, operation).with("reason", "rows of mixed types")
            })
        })
        .collect()
}

async fn changed(
    connection: &mut PgConnection,
    operation: &'static str,
    statement: Statement,
) -> Result<usize> {
    let done = statement.execute(connection).await.map_err(|e| from_postgres(operation, e))?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

/// Runs a query and returns its rows.
pub(crate) async fn rows<T: Send>(
    connection: &mut PgConnection,
    operation: &'static str,
    sql: &'static str,
    lock: Option<Lock>,
    values: &[Value<'_>],
    read: &mut (impl FnMut(&Row<'_>) -> Result<T> + Send),
) -> Result<Vec<T>> {
    let statement = bind(operation, sqlx::query(locked(sql, lock)), values)?;
    fetch(connection, operation, statement, read).await
}

/// Runs a query over arrays, one for each column of `rows`, and returns its rows.
pub(crate) async fn rows_of<T: Send>(
    connection: &mut PgConnection,
    operation: &'static str,
    sql: &'static str,
    lock: Option<Lock>,
    rows: &[Vec<Value<'_>>],
    read: &mut (impl FnMut(&Row<'_>) -> Result<T> + Send),
) -> Result<Vec<T>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let statement = arrays(operation, sqlx::query(locked(sql, lock)), rows)?;
    fetch(connection, operation, statement, read).await
}

async fn fetch<T: Send>(
    connection: &mut PgConnection,
    operation: &'static str,
    statement: Statement,
    read: &mut (impl FnMut(&Row<'_>) -> Result<T> + Send),
) -> Result<Vec<T>> {
    let rows = statement.fetch_all(connection).await.map_err(|e| from_postgres(operation, e))?;
    rows.iter().map(|row| read(&Row::postgres(row, operation))).collect()
}

/// A statement's text with what it locks. All of it is this program's own.
fn locked(sql: &'static str, lock: Option<Lock>) -> AssertSqlSafe<Cow<'static, str>> {
    let clause = match lock {
        None => return AssertSqlSafe(Cow::Borrowed(sql)),
        Some(Lock::Keep) => "FOR KEY SHARE",
        Some(Lock::Change) => "FOR NO KEY UPDATE",
        Some(Lock::Remove) => "FOR UPDATE",
        Some(Lock::Skip) => "FOR NO KEY UPDATE SKIP LOCKED",
    };
    AssertSqlSafe(Cow::Owned(format!("{sql} {clause}")))
}

fn without_nul(operation: &'static str, text: &str) -> Result<()> {
    if memchr::memchr(0, text.as_bytes()).is_some() {
        let fix = "leave out U+0000, which PostgreSQL cannot store";
        return Err(Error::invalid(operation, "text", fix));
    }
    Ok(())
}

fn bind(
    operation: &'static str,
    mut statement: Statement,
    values: &[Value<'_>],
) -> Result<Statement> {
    for value in values {
        statement = match *value {
            Value::Int(number) => statement.bind(number),
            Value::Text(text) => {
                text.map_or(Ok(()), |text| without_nul(operation, text))?;
                statement.bind(text.map(str::to_owned))
            }
            Value::Blob(bytes) => statement.bind(bytes.map(<[u8]>::to_vec)),
        };
    }
    Ok(statement)
}

/// Waits until no other transaction holds the lock of this name.
pub(crate) async fn take_turn(
    connection: &mut PgConnection,
    operation: &'static str,
    name: i64,
) -> Result<()> {
    execute(connection, operation, "SELECT pg_advisory_xact_lock($1)", &[Value::Int(Some(name))])
        .await
        .map(drop)
}
