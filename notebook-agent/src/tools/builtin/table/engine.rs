//! An SQLite in memory that can do nothing but read what was put into it, for a while.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use rusqlite::{
    Connection, ErrorCode,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::{Value, ValueRef},
};

use super::rows::{LONGEST_CELL, Table, Type, as_integer, as_real};
use crate::graph::Failure;

/// The most bytes of a text within a query. One function over two texts may take time in proportion to the product of their lengths, and
/// nobody can look at the clock before it is done: at this length that is a fraction of a second.
const LONGEST_VALUE: i32 = 100_000;
/// The most bytes of a query.
pub(super) const LONGEST_SQL: i32 = 10_000;
/// How often it is looked whether the time is over, in instructions: often enough for queries of which each row takes long.
const LOOK: i32 = 100;
/// The most characters of a cell that are shown.
const SHOWN: usize = 500;
/// The bytes of a page. What is sorted is written and read page by page: at four times SQLite's own size, groups of a million rows take a
/// sixth less time; twice that again is slower, for what is sorted at once leaves the processor's cache.
const PAGE: u32 = 16 << 10;
/// Functions that do more than compute.
const REFUSED: [&str; 3] = ["load_extension", "fts3_tokenizer", "sqlite_dbpage"];

/// How much a query may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) time: Duration,
    pub(super) rows: usize,
    pub(super) bytes: usize,
}

fn failed(error: rusqlite::Error) -> Failure {
    Failure::new("internal", format!("the table could not be loaded: {error}"))
}

/// A name or text within a statement.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Tables that can be queried.
#[derive(Debug)]
pub(super) struct Engine {
    connection: Connection,
    /// What a model is told of the tables.
    pub(super) about: String,
}

impl Engine {
    pub(super) fn load(tables: &[Table<'_>]) -> Result<Self, Failure> {
        let mut connection = Connection::open_in_memory().map_err(failed)?;
        connection.pragma_update(None, "page_size", PAGE).map_err(failed)?;
        // What is sorted goes to a file that has no name, not to memory.
        connection.pragma_update(None, "temp_store", "FILE").map_err(failed)?;
        let mut about = String::new();
        let tx = connection.transaction().map_err(failed)?;
        for table in tables {
            fill(&tx, table).map_err(failed)?;
            describe(&mut about, table);
        }
        tx.commit().map_err(failed)?;
        restrict(&connection).map_err(failed)?;
        Ok(Self { connection, about })
    }

    /// The rows of a query, as lines.
    pub(super) fn query(&self, sql: &str, bounds: Bounds) -> Result<String, Failure> {
        let until = Instant::now() + bounds.time;
        let over = move || Instant::now() >= until;
        self.connection.progress_handler(LOOK, Some(over)).map_err(failed)?;
        let rows = self.rows(sql, bounds);
        self.connection.progress_handler(LOOK, None::<fn() -> bool>).map_err(failed)?;
        rows.map_err(|error| said(&error, bounds))
    }

    fn rows(&self, sql: &str, bounds: Bounds) -> rusqlite::Result<String> {
        let mut statement = self.connection.prepare(sql)?;
        let columns = statement.column_count();
        let mut text = statement.column_names().join(" | ");
        text.push('\n');
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            if count == bounds.rows || text.len() > bounds.bytes {
                let _ = write!(
                    text,
                    "(These are the first {count} rows; there are more. Aggregate, or use LIMIT and OFFSET.)"
                );
                return Ok(text);
            }
            for column in 0..columns {
                if column > 0 {
                    text.push_str(" | ");
                }
                show(&mut text, row.get_ref(column)?);
            }
            text.push('\n');
            count += 1;
        }
        let _ = write!(text, "({count} rows)");
        Ok(text)
    }
}

fn fill(connection: &Connection, table: &Table<'_>) -> rusqlite::Result<()> {
    let column = |(name, kind): &(String, Type)| format!("{} {}", quoted(name), kind.name());
    let columns: Vec<String> = table.columns.iter().map(column).collect();
    let name = quoted(&table.name);
    connection.execute(&format!("CREATE TABLE {name} ({}) STRICT", columns.join(", ")), [])?;
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO {name} VALUES ({places})"))?;
    for cells in table.rows() {
        for (place, (_, kind)) in table.columns.iter().enumerate() {
            let cell = cells.get(place).copied().unwrap_or_default();
            insert.raw_bind_parameter(place + 1, value(cell, *kind))?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}

fn value(cell: &str, kind: Type) -> Value {
    if cell.is_empty() {
        return Value::Null;
    }
    let found = match kind {
        Type::Integer => as_integer(cell).map(Value::Integer),
        Type::Real => as_real(cell).map(Value::Real),
        Type::Text => None,
    };
    let text = || cell.get(..cell.floor_char_boundary(LONGEST_CELL)).unwrap_or(cell).to_owned();
    found.unwrap_or_else(|| Value::Text(text()))
}

/// From here on only reading, and nothing that is large.
fn restrict(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, LONGEST_VALUE),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 200),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_VDBE_OP, 100_000),
    ] {
        connection.set_limit(limit, most)?;
    }
    connection.authorizer(Some(may))
}

fn may(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name }
            if !REFUSED.iter().any(|refused| function_name.eq_ignore_ascii_case(refused)) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

/// What a model is told of a query that failed.
fn said(error: &rusqlite::Error, bounds: Bounds) -> Failure {
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => {
            let message =
                format!("the query took over {} s: ask for less", bounds.time.as_secs_f32());
            Failure::new("timeout", message)
        }
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
            Failure::new("not_allowed", "only SELECT statements over the tables may be run")
        }
        _ => {
            let message: String = error.to_string().chars().take(500).collect();
            Failure::new("bad_arguments", message)
        }
    }
}

fn show(text: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => text.push_str("NULL"),
        ValueRef::Integer(number) => {
            let _ = write!(text, "{number}");
        }
        ValueRef::Real(number) => {
            let _ = write!(text, "{number}");
        }
        ValueRef::Text(bytes) => {
            let cell = String::from_utf8_lossy(bytes);
            text.extend(cell.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }));
            if cell.chars().nth(SHOWN).is_some() {
                text.push('…');
            }
        }
        ValueRef::Blob(bytes) => {
            let _ = write!(text, "({} bytes)", bytes.len());
        }
    }
}

fn describe(about: &mut String, table: &Table<'_>) {
    let _ = write!(about, "Table {} ({} rows): ", quoted(&table.name), table.len());
    for (place, (name, kind)) in table.columns.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(about, "{comma}{} {}", quoted(name), kind.name());
    }
    if table.left_out > 0 {
        let _ = write!(about, " (and {} columns more, which cannot be asked for)", table.left_out);
    }
    about.push('\n');
    for row in table.rows().take(3) {
        let row = row.iter().take(table.columns.len());
        let cells: Vec<String> = row.map(|cell| cell.chars().take(60).collect()).collect();
        let _ = writeln!(about, "  {}", cells.join(" | "));
    }
}
