//! Brings the schema up to date.

use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use super::{
    PostgresConfig,
    error::from_postgres,
    role,
    snapshot::snapshot,
    transaction::{execute, rows, take_turn},
};
use crate::{
    Error, ErrorKind, Result, Retry,
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
const FORCED: &str = "SELECT c.relname::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relforcerowsecurity ORDER BY c.relname";
const RECORD: &str = "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)";

/// Brings the schema up to date in one transaction. One that has data already is copied first, unless it is too large.
/// Returns the role that the tables are to be used by, if it is another than the connection's.
///
/// # Errors
/// `Unavailable` when another process does the same for too long; `Unsupported` when it was written by a newer program;
/// `Conflict` when a step that was applied is not the one known here; `StorageFull` when there is no room for the copy;
/// `Unauthorized` when the role that is wanted cannot be taken on. Then nothing has changed.
pub(super) async fn migrate(
    connection: &mut PgConnection,
    config: &PostgresConfig,
    steps: &[Migration],
) -> Result<Option<String>> {
    let schema = config.schema.as_str();
    let failed = |error| from_postgres(MIGRATE, error);
    let mut transaction = begin(connection, config).await?;
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
    let pending = pending(&applied, steps)?;
    let forced =
        if pending.is_empty() { Vec::new() } else { forced(&mut transaction, schema).await? };
    // Else its owner would see no row, and copy and change none.
    force(&mut transaction, schema, &forced, "NO FORCE").await?;
    if let ([_, ..], Some(next)) = (&*applied, pending.first()) {
        snapshot(&mut transaction, schema, next.version, config.copied_bytes).await?;
    }
    for step in pending {
        script(&mut transaction, step.sql.to_owned()).await?;
        let checksum = step.checksum();
        let values = values![step.version, step.name, checksum];
        execute(&mut transaction, MIGRATE, RECORD, values).await?;
    }
    force(&mut transaction, schema, &forced, "FORCE").await?;
    let role = role::prepare(&mut transaction, schema, config.role.as_deref()).await?;
    transaction.commit().await.map_err(failed)?;
    Ok(role)
}

/// The tables whose owner row security binds too.
async fn forced(connection: &mut PgConnection, schema: &str) -> Result<Vec<String>> {
    let name = &mut |row: &crate::sql::Row<'_>| row.get::<String>(0);
    rows(connection, MIGRATE, FORCED, None, values![schema], name).await
}

async fn force(
    connection: &mut PgConnection,
    schema: &str,
    tables: &[String],
    how: &str,
) -> Result<()> {
    for table in tables {
        let table = role::quoted(table);
        let alter = format!("ALTER TABLE IF EXISTS {schema}.{table} {how} ROW LEVEL SECURITY");
        script(connection, alter).await?;
    }
    Ok(())
}

/// Begins when no other process is at work with the tables. Dropped before its end, the transaction is undone.
async fn begin<'c>(
    connection: &'c mut PgConnection,
    config: &PostgresConfig,
) -> Result<Transaction<'c, Postgres>> {
    const FIX: &str = "another process has the tables: wait until it has brought them up to date, \
        or end it, and start again";
    let most = config.migration_timeout;
    // A table may be large: the usual patience is for requests. But one that hangs must not hang all others.
    let settings =
        format!("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {}", most.as_millis());
    let turn = async {
        let mut transaction =
            connection.begin().await.map_err(|error| from_postgres(MIGRATE, error))?;
        script(&mut transaction, settings).await?;
        take_turn(&mut transaction, MIGRATE, LOCK).await?;
        Ok(transaction)
    };
    // PostgreSQL gives up first, unless it does not answer at all.
    let begun = tokio::time::timeout(most + config.acquire_timeout, turn).await;
    let occupied = || Error::new(ErrorKind::Unavailable, MIGRATE).retry(Retry::Backoff);
    begun.unwrap_or_else(|_| Err(occupied())).map_err(|error| {
        let plain = error.kind() == ErrorKind::Unavailable && error.context("fix").is_none();
        if plain { error.with("fix", FIX) } else { error }
    })
}

