//! Brings the schema up to date.

use sqlx::{Connection as _, PgConnection};

use super::{
    error::from_postgres,
    transaction::{execute, rows, take_turn},
};
use crate::{
    Error, ErrorKind, Result,
    sql::{MIGRATE, Migration, pending, values},
};

/// Held while a process migrates, so that others wait: any number that nobody else uses.
const LOCK: i64 = 0x6e6f_7465_626f_6f6b;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BYTEA NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)";
/// Such as 150017.
const VERSION: &str = "SELECT current_setting('server_version_num')::bigint";
/// The oldest version that has all that is used.
const OLDEST: i64 = 150_000;
const APPLIED: &str = "SELECT version, checksum FROM schema_migrations ORDER BY version";
const RECORD: &str = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";

/// Brings the schema up to date in one transaction.
///
/// # Errors
/// `Unsupported` when it was written by a newer program; `Conflict` when a step that was applied is not the
/// one known here.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    schema: &str,
    steps: &[Migration],
) -> Result<()> {
    let failed = |error| from_postgres(MIGRATE, error);
    // Dropped before its end, it is undone.
    let mut transaction = connection.begin().await.map_err(failed)?;
    // A table may be large: the usual patience is for requests.
    script(&mut transaction, "SET LOCAL statement_timeout = 0".to_owned()).await?;
    take_turn(&mut transaction, MIGRATE, LOCK).await?;
    let version = &mut |row: &crate::sql::Row<'_>| row.get::<i64>(0);
    let version = rows(&mut transaction, MIGRATE, VERSION, None, &[], version).await?;
    if version.first().copied().unwrap_or_default() < OLDEST {
        return Err(
            Error::new(ErrorKind::Unsupported, MIGRATE).with("fix", "use PostgreSQL 15 or newer")
        );
    }
    script(&mut transaction, format!("CREATE SCHEMA IF NOT EXISTS {schema}")).await?;
    script(&mut transaction, CREATE.to_owned()).await?;
    let read = &mut |row: &crate::sql::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let applied = rows(&mut transaction, MIGRATE, APPLIED, None, &[], read).await?;
    for step in pending(&applied, steps)? {
        script(&mut transaction, step.sql.to_owned()).await?;
        let checksum = step.checksum();
        let values = values![step.version, step.name, checksum];
        execute(&mut transaction, MIGRATE, RECORD, values).await?;
    }
    transaction.commit().await.map_err(failed)
}

async fn script(connection: &mut PgConnection, sql: String) -> Result<()> {
    // The texts are this program's own; the schema's name was checked.
    let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    script.execute(connection).await.map(drop).map_err(|error| from_postgres(MIGRATE, error))
}
