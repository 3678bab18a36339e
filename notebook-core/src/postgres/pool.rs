//! Connections that are kept for the next call.
//!
//! One that was used a moment ago is given out as it is: to ask it whether it lives would cost as much as the
//! statement that it is wanted for.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{
        self, Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult,
        TimeoutType,
    },
};
use parking_lot::Mutex;
use serde::Serialize;
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::error::from_postgres;
use crate::{Error, ErrorKind, Result, Retry, usage::Histogram};

/// A connection that has been silent for longer is asked whether it lives.
const SILENT: Duration = Duration::from_secs(1);
/// How long a connection may take to show that it lives, as a part of the time to get one.
const SIGN_OF_LIFE: u32 = 5;
/// A connection is used for no longer: what a server keeps for it grows.
const OLD: Duration = Duration::from_secs(30 * 60);

/// A connection on loan.
pub(super) type Lent = Object<Connector>;

/// Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    connections: managed::Pool<Connector>,
    /// How long a call waits for one in all: for its turn, for signs of life, and for a new one.
    patience: Duration,
    waits: Arc<Waits>,
}

/// When those who found all connections taken should come back.
const COME_BACK: Duration = Duration::from_secs(1);

/// How long calls waited for a connection, its making included.
#[derive(Debug, Default)]
struct Waits {
    lent: Mutex<(Histogram, Duration)>,
    failed: AtomicU64,
}

/// How the connections of a pool are used, since it was made. Times are in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PoolStatistics {
    /// The most connections.
    pub most: usize,
    /// Those that there are.
    pub open: usize,
    /// Of these, those that nobody has.
    pub idle: usize,
    /// And those that somebody has.
    pub in_use: usize,
    /// Calls that wait for one.
    pub waiting: usize,
    /// How often one was lent.
    pub lent: u64,
    /// How often none could be.
    pub failed: u64,
    /// The wait that half of the calls did not exceed, within 5 %.
    pub wait_p50_micros: Option<u64>,
    /// The same of 99 %.
    pub wait_p99_micros: Option<u64>,
    /// The longest wait.
    pub wait_max_micros: u64,
}

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector {
    options: PgConnectOptions,
    /// When a connection was last found broken. Those used last before it may be so too.
    broken: Mutex<Option<Instant>>,
}

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> std::result::Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.options).await
    }

    async fn recycle(
        &self,
        connection: &mut PgConnection,
        metrics: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        // One that comes back inside a transaction has met a defect: nobody gets it again.
        if connection.is_in_transaction() {
            return Err(RecycleError::message("it was left inside a transaction"));
        }
        if metrics.age() > OLD {
            return Err(RecycleError::message("it is old"));
        }
        let last = metrics.recycled.unwrap_or(metrics.created);
        let is_suspect = self.broken.lock().is_some_and(|broken| last <= broken);
        if is_suspect || last.elapsed() > SILENT {
            connection.ping().await?;
        }
        Ok(())
    }
}

impl Pool {
    /// At most `most` connections, made when they are needed; each call waits `patience` for one.
    pub(super) fn new(options: PgConnectOptions, most: usize, patience: Duration) -> Result<Self> {
        let builder = managed::Pool::builder(Connector { options, broken: Mutex::default() })
            .max_size(most)
            // The one that was used last is the one that need not be asked.
            .queue_mode(QueueMode::Lifo)
            .wait_timeout(Some(patience))
            .create_timeout(Some(patience))
            // One that is dead without a word must leave time for another.
            .recycle_timeout(Some(patience / SIGN_OF_LIFE))
            .runtime(Runtime::Tokio1);
        let pool = builder
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, "open database").caused_by(error))?;
        Ok(Self { connections: pool, patience, waits: Arc::default() })
    }

    /// A connection.
    pub(super) async fn get(&self, operation: &'static str) -> Result<Lent> {
        let since = Instant::now();
        let lent = self.lend(operation).await;
        if lent.is_ok() {
            let took = since.elapsed();
            let mut waits = self.waits.lent.lock();
            waits.0.record(took);
            waits.1 = waits.1.max(took);
        } else {
            self.waits.failed.fetch_add(1, Ordering::Relaxed);
        }
        lent
    }

    /// Throws a connection away that was found broken; the others are asked before they are lent again.
    pub(super) fn discard(&self, broken: Lent) {
        *self.connections.manager().broken.lock() = Some(Instant::now());
        drop(Lent::take(broken));
    }

    /// How the connections are used.
    pub(super) fn statistics(&self) -> PoolStatistics {
        let status = self.connections.status();
        let (waits, longest) = self.waits.lent.lock().clone();
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        PoolStatistics {
            most: status.max_size,
            open: status.size,
            idle: status.available,
            in_use: status.size.saturating_sub(status.available),
            waiting: status.waiting,
            lent: waits.count(),
            failed: self.waits.failed.load(Ordering::Relaxed),
            wait_p50_micros: waits.percentile(0.5).map(micros),
            wait_p99_micros: waits.percentile(0.99).map(micros),
            wait_max_micros: micros(longest),
        }
    }

    async fn lend(&self, operation: &'static str) -> Result<Lent> {
        const USED_UP: &str = "repeat it later, or allow more connections: all are in use";
        const SILENT: &str = "check that PostgreSQL runs and can be reached: it does not answer";
        let away = |fix| {
            let again = if fix == USED_UP { Retry::After(COME_BACK) } else { Retry::Backoff };
            Error::new(ErrorKind::Unavailable, operation).retry(again).with("fix", fix)
        };
        let Ok(got) = tokio::time::timeout(self.patience, self.connections.get()).await else {
            let status = self.connections.status();
            let used_up = status.size >= status.max_size && status.available == 0;
            return Err(away(if used_up { USED_UP } else { SILENT }));
        };
        got.map_err(|error| match error {
            PoolError::Backend(error) => from_postgres(operation, error),
            PoolError::Timeout(TimeoutType::Wait) => away(USED_UP),
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => away(SILENT),
            PoolError::Closed => away("open the store again: it was closed"),
            other => Error::new(ErrorKind::Internal, operation).caused_by(other),
        })
    }

    /// Gives no more connections out, and closes those that come back.
    pub(super) fn close(&self) {
        self.connections.close();
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A call that waits for its turn, and then for a database that says nothing, waits no longer than one that does
    /// only the one or the other.
    #[tokio::test]
    async fn q8_a_call_waits_for_a_connection_as_long_as_it_is_told_in_all() {
        // Its system takes connections; nobody answers.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = PgConnectOptions::new()
            .host("127.0.0.1")
            .port(silent.local_addr().unwrap().port())
            .username("test");
        let patience = Duration::from_secs(1);
        let pool = Pool::new(options, 1, patience).unwrap();
        let (first, second) = tokio::join!(pool.get("first"), async {
            // Its turn comes when half of its patience is over.
            tokio::time::sleep(patience / 2).await;
            tokio::time::timeout(patience * 5 / 4, pool.get("second")).await
        });
        for waited in [first, second.expect("it waits longer than it was told")] {
            let error = waited.err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Unavailable);
            assert!(error.context("fix").unwrap().contains("does not answer"), "{error:?}");
        }
        let statistics = pool.statistics();
        assert_eq!((statistics.open, statistics.waiting, statistics.failed), (0, 0, 2));
    }
}
