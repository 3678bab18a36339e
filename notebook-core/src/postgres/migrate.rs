//! Schema versions: each is applied once, in order, and remembered with its checksum.

use sha2::{Digest as _, Sha256};
use sqlx::Row as _;

use super::{Client, Tx};
use crate::{Error, ErrorKind, Result};

/// One step of a schema. Once released it never changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// From 1, without gaps.
    pub(crate) version: i32,
    /// What it does, in a few words.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> Vec<u8> {
        Sha256::digest(self.sql.as_bytes()).to_vec()
    }
}

/// Held while a process migrates, so that others wait: any number that nobody else uses.
const LOCK: i64 = 0x6e6f_7465_626f_6f6b;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    checksum BYTEA NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)";

/// Brings the schema up to date in one transaction.
///
/// # Errors
/// `Unsupported` when it was written by a newer program; `Conflict` when a step that was applied is not the
/// one known here.
pub(super) async fn migrate(
    client: &Client,
    schema: &str,
    steps: &'static [Migration],
) -> Result<()> {
    let create_schema = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
    client
        .write("migrate database", move |tx| {
            let create_schema = create_schema.clone();
            Box::pin(async move {
                let lock = sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK);
                lock.execute(tx.connection()).await.map_err(|error| tx.failed(error))?;
                script(tx, create_schema).await?;
                script(tx, CREATE.to_owned()).await?;
                apply(tx, steps).await
            })
        })
        .await
}

async fn script(tx: &mut Tx, sql: String) -> Result<()> {
    // The texts are this program's own; the schema's name was checked.
    let script = sqlx::raw_sql(sqlx::AssertSqlSafe(sql));
    script.execute(tx.connection()).await.map(drop).map_err(|error| tx.failed(error))
}

async fn apply(tx: &mut Tx, steps: &'static [Migration]) -> Result<()> {
    let rows = sqlx::query("SELECT version, checksum FROM schema_migrations ORDER BY version")
        .fetch_all(tx.connection())
        .await
        .map_err(|error| tx.failed(error))?;
    let mut applied = 0;
    for row in rows {
        let version: i32 = row.try_get(0).map_err(|error| tx.failed(error))?;
        let checksum: Vec<u8> = row.try_get(1).map_err(|error| tx.failed(error))?;
        let Some(step) = steps.get(applied) else {
            return Err(Error::new(ErrorKind::Unsupported, tx.operation)
                .with("schema", version.to_string())
                .with("fix", "the data was written by a newer version: start that one"));
        };
        if step.version != version || step.checksum() != checksum {
            return Err(Error::new(ErrorKind::Conflict, tx.operation)
                .with("schema", version.to_string())
                .with("fix", "the data was written by another build: start that one"));
        }
        applied += 1;
    }
    for step in steps.iter().skip(applied) {
        script(tx, step.sql.to_owned()).await?;
        sqlx::query("INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)")
            .bind(step.version)
            .bind(step.name)
            .bind(step.checksum())
            .execute(tx.connection())
            .await
            .map_err(|error| tx.failed(error))?;
    }
    Ok(())
}
