//! Where rows and originals are stored, and how long.

use std::path::PathBuf;

use notebook_core::Secret;
use serde::Deserialize;

/// Where rows are stored.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// A PostgreSQL URL, such as `postgres://user:password@host/database`; a file in the data folder when absent.
    pub postgres: Option<Secret>,
    /// The schema in PostgreSQL that holds the tables.
    pub schema: String,
    /// The role in PostgreSQL that the tables are used by, which is neither their owner nor exempt from row security;
    /// `<schema>_app` when absent, where that can be made or taken on.
    pub role: Option<String>,
    /// The most connections to PostgreSQL for tenants' calls; what works for all tenants has a quarter as many more.
    pub connections: u32,
    /// The most bytes of PostgreSQL's tables that are copied before they are brought up to date; 0 for none.
    pub copied_bytes: u64,
    /// A Redis URL, such as `redis://user:password@host:6379`: servers that share a PostgreSQL tell each other by it
    /// instead of by PostgreSQL's notifications.
    pub redis: Option<Secret>,
    /// The channel in Redis, one for each deployment.
    pub redis_channel: String,
    /// How long a statement may take in PostgreSQL, in seconds. A transaction that takes twice as long has met a
    /// database that is gone without a word: its connection is given up.
    pub statement_seconds: u32,
    /// Folder for originals; in the data folder when absent. Several servers on one PostgreSQL need one that they share.
    pub blobs: Option<PathBuf>,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            postgres: None,
            schema: "notebook".to_owned(),
            role: None,
            connections: 16,
            copied_bytes: 1 << 30,
            redis: None,
            redis_channel: "notebook".to_owned(),
            statement_seconds: 30,
            blobs: None,
        }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// For how many days the events of an ended answer are kept, for readers who come back; the answer itself stays.
    pub events_days: u32,
    /// For how many days what was sent to webhooks is kept, after it arrived or failed.
    pub deliveries_days: u32,
    /// For how many days exported files are kept, and uploaded archives of which nothing became.
    pub exports_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events_days: 30, deliveries_days: 30, exports_days: 7 }
    }
}
