//! A copy of the tables before they change.
//!
//! `pg_dump` may not be there, and could not be part of the migration's transaction. So the tables are copied within it,
//! into a schema of their own, under a lock that keeps every other process out: the copy is what the migration
//! began with, and there is either both or neither.

use sqlx::PgConnection;
use tracing::{info, warn};

use super::{migrate::script, role::quoted, transaction::rows};
use crate::{
    Result,
    sql::{MIGRATE, Row, values},
};

const TABLES: &str = "SELECT c.relname::text FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.relname";
/// With indexes: more than the copy takes.
const SIZE: &str = "SELECT COALESCE(SUM(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = $1 AND c.relkind = 'r'";
const SCHEMAS: &str = "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname::text, $1)";
/// The longest name that PostgreSQL keeps whole.
const LONGEST: usize = 63;

/// Copies the tables of a schema, of at most `most` bytes, to `<schema>_before_v<version>`; an earlier migration's copy
/// goes. The tables stay locked until the transaction ends.
///
/// # Errors
/// `StorageFull`; `Unavailable` when another process has the tables in the same moment.
pub(super) async fn snapshot(
    connection: &mut PgConnection,
    schema: &str,
    version: u32,
    most: u64,
) -> Result<()> {
    let begins = format!("{schema}_before_v");
    let copy = format!("{begins}{version}");
    let size = &mut |row: &Row<'_>| row.get::<u64>(0);
    let size = rows(connection, MIGRATE, SIZE, None, values![schema], size).await?;
    let bytes = size.first().copied().unwrap_or_default();
    if bytes > most || copy.len() > LONGEST {
        warn!(
            bytes,
            most, "the database is brought up to date without a copy of its tables; keep a backup"
        );
        return Ok(());
    }
    let name = &mut |row: &Row<'_>| row.get::<String>(0);
    let tables = rows(connection, MIGRATE, TABLES, None, values![schema], name).await?;
    let earlier = rows(connection, MIGRATE, SCHEMAS, None, values![begins], name).await?;
    let full = |table: &String| format!("{schema}.{}", quoted(table));
    let all: Vec<String> = tables.iter().map(full).collect();
    script(connection, format!("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", all.join(", "))).await?;
    for earlier in earlier.iter().filter(|earlier| is_copy(earlier, &begins)) {
        script(connection, format!("DROP SCHEMA {} CASCADE", quoted(earlier))).await?;
    }
    script(connection, format!("CREATE SCHEMA {copy}")).await?;
    for table in &tables {
        let (from, to) = (full(table), quoted(table));
        script(connection, format!("CREATE TABLE {copy}.{to} AS TABLE {from}")).await?;
    }
    info!(schema = copy, bytes, "the tables are copied before they are brought up to date");
    Ok(())
}

/// Whether a schema is a copy that this program made.
fn is_copy(schema: &str, begins: &str) -> bool {
    schema.strip_prefix(begins).is_some_and(|version| version.parse::<u32>().is_ok())
}
