use std::time::Duration;

use crate::Secret;

/// Where the database is and what may be used of it.
#[derive(Debug, Clone)]
pub struct PostgresConfig {
    /// Such as `postgres://user:password@host/database`, or `postgres:///database?host=/run/postgresql`.
    pub url: Secret,
    /// The schema that holds the tables; it is made if missing. Default `notebook`.
    pub schema: String,
    /// The role that the tables are used by: neither their owner nor exempt from row security. It is made if it is
    /// missing and the URL's role may make it. By default `<schema>_app`, or the URL's own role where that can be neither
    /// made nor taken on, and row security holds for its owner too.
    pub role: Option<String>,
    /// Whether row security must hold for that role: where there is more than one tenant. Default no.
    pub row_security: bool,
    /// The most connections for tenants' calls. Default 16. What works for all tenants has a quarter as many more, and
    /// heartbeats two.
    pub connections: u32,
    /// How long to wait for a free connection. Default 10 seconds. One that shows no sign of life within a fifth of it
    /// is given up.
    pub acquire_timeout: Duration,
    /// How long a statement may take. Default 30 seconds.
    pub statement_timeout: Duration,
    /// The most bytes of tables and indexes that are copied, to a schema `<schema>_before_v<version>`, before the tables
    /// are brought up to date; above it, and with 0, they are not. Every process waits meanwhile. Default 1 GiB.
    pub copied_bytes: u64,
    /// How long to wait for another process that is bringing the tables up to date. Default 10 minutes.
    pub migration_timeout: Duration,
    /// How long a transaction may take, should the database, or the way to it, be gone without a word; its connection
    /// is then given up. Default 60 seconds.
    pub transaction_timeout: Duration,
}

impl PostgresConfig {
    /// The defaults for a database.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: Secret::new(url.into()),
            schema: "notebook".into(),
            role: None,
            row_security: false,
            connections: 16,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(30),
            copied_bytes: 1 << 30,
            migration_timeout: Duration::from_secs(600),
            transaction_timeout: Duration::from_secs(60),
        }
    }
}
