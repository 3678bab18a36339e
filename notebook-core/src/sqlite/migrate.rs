//! Schema versions: each is applied once, in order, and remembered with its checksum.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::{Tx, dialect, error::from_sqlite};
use crate::{Clock, Error, ErrorKind, Result, clock::SystemClock};

/// One step of a schema. Once released it never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// From 1, without gaps.
    pub(crate) version: u32,
    /// What it does, in a few words.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql.as_bytes()).into()
    }
}

const OPERATION: &str = "migrate database";

const CREATE: &str = "CREATE TABLE schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BLOB NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// Brings the schema up to date in one transaction.
///
/// # Errors
/// `Unsupported` when the file was written by a newer program; `Conflict` when a step that was
/// applied is not the one known here; `InvalidInput` when the file is another program's.
pub(super) fn migrate(connection: &Connection, steps: &[Migration]) -> Result<()> {
    let tx = Tx::new(connection, OPERATION);
    let execute = |sql| connection.execute_batch(sql).map_err(|e| from_sqlite(OPERATION, e));
    execute(dialect::BEGIN_WRITE)?;
    let done = apply(&tx, steps).and_then(|()| execute(dialect::COMMIT));
    if done.is_err() && !connection.is_autocommit() {
        execute(dialect::ROLLBACK)?;
    }
    done
}

fn apply(tx: &Tx<'_>, steps: &[Migration]) -> Result<()> {
    let count = |sql, name: &[&str]| {
        let params = rusqlite::params_from_iter(name);
        Ok::<_, Error>(tx.one(sql, params, |row| row.get::<i64>(0))?.unwrap_or(0))
    };
    if count(dialect::TABLE_EXISTS, &["schema_migrations"])? == 0 {
        if count(dialect::TABLES, &[])? != 0 {
            return Err(Error::invalid(
                OPERATION,
                "path",
                "give a file that no other program uses",
            ));
        }
        tx.execute(CREATE, [])?;
    }
    let applied = tx.all(APPLIED, [], |row| Ok((row.unsigned(0)?, row.get(1)?)))?;
    check(&applied, steps)?;
    let now = SystemClock.now().as_millis();
    for step in steps.iter().skip(applied.len()) {
        tx.execute_script(step.sql)?;
        tx.execute(RECORD, params![step.version, step.name, step.checksum(), now])?;
    }
    Ok(())
}

/// Checks that what was applied is the beginning of what is known: first that it is of this kind at all.
fn check(applied: &[(u32, [u8; 32])], steps: &[Migration]) -> Result<()> {
    for ((version, checksum), step) in applied.iter().zip(steps) {
        if *version != step.version || *checksum != step.checksum() {
            return Err(Error::new(ErrorKind::Conflict, OPERATION)
                .with("schema", version.to_string())
                .with("fix", "the data was written by another build: start that one"));
        }
    }
    let newest = steps.last().map_or(0, |step| step.version);
    if let Some((version, _)) = applied.iter().find(|(version, _)| *version > newest) {
        return Err(Error::new(ErrorKind::Unsupported, OPERATION)
            .with("schema", version.to_string())
            .with("known", newest.to_string())
            .with("fix", "the data was written by a newer version: start that one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Migration; 2] = [
        Migration { version: 1, name: "one", sql: "CREATE TABLE a (x INTEGER) STRICT;" },
        Migration { version: 2, name: "two", sql: "ALTER TABLE a ADD COLUMN y TEXT;" },
    ];

    fn versions(connection: &Connection) -> Vec<u32> {
        let tx = Tx::new(connection, "test");
        tx.all(APPLIED, [], |row| row.unsigned(0)).unwrap()
    }

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &STEPS[..1]).unwrap();
        assert_eq!(versions(&connection), [1]);
        for _ in 0..2 {
            migrate(&connection, &STEPS).unwrap();
            assert_eq!(versions(&connection), [1, 2]);
        }
        connection.execute("INSERT INTO a (x, y) VALUES (1, 'z')", []).unwrap();
    }

    #[test]
    fn a_newer_schema_is_refused_and_left_alone() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &STEPS).unwrap();
        let error = migrate(&connection, &STEPS[..1]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!((error.context("schema"), error.context("known")), (Some("2"), Some("1")));
        assert!(connection.is_autocommit());
        assert_eq!(versions(&connection), [1, 2]);
    }

    #[test]
    fn a_changed_step_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &STEPS[..1]).unwrap();
        let changed = Migration { sql: "CREATE TABLE b (x INTEGER) STRICT;", ..STEPS[0] };
        let error = migrate(&connection, &[changed]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }

    #[test]
    fn another_programs_file_is_refused() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE theirs (x)").unwrap();
        let error = migrate(&connection, &STEPS).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        connection.execute("INSERT INTO theirs VALUES (1)", []).unwrap();
    }

    #[test]
    fn a_failed_step_leaves_nothing() {
        let connection = Connection::open_in_memory().unwrap();
        let broken = Migration { version: 2, name: "broken", sql: "CREATE TABLE b (x); NONSENSE" };
        migrate(&connection, &[STEPS[0], broken]).unwrap_err();
        migrate(&connection, &STEPS).unwrap();
        assert_eq!(versions(&connection), [1, 2]);
    }
}