/// Runs statements that are made of checked names.
pub(super) async fn script(connection: &mut PgConnection, sql: String) -> Result<()> {
    // The texts are this program's own; the schema's name was checked.
    let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    script.execute(connection).await.map(drop).map_err(|error| from_postgres(MIGRATE, error))
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::postgres::{Client, cluster::Cluster};

    const ONE: Migration = Migration {
        version: 1,
        name: "one",
        sql: "CREATE TABLE a (x BIGINT PRIMARY KEY); CREATE TABLE b (x BIGINT REFERENCES a (x));",
    };
    const TWO: Migration =
        Migration { version: 2, name: "two", sql: "ALTER TABLE a ADD COLUMN y TEXT;" };
    const THREE: Migration =
        Migration { version: 3, name: "three", sql: "CREATE TABLE c (x BIGINT);" };

    async fn open(config: &PostgresConfig, steps: &[Migration]) -> Result<()> {
        Client::open(config, steps).await?.close().await;
        Ok(())
    }

    /// I8: what there was is copied with the migration or not at all; the last copy is kept; what is too large is not
    /// copied; other people's schemas are left alone.
    #[tokio::test(flavor = "multi_thread")]
    async fn i8_the_tables_are_copied_before_they_change() {
        let cluster = Cluster::start();
        let config = PostgresConfig::new(cluster.url());
        let schemas = || {
            let like = "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'notebook%' ORDER BY 1";
            cluster.query(like).join(" ")
        };
        open(&config, &[ONE]).await.unwrap();
        assert_eq!(schemas(), "notebook", "what is empty needs no copy");
        cluster.query("INSERT INTO notebook.a VALUES (7); INSERT INTO notebook.b VALUES (7)");
        cluster.query("CREATE SCHEMA notebook_before_version");
        for _ in 0..2 {
            open(&config, &[ONE, TWO]).await.unwrap();
            assert_eq!(schemas(), "notebook notebook_before_v2 notebook_before_version");
        }
        assert_eq!(cluster.query("SELECT * FROM notebook_before_v2.a"), ["7"]);
        assert_eq!(cluster.query("SELECT * FROM notebook_before_v2.b"), ["7"]);
        let versions = "SELECT version FROM notebook_before_v2.schema_migrations";
        assert_eq!(cluster.query(versions), ["1"]);
        // The next one takes its place; the one of a migration that fails does not.
        let broken = Migration { version: 3, name: "broken", sql: "CREATE TABLE c (x); NONSENSE" };
        open(&config, &[ONE, TWO, broken]).await.unwrap_err();
        assert_eq!(schemas(), "notebook notebook_before_v2 notebook_before_version");
        let small = PostgresConfig { copied_bytes: 1, ..config.clone() };
        open(&small, &[ONE, TWO, THREE]).await.unwrap();
        assert_eq!(schemas(), "notebook notebook_before_v2 notebook_before_version");
        let four = Migration { version: 4, name: "four", sql: "DROP TABLE c;" };
        open(&config, &[ONE, TWO, THREE, four]).await.unwrap();
        assert_eq!(schemas(), "notebook notebook_before_v4 notebook_before_version");
        assert_eq!(cluster.query("SELECT x, y IS NULL FROM notebook_before_v4.a"), ["7|t"]);
        // As the documentation has it: back to what there was, by the program that wrote it.
        cluster.query("ALTER SCHEMA notebook RENAME TO failed");
        open(&config, &[ONE, TWO, THREE]).await.unwrap();
        for table in ["a", "b", "c"] {
            cluster.query(&format!(
                "INSERT INTO notebook.{table} SELECT * FROM notebook_before_v4.{table}"
            ));
        }
        open(&config, &[ONE, TWO, THREE]).await.unwrap();
        assert_eq!(cluster.query("SELECT x FROM notebook.b"), ["7"]);
    }

    /// A process that hangs while it has the tables does not hang those that start after it.
    #[tokio::test(flavor = "multi_thread")]
    async fn i8_who_waits_for_another_s_migration_gives_up() {
        let cluster = Arc::new(Cluster::start());
        let mut config = PostgresConfig::new(cluster.url());
        config.migration_timeout = Duration::from_millis(300);
        let holder = Arc::clone(&cluster);
        let hold = format!("SELECT pg_advisory_lock({LOCK}); SELECT pg_sleep(4)");
        let holding = std::thread::spawn(move || holder.query(&hold));
        let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        while cluster.query(sleeps) != ["1"] {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let error = open(&config, &[ONE]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert!(error.context("fix").unwrap().contains("another process"), "{error:?}");
        assert_eq!(cluster.query(sleeps), ["1"], "the other is done: this showed nothing");
        let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
        assert_eq!(cluster.query(waits), ["0"], "nobody goes on waiting");
        config.migration_timeout = Duration::from_secs(60);
        open(&config, &[ONE]).await.unwrap();
        holding.join().unwrap();
    }

    /// I8: others who read and write meanwhile lose nothing, and what they write before the change is in the copy.
    #[tokio::test(flavor = "multi_thread")]
    async fn i8_the_copy_is_what_the_migration_began_with() {
        let cluster = Cluster::start();
        let config = PostgresConfig::new(cluster.url());
        open(&config, &[ONE]).await.unwrap();
        let cluster = Arc::new(cluster);
        let writer = Arc::clone(&cluster);
        let writing = std::thread::spawn(move || {
            writer.query(
                "DO $$ BEGIN FOR i IN 1..400 LOOP
                    INSERT INTO notebook.a VALUES (i); INSERT INTO notebook.b VALUES (i);
                    COMMIT; PERFORM pg_sleep(0.002); END LOOP; END $$",
            )
        });
        while cluster.query("SELECT count(*) > 50 FROM notebook.b") != ["t"] {}
        open(&config, &[ONE, TWO]).await.unwrap();
        writing.join().unwrap();
        assert_eq!(cluster.query("SELECT count(*) FROM notebook.b"), ["400"]);
        let copied = "SELECT count(*) BETWEEN 50 AND 400 AND count(*) = (
            SELECT count(*) FROM notebook_before_v2.b) FROM notebook_before_v2.a";
        assert_eq!(cluster.query(copied), ["t"], "between two statements of others");
    }
}
