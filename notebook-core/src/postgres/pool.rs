//! Connections that are kept for the next call.
//!
//! One that was used a moment ago is given out as it is: to ask it whether it lives would cost as much as the
//! statement that it is wanted for.

use std::time::Duration;

use deadpool::{
    Runtime,
    managed::{
        self, Manager, Metrics, Object, PoolError, QueueMode, RecycleError, RecycleResult,
        TimeoutType,
    },
};
use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::error::from_postgres;
use crate::{Error, ErrorKind, Result, Retry};

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
pub(super) struct Pool(managed::Pool<Connector>);

/// Makes connections.
#[derive(Debug)]
pub(super) struct Connector(PgConnectOptions);

impl Manager for Connector {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> std::result::Result<PgConnection, sqlx::Error> {
        PgConnection::connect_with(&self.0).await
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
        if metrics.last_used() > SILENT {
            connection.ping().await?;
        }
        Ok(())
    }
}

impl Pool {
    /// At most `most` connections, made when they are needed; each call waits `patience` for one.
    pub(super) fn new(options: PgConnectOptions, most: usize, patience: Duration) -> Result<Self> {
        let builder = managed::Pool::builder(Connector(options))
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
        Ok(Self(pool))
    }

    /// A connection.
    pub(super) async fn get(&self, operation: &'static str) -> Result<Lent> {
        let away = |fix| {
            Error::new(ErrorKind::Unavailable, operation).retry(Retry::Backoff).with("fix", fix)
        };
        self.0.get().await.map_err(|error| match error {
            PoolError::Backend(error) => from_postgres(operation, error),
            PoolError::Timeout(TimeoutType::Wait) => {
                away("repeat it later, or allow more connections: all are in use")
            }
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                away("check that PostgreSQL runs and can be reached: it does not answer")
            }
            PoolError::Closed => away("open the store again: it was closed"),
            other => Error::new(ErrorKind::Internal, operation).caused_by(other),
        })
    }

    /// Gives no more connections out, and closes those that come back.
    pub(super) fn close(&self) {
        self.0.close();
    }
}
