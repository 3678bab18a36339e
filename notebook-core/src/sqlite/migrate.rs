//! Brings the schema up to date.

use std::path::Path;

use rusqlite::Connection;

use super::{
    dialect,
    error::from_sqlite,
    transaction::{execute, rows},
};
use crate::{
    Clock, Error, ErrorKind, Result,
    clock::SystemClock,
    sql::{MIGRATE, Migration, Value, pending, values},
};

const CREATE: &str = "CREATE TABLE schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BLOB NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";
const QUICK_CHECK: &str = "PRAGMA quick_check(10)";
const VACUUM_INTO: &str = "VACUUM INTO $1";
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";
const RECORD: &str =
    "INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)";

/// Brings the schema up to date in one transaction. A file that has data already is checked first, and copied beside
/// itself as `<file>.before-v<version>`; the copy of an earlier migration goes.
///
/// # Errors
/// `Unsupported` when the file was written by a newer program; `Conflict` when a step that was applied is not the one
/// known here; `InvalidInput` when the file is another program's; `Corrupt` when it is damaged; `StorageFull` when
/// there is no room for the copy. Then nothing has changed.
pub(super) fn migrate(connection: &Connection, file: &Path, steps: &[Migration]) -> Result<()> {
    let known = table(connection, "schema_migrations")?;
    let applied = if known { applied(connection)? } else { Vec::new() };
    if let ([_, ..], Some(next)) = (&*applied, pending(&applied, steps)?.first()) {
        check(connection)?;
        snapshot(connection, file, next.version)?;
    }
    script(connection, dialect::BEGIN_WRITE)?;
    let done = apply(connection, steps).and_then(|()| script(connection, dialect::COMMIT));
    if done.is_err() && !connection.is_autocommit() {
        script(connection, dialect::ROLLBACK)?;
    }
    done
}

/// A file that is damaged is not migrated: what is left of it may still be saved as it is.
fn check(connection: &Connection) -> Result<()> {
    let said = rows(connection, MIGRATE, QUICK_CHECK, &[], &mut |row| row.get::<String>(0))?;
    if said == ["ok"] {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Corrupt, MIGRATE).with("found", said.join("; ")).with(
        "fix",
        "restore the data from a backup, or keep the file and start with an empty folder",
    ))
}

/// Copies the file as it is, whole or not at all.
fn snapshot(connection: &Connection, file: &Path, version: u32) -> Result<()> {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let begins = format!("{name}.before-v");
    let (copy, part) = (format!("{begins}{version}"), format!("{begins}{version}.part"));
    let io = |error: std::io::Error| {
        Error::new(ErrorKind::Unavailable, MIGRATE)
            .with("file", copy.clone())
            .with("fix", "see that the folder of the data can be written to")
            .caused_by(error)
    };
    let remove = |name: &str| match std::fs::remove_file(folder.join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io(error)),
        _ => Ok(()),
    };
    remove(&part)?;
    let place = folder.join(&part);
    // An empty file is taken as it is, with its rights.
    dialect::make_private_file(&place)?;
    let copied =
        execute(connection, MIGRATE, VACUUM_INTO, values![place.to_string_lossy().into_owned()]);
    if let Err(error) = copied {
        remove(&part)?;
        return Err(error.with("fix", "free as much space as the database has, then start again"));
    }
    std::fs::File::open(&place).and_then(|copy| copy.sync_all()).map_err(io)?;
    std::fs::rename(&place, folder.join(&copy)).map_err(io)?;
    tracing::info!(file = copy, "the database is copied before it is brought up to date");
    for entry in std::fs::read_dir(folder).map_err(io)?.flatten() {
        let earlier = entry.file_name().into_string().unwrap_or_default();
        if earlier.starts_with(&begins) && earlier != copy {
            remove(&earlier)?;
        }
    }
    Ok(())
}

fn table(connection: &Connection, name: &str) -> Result<bool> {
    let read = &mut |row: &crate::sql::Row<'_>| row.get::<i64>(0);
    let counts = rows(connection, MIGRATE, dialect::TABLE_EXISTS, values![name], read)?;
    Ok(counts.first().copied().unwrap_or(0) > 0)
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
    if !table(connection, "schema_migrations")? {
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

    /// No file: nothing to copy.
    fn migrate(connection: &Connection, steps: &[Migration]) -> Result<()> {
        super::migrate(connection, Path::new(""), steps)
    }

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

    #[test]
    fn i8_the_data_is_copied_before_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.db");
        let names = || {
            let all = std::fs::read_dir(folder.path()).unwrap().flatten();
            let mut names: Vec<_> = all.map(|e| e.file_name().into_string().unwrap()).collect();
            names.sort();
            names
        };
        let connection = Connection::open(&file).unwrap();
        super::migrate(&connection, &file, &STEPS[..1]).unwrap();
        assert_eq!(names(), ["a.db"], "an empty file needs no copy");
        connection.execute("INSERT INTO a (x) VALUES (7)", []).unwrap();
        super::migrate(&connection, &file, &STEPS).unwrap();
        assert_eq!(names(), ["a.db", "a.db.before-v2"]);
        super::migrate(&connection, &file, &STEPS).unwrap();
        let before = Connection::open(folder.path().join("a.db.before-v2")).unwrap();
        assert_eq!(versions(&before), [1]);
        let kept: i64 = before.query_row("SELECT x FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7);
        // The next one takes its place.
        let sql = "CREATE TABLE c (x INTEGER) STRICT;";
        let third = Migration { version: 3, name: "three", sql };
        super::migrate(&connection, &file, &[STEPS[0], STEPS[1], third]).unwrap();
        assert_eq!(names(), ["a.db", "a.db.before-v3"]);
    }
}
