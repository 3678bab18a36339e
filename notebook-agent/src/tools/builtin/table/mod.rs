//! `query_table`: SQL over a source that is a table.
//!
//! What is asked is the canonical text of the source, as citations quote it: its rows are put into an SQLite of its own in memory, which can
//! read these tables and nothing else. A table that was loaded is kept for a while, for the next question.

mod engine;
mod rows;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use notebook_core::{SourceId, TenantId, document::SourceKind, model::Source, store::Store};
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::Semaphore;

use self::engine::{Bounds, Engine};
use super::source;
use crate::{
    graph::Failure,
    tools::{At, Observation, Tool, ToolInfo},
};

/// How long a table is kept after it was asked.
const KEPT: Duration = Duration::from_secs(300);

/// What queries may take.
#[derive(Debug, Clone, Copy)]
pub struct TableLimits {
    /// The longest query, once the table is loaded. Default 5 seconds.
    pub time: Duration,
    /// The most rows of an answer. Default 200.
    pub rows: usize,
    /// The most bytes of canonical text that are loaded as tables. Default 64 MiB.
    pub bytes: u64,
    /// How many tables are kept for the next question. Default 4.
    pub kept: usize,
    /// How many are loaded or asked at once. Default 2.
    pub at_once: usize,
}

impl Default for TableLimits {
    fn default() -> Self {
        Self { time: Duration::from_secs(5), rows: 200, bytes: 64 << 20, kept: 4, at_once: 2 }
    }
}

/// A loaded table by whose it is, of which source, and how often that was changed.
type Key = (TenantId, SourceId, u32);

struct Kept {
    key: Key,
    used: Instant,
    engine: Arc<Mutex<Engine>>,
}

/// Asks tables in SQL. Clones share what is loaded.
#[derive(Clone)]
pub struct QueryTable {
    store: Arc<dyn Store>,
    limits: TableLimits,
    kept: Arc<Mutex<Vec<Kept>>>,
    turns: Arc<Semaphore>,
}

impl QueryTable {
    /// Over the sources of this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, limits: TableLimits) -> Self {
        let turns = Arc::new(Semaphore::new(limits.at_once.max(1)));
        Self { store, limits, kept: Arc::default(), turns }
    }

    async fn engine(&self, at: At<'_>, source: &Source) -> Result<Arc<Mutex<Engine>>, Failure> {
        let key = (at.scope().tenant(), source.id, source.revision);
        if let Some(engine) = self.find(key) {
            return Ok(engine);
        }
        let document = self.store.document(at.scope(), source.id).await?;
        let load = tokio::task::spawn_blocking(move || Engine::load(&rows::tables(&document)));
        let engine = Arc::new(Mutex::new(load.await.map_err(broken)??));
        let mut kept = self.kept.lock();
        // Of a source one is kept: what it was before is asked no more.
        kept.retain(|kept| (kept.key.0, kept.key.1) != (key.0, key.1));
        kept.push(Kept { key, used: Instant::now(), engine: Arc::clone(&engine) });
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.used));
        kept.truncate(self.limits.kept);
        Ok(engine)
    }

    fn find(&self, key: Key) -> Option<Arc<Mutex<Engine>>> {
        let mut kept = self.kept.lock();
        kept.retain(|kept| kept.used.elapsed() < KEPT);
        let found = kept.iter_mut().find(|kept| kept.key == key)?;
        found.used = Instant::now();
        Some(Arc::clone(&found.engine))
    }
}

fn broken(error: tokio::task::JoinError) -> Failure {
    Failure::new("internal", format!("the query broke off: {error}"))
}

impl fmt::Debug for QueryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueryTable").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What to ask of which table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The id of the source, which is a CSV or XLSX file.
    #[schemars(length(min = 1, max = 64))]
    source: String,
    /// One SELECT statement in SQLite's dialect. Leave it out to be told the tables, their columns with types, and some rows. Names with
    /// spaces or capitals stand in double quotes.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    sql: Option<String>,
}

