//! What the database itself noted of every change of a job or a run.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use crate::cluster::Cluster;

/// Where the notes are.
pub enum Audit {
    None,
    Cluster,
    File(PathBuf),
}

/// A change of a row: `was` is absent when it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub at: i64,
    pub id: String,
    /// What a job does; empty for a run.
    pub kind: String,
    pub was: Option<String>,
    pub is: String,
    pub old_fence: i64,
    pub fence: i64,
    pub crashes: i64,
}

const IN_CLUSTER: &str = "
CREATE SCHEMA audit;
CREATE TABLE audit.changes (n BIGSERIAL, what TEXT, at BIGINT DEFAULT extract(epoch FROM clock_timestamp()) * 1000,
    id TEXT, kind TEXT, was TEXT, state TEXT, old_fence BIGINT, fence BIGINT, crashes BIGINT);
CREATE FUNCTION audit.job() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO audit.changes (what, id, kind, was, state, old_fence, fence, crashes) VALUES ('job',
        encode(NEW.id, 'hex'), NEW.kind, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state,
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.fence ELSE 0 END, NEW.fence, NEW.crash_count);
    RETURN NULL; END $$;
CREATE FUNCTION audit.run() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    INSERT INTO audit.changes (what, id, kind, was, state, old_fence, fence, crashes) VALUES ('run',
        encode(NEW.id, 'hex'), '', CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state, 0, 0, 0);
    RETURN NULL; END $$;
CREATE TRIGGER job_stored AFTER INSERT ON notebook.jobs FOR EACH ROW EXECUTE FUNCTION audit.job();
CREATE TRIGGER job_changed AFTER UPDATE ON notebook.jobs FOR EACH ROW
    WHEN (OLD.state <> NEW.state OR OLD.fence <> NEW.fence) EXECUTE FUNCTION audit.job();
CREATE TRIGGER run_stored AFTER INSERT ON notebook.runs FOR EACH ROW EXECUTE FUNCTION audit.run();
CREATE TRIGGER run_changed AFTER UPDATE ON notebook.runs FOR EACH ROW
    WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION audit.run();";

const IN_FILE: &str = "
CREATE TABLE audit_changes (n INTEGER PRIMARY KEY, what TEXT, at INTEGER DEFAULT (unixepoch('subsec') * 1000),
    id TEXT, kind TEXT, was TEXT, state TEXT, old_fence INTEGER, fence INTEGER, crashes INTEGER);
CREATE TRIGGER audit_job_stored AFTER INSERT ON jobs BEGIN
    INSERT INTO audit_changes (what, id, kind, was, state, old_fence, fence, crashes)
    VALUES ('job', lower(hex(NEW.id)), NEW.kind, NULL, NEW.state, 0, NEW.fence, NEW.crash_count); END;
CREATE TRIGGER audit_job_changed AFTER UPDATE ON jobs
    WHEN OLD.state <> NEW.state OR OLD.fence <> NEW.fence BEGIN
    INSERT INTO audit_changes (what, id, kind, was, state, old_fence, fence, crashes)
    VALUES ('job', lower(hex(NEW.id)), NEW.kind, OLD.state, NEW.state, OLD.fence, NEW.fence, NEW.crash_count); END;
CREATE TRIGGER audit_run_stored AFTER INSERT ON runs BEGIN
    INSERT INTO audit_changes (what, id, kind, was, state, old_fence, fence, crashes)
    VALUES ('run', lower(hex(NEW.id)), '', NULL, NEW.state, 0, 0, 0); END;
CREATE TRIGGER audit_run_changed AFTER UPDATE ON runs WHEN OLD.state <> NEW.state BEGIN
    INSERT INTO audit_changes (what, id, kind, was, state, old_fence, fence, crashes)
    VALUES ('run', lower(hex(NEW.id)), '', OLD.state, NEW.state, 0, 0, 0); END;";

const COLUMNS: &str =
    "CAST(at AS BIGINT), id, kind, coalesce(was, ''), state, old_fence, fence, crashes";

impl Audit {
    pub const fn none() -> Self {
        Self::None
    }

    pub fn in_cluster(cluster: &Cluster) -> Self {
        cluster.query(IN_CLUSTER);
        assert_eq!(cluster.query("SELECT count(*) FROM audit.changes").len(), 1);
        Self::Cluster
    }

    pub fn in_file(file: &Path) -> Self {
        rusqlite::Connection::open(file).unwrap().execute_batch(IN_FILE).unwrap();
        Self::File(file.to_owned())
    }

    /// What was noted of `what` (`job` or `run`), by row, in order.
    pub fn changes(&self, cluster: Option<&Cluster>, what: &str) -> BTreeMap<String, Vec<Change>> {
        let table = if cluster.is_some() { "audit.changes" } else { "audit_changes" };
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE what = '{what}' ORDER BY n");
        let mut all: BTreeMap<String, Vec<Change>> = BTreeMap::new();
        for row in self.rows(cluster, &sql) {
            let [at, id, kind, was, is, old_fence, fence, crashes] = &row[..] else {
                panic!("{row:?}")
            };
            let number = |text: &String| text.parse().unwrap();
            all.entry(id.clone()).or_default().push(Change {
                at: number(at),
                id: id.clone(),
                kind: kind.clone(),
                was: (!was.is_empty()).then(|| was.clone()),
                is: is.clone(),
                old_fence: number(old_fence),
                fence: number(fence),
                crashes: number(crashes),
            });
        }
        all
    }

    /// The rows of a query, as texts.
    pub fn rows(&self, cluster: Option<&Cluster>, sql: &str) -> Vec<Vec<String>> {
        if let Some(cluster) = cluster {
            let lines = cluster.query(sql);
            return lines.iter().map(|line| line.split('|').map(str::to_owned).collect()).collect();
        }
        let Self::File(file) = self else { return Vec::new() };
        let connection = rusqlite::Connection::open(file).unwrap();
        connection.busy_timeout(crate::PATIENCE).unwrap();
        let mut statement = connection.prepare(sql).unwrap();
        let width = statement.column_count();
        let rows = statement.query_map([], |row| {
            (0..width).map(|i| row.get::<_, rusqlite::types::Value>(i).map(text)).collect()
        });
        rows.unwrap().collect::<Result<_, _>>().unwrap()
    }
}

fn text(value: rusqlite::types::Value) -> String {
    use rusqlite::types::Value;
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Real(number) => number.to_string(),
        Value::Null | Value::Blob(_) => String::new(),
    }
}
