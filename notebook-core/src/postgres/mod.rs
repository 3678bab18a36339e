//! PostgreSQL, as the adapters share it: a pool, transactions that nobody can leave half done, migrations.
//!
//! # Cancelled calls
//! A call works in a task of its own. When its caller goes away it runs to its end all the same, so that no
//! connection goes back to the pool with an open transaction. What came back open, by a defect, is closed.
//!
//! # Row security
//! Each transaction says for which tenant it is, in the words that begin it, and PostgreSQL shows it that tenant's rows
//! only (decision 0014). What works for all tenants has connections of its own.
//!
//! # Time
//! Moments that several processes must agree on are the database's own.

mod client;
mod clock;
mod config;
mod error;
mod migrate;
mod pool;
mod pubsub;
mod role;
mod snapshot;
mod transaction;

pub(crate) use client::Client;
pub(crate) use clock::DatabaseClock;
pub use config::PostgresConfig;
pub use pool::PoolStatistics;
pub use role::RowSecurity;
pub(crate) use transaction::{cell, execute, execute_arrays, rows, rows_of, take_turn};

#[cfg(test)]
#[path = "../../tests/support/postgres.rs"]
pub(crate) mod cluster;