#[async_trait]
impl Tool for QueryTable {
    type Arguments = Arguments;

    fn info(&self) -> ToolInfo {
        ToolInfo {
            time: Duration::from_secs(60),
            ..ToolInfo::new(
                "query_table",
                "Asks a table (a CSV or XLSX source) in SQL: counts, sums, averages, filters, joins of its sheets. Ask without sql first, to learn \
                 the names of tables and columns. It can only read.",
            )
        }
    }

    async fn call(&self, at: At<'_>, arguments: Arguments) -> Result<Observation, Failure> {
        let found = source(&*self.store, at, &arguments.source).await?;
        if !matches!(found.kind, SourceKind::Csv | SourceKind::Xlsx) {
            let message =
                format!("this source is {}, not a table: read it with `read_span`", found.kind);
            return Err(Failure::new("bad_arguments", message));
        }
        if found.text_bytes > self.limits.bytes {
            let message = format!("the table is over {} bytes", self.limits.bytes);
            return Err(Failure::new("too_large", message));
        }
        if found.text_bytes == 0 {
            return Err(Failure::new("not_ready", "this source has no text yet"));
        }
        let closed = |_| Failure::new("cancelled", "the server goes down");
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(closed)?;
        let engine = self.engine(at, &found).await?;
        let bounds =
            Bounds { time: self.limits.time, rows: self.limits.rows, bytes: self.info().bytes };
        let answer = tokio::task::spawn_blocking(move || {
            // Kept by whoever still works, though nobody waits any more.
            let _turn = turn;
            let engine = engine.lock();
            match arguments.sql {
                Some(sql) => engine.query(&sql, bounds),
                None => Ok(engine.about.clone()),
            }
        });
        answer.await.map_err(broken)?.map(Observation::text)
    }
}

#[cfg(test)]
mod tests {
    use notebook_core::document::DocumentBuilder;

    use super::*;

    fn engine(rows: usize) -> Engine {
        let mut builder = DocumentBuilder::new(64 << 20);
        builder.row(["City", "people", "share"]).unwrap();
        for row in 0..rows {
            let share = row as f64 / 2.0;
            builder.row([format!("c{}", row % 7), row.to_string(), share.to_string()]).unwrap();
        }
        Engine::load(&rows::tables(&builder.finish())).unwrap()
    }

    fn bounds(millis: u64) -> Bounds {
        Bounds { time: Duration::from_millis(millis), rows: 5, bytes: 2_000 }
    }

    #[test]
    fn d3_tables_answer_in_sql() {
        let engine = engine(100);
        assert!(
            engine.about.contains("\"data\" (100 rows)")
                && engine.about.contains("\"people\" INTEGER")
        );
        let sum =
            engine.query("SELECT count(*) AS n, sum(people), avg(share) FROM data", bounds(5_000));
        assert_eq!(sum.unwrap(), "n | sum(people) | avg(share)\n100 | 4950 | 24.75\n(1 rows)");
        let many = engine
            .query("SELECT people FROM data WHERE \"City\" = 'c1' ORDER BY 1", bounds(5_000))
            .unwrap();
        assert!(many.starts_with("people\n1\n8\n15\n22\n29\n(These are the first 5"), "{many}");
    }

