//! The embedded database that the SQLite adapters share: one writer thread with group
//! commit, a few reader threads, migrations.
//!
//! The adapters are [`SqlStore`](crate::store::sql::SqlStore), [`SqlQueue`](crate::queue::sql::SqlQueue) and
//! [`SqliteCache`](crate::cache::sqlite::SqliteCache).
//!
//! # Threads
//! SQLite is never called on the caller's thread. A write is queued to the writer thread,
//! which runs what has arrived in one transaction, each call in a savepoint of its own, and
//! answers after the commit is on the disk. Reads run on a few threads of their own, each
//! call in one snapshot. Both queues are bounded: a caller waits for room.
//!
//! # Cancelled calls
//! A write that is queued happens, whether or not its caller still waits; one that is not
//! queued yet does not.
//!
//! # Several processes
//! The files may be open in several processes of one machine. Writers take turns; one that
//! waits longer than [`SqliteConfig::busy_timeout`] fails as `Unavailable` and may be repeated.
//! Network file systems are refused where SQLite notices them: the write-ahead log needs
//! shared memory.

mod client;
mod config;
pub(crate) mod dialect;
mod error;
mod migrate;
mod readers;
mod transaction;
mod writer;

pub(crate) use client::Client;
pub use client::QueueStatistics;
pub use config::{Durability, SqliteConfig};
pub(crate) use transaction::{cell, execute, rows};
