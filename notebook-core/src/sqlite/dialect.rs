//! What only SQLite says: connections, pragmas, transactions. Everything else that the
//! adapters send is SQL that PostgreSQL takes too.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{Durability, SqliteConfig, error::from_sqlite};
use crate::{Error, ErrorKind, Result};

/// Takes the write lock at once, so that a transaction never has to give up half-way.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";
/// One snapshot for the statements of a read.
pub(crate) const BEGIN_READ: &str = "BEGIN DEFERRED";
pub(crate) const COMMIT: &str = "COMMIT";
pub(crate) const ROLLBACK: &str = "ROLLBACK";
pub(crate) const SAVEPOINT: &str = "SAVEPOINT call";
pub(crate) const RELEASE: &str = "RELEASE call";
pub(crate) const ROLLBACK_TO: &str = "ROLLBACK TO call";
/// Whether a table exists.
pub(crate) const TABLE_EXISTS: &str =
    "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = $1";
/// How many tables there are.
pub(crate) const TABLES: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";

const OPEN: &str = "open database";

/// Prepared statements kept by each connection: more than there are statements.
const STATEMENTS: usize = 128;

/// Log pages after which the writer copies them into the database file: 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;

/// Opens the connection that writes. Makes the file and its folder if missing.
pub(crate) fn open_writer(config: &SqliteConfig) -> Result<Connection> {
    make_private_file(&config.path)?;
    let connection = open(config, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(|error| from_sqlite(OPEN, error))?;
    if mode != "wal" {
        return Err(Error::new(ErrorKind::Unsupported, OPEN)
            .with("path", config.path.display().to_string())
            .with("fix", "use a local disk: this file system has no write-ahead log"));
    }
    let synchronous = match config.durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "NORMAL",
    };
    let limit = match config.max_bytes {
        None => 0,
        Some(bytes) => bytes / page_size(&connection)?,
    };
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous};
             PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
             PRAGMA journal_size_limit = 67108864;
             PRAGMA cache_size = -16384;
             PRAGMA max_page_count = {limit};"
        ))
        .map_err(|error| from_sqlite(OPEN, error))?;
    Ok(connection)
}

/// Opens a connection that only reads. The writer's must have been opened before.
pub(crate) fn open_reader(config: &SqliteConfig) -> Result<Connection> {
    // Not opened read-only: a reader may have to recover the log of a killed process.
    let connection = open(config, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -4096;")
        .map_err(|error| from_sqlite(OPEN, error))?;
    Ok(connection)
}

/// Copies the log into the database file and closes the connection.
pub(crate) fn close_writer(connection: Connection) -> Result<()> {
    const CLOSE: &str = "close database";
    let copied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    let closed = connection.close().map_err(|(_, error)| error);
    copied.and(closed).map_err(|error| from_sqlite(CLOSE, error))
}

fn open(config: &SqliteConfig, flags: OpenFlags) -> Result<Connection> {
    let failed = |error| from_sqlite(OPEN, error).with("path", config.path.display().to_string());
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&config.path, flags).map_err(failed)?;
    connection.busy_timeout(bounded(config.busy_timeout)).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // A plan that does not depend on parameters: else SQLite looks at `LIMIT $1`, and prepares such a statement anew
    // each time it is bound.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON;
             PRAGMA trusted_schema = OFF;
             PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed)?;
    Ok(connection)
}

/// SQLite counts the timeout in milliseconds of 31 bits.
fn bounded(timeout: Duration) -> Duration {
    timeout.min(Duration::from_millis(i32::MAX as u64))
}

fn page_size(connection: &Connection) -> Result<u64> {
    let size: i64 = connection
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .map_err(|error| from_sqlite(OPEN, error))?;
    Ok(u64::try_from(size).unwrap_or(4096).max(1))
}

/// Makes the file readable by its owner only; SQLite gives its companions the same rights.
pub(super) fn make_private_file(path: &Path) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, OPEN)
            .with("path", path.display().to_string())
            .with("fix", "give a path to a file that this user may write")
            .caused_by(error)
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(failed)
}