    #[test]
    fn d3_queries_only_read_and_reach_nothing() {
        let engine = engine(3);
        for (sql, codes) in [
            ("INSERT INTO data VALUES ('x', 1, 1.0)", ["not_allowed", "not_allowed"]),
            ("DELETE FROM data", ["not_allowed", "not_allowed"]),
            ("DROP TABLE data", ["not_allowed", "not_allowed"]),
            ("CREATE TABLE x (y)", ["not_allowed", "not_allowed"]),
            ("CREATE TEMP TABLE x (y)", ["not_allowed", "not_allowed"]),
            ("ATTACH '/etc/passwd' AS p", ["not_allowed", "bad_arguments"]),
            ("ATTACH ':memory:' AS p", ["not_allowed", "bad_arguments"]),
            ("VACUUM INTO '/tmp/out.db'", ["not_allowed", "bad_arguments"]),
            ("PRAGMA query_only = 0", ["not_allowed", "bad_arguments"]),
            ("PRAGMA temp_store_directory", ["not_allowed", "bad_arguments"]),
            ("SELECT load_extension('/tmp/x.so')", ["not_allowed", "bad_arguments"]),
            ("SELECT readfile('/etc/passwd')", ["bad_arguments", "bad_arguments"]),
            ("SELECT 1; DELETE FROM data", ["not_allowed", "bad_arguments"]),
            ("BEGIN", ["not_allowed", "bad_arguments"]),
            ("", ["bad_arguments", "bad_arguments"]),
            ("nonsense", ["bad_arguments", "bad_arguments"]),
            ("SELECT ?1", ["bad_arguments", "bad_arguments"]),
            ("SELECT zeroblob(1000000000)", ["bad_arguments", "bad_arguments"]),
        ] {
            let failure = engine.query(sql, bounds(5_000)).unwrap_err();
            assert!(codes.contains(&failure.code.as_str()), "{sql}: {failure}");
        }
        // What grows too large is nothing.
        let large = engine.query("SELECT printf('%.*c', 100000000, 'x')", bounds(5_000)).unwrap();
        assert!(large.contains("\nNULL\n"), "{large:.100}");
        // And all is as it was.
        let count = engine.query("SELECT count(*) FROM data", bounds(5_000)).unwrap();
        assert!(count.contains("\n3\n"));
    }

    /// D3: a table's name may be anything, and what of it cannot be asked is told.
    #[test]
    fn d3_names_of_sqlites_own_and_too_many_columns() {
        let mut builder = DocumentBuilder::new(1 << 20);
        builder.heading(2, "sqlite_master").unwrap();
        builder.row(["sqlite_a", "rowid"]).unwrap();
        builder.row(["x", "7"]).unwrap();
        builder.heading(2, "wide").unwrap();
        builder.row((0..1_200).map(|column| format!("c{column}"))).unwrap();
        builder.row((0..1_200).map(|column| column.to_string())).unwrap();
        let engine = Engine::load(&rows::tables(&builder.finish())).unwrap();
        let found = engine.query("SELECT * FROM data_sqlite_master", bounds(5_000)).unwrap();
        assert!(found.contains("\nx | 7\n"), "{found}");
        assert!(
            engine.about.contains("\"c999\" INTEGER (and 200 columns more"),
            "{}",
            engine.about
        );
        assert!(engine.query("SELECT c999 FROM wide", bounds(5_000)).unwrap().contains("\n999\n"));
        assert_eq!(
            engine.query("SELECT c1000 FROM wide", bounds(5_000)).unwrap_err().code,
            "bad_arguments"
        );
    }

    #[test]
    fn d3_queries_that_do_not_end_are_ended() {
        let engine = engine(2_000);
        for sql in [
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
            "SELECT count(*) FROM data a, data b, data c, data d",
            "SELECT a.people FROM data a, data b, data c ORDER BY a.share * b.share + c.share DESC",
            // Few instructions, each of which is slow.
            "SELECT sum(instr(printf('%.*c', 90000 + people, 'a'), printf('%.*c', 45000, 'a') || 'b')) FROM data",
            "SELECT sum(length(replace(printf('%.*c', 90000 + people, 'a'), printf('%.*c', 45000, 'a') || 'b', ''))) FROM data",
        ] {
            let since = Instant::now();
            let failure = engine.query(sql, bounds(200)).unwrap_err();
            assert_eq!(failure.code, "timeout", "{sql}");
            assert!(since.elapsed() < Duration::from_secs(10), "{sql}: {:?}", since.elapsed());
        }
        assert!(engine.query("SELECT 1", bounds(5_000)).is_ok());
    }
}
