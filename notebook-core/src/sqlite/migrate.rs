//! Brings the schema up to date.

use rusqlite::Connection;

use super::{
    dialect,
    error::from_sqlite,
    transaction::{execute, rows},
};
use crate::{
    Clock, Error, Result,
    clock::SystemClock,
    sql::{MIGRATE, Migration, Value, pending, values},
};

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
    script(connection, dialect::BEGIN_WRITE)?;
    let done = apply(connection, steps).and_then(|()| script(connection, dialect::COMMIT));
    if done.is_err() && !connection.is_autocommit() {
        script(connection, dialect::ROLLBACK)?;
    }
    done
}

fn script(connection: &Connection, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|e| from_sqlite(MIGRATE, e))
}

fn applied(connection: &Connection) -> Result<Vec<(u32, [u8; 32])>> {
    rows(connection, MIGRATE, APPLIED, &[], &mut |row| Ok((row.get(0)?, row.get(1)?)))
}

fn apply(connection: &Connection, steps: &[Migration]) -> Result<()> {
    let count = |sql, values: &[Value<'_>]| {
        let counts = rows(connection, MIGRATE, sql, values, &mut |row| row.get::<i64>(0))?;
        Ok::<_, Error>(counts.first().copied().unwrap_or(0))
    };
    if count(dialect::TABLE_EXISTS, values!["schema_migrations"])? == 0 {
        if count(dialect::TABLES, &[])? != 0 {
            return Err(Error::invalid(MIGRATE, "path", "give a file that no other program uses"));
        }
        execute(connection, MIGRATE, CREATE, &[])?;
    }
    let applied = applied(connection)?;
    let now = SystemClock.now().as_millis();
    for step in pending(&applied, steps)? {
        script(connection, step.sql)?;
        let checksum = step.checksum();
        let values = values![step.version, step.name, checksum, now];
        execute(connection, MIGRATE, RECORD, values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    const STEPS: [Migration; 2] = [
        Migration { version: 1, name: "one", sql: "CREATE TABLE a (x INTEGER) STRICT;" },
        Migration { version: 2, name: "two", sql: "ALTER TABLE a ADD COLUMN y TEXT;" },
    ];

    fn versions(connection: &Connection) -> Vec<u32> {
        applied(connection).unwrap().into_iter().map(|(version, _)| version).collect()
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
