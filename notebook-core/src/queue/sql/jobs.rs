//! The tables of jobs, and the moment that counts in each transaction.

use std::sync::Arc;

use parking_lot::Mutex;

use super::rows;
use crate::{
    Clock, Result, Timestamp,
    queue::{Event, Fence, Job, QueuePolicy, step},
    sql::{Database, Reach, Tx, WorkAt},
};

/// Whose time counts.
#[derive(Clone)]
pub enum QueueTime {
    /// The database's: a server's own, or that of the machine where the file is.
    Database,
    /// A clock's: for tests that move it.
    Clock(Arc<dyn Clock>),
}

impl QueueTime {
    /// The moment that counts in a transaction.
    pub(crate) async fn now(&self, tx: &mut Tx<'_>) -> Result<Timestamp> {
        match self {
            Self::Clock(clock) => Ok(clock.now()),
            Self::Database => tx.now().await,
        }
    }
}

/// The tables.
#[derive(Clone)]
pub(super) struct Jobs {
    pub(super) database: Database,
    /// Heartbeats get through whatever else waits for a connection.
    pub(super) hearts: Database,
    pub(super) time: QueueTime,
    pub(super) policy: QueuePolicy,
    /// The tenant whose turn it is, where more wait than are looked at.
    pub(super) turn: Arc<Mutex<u128>>,
}

/// What decisions depend on beside the rows.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub(super) at: Timestamp,
    pub(super) policy: QueuePolicy,
}

impl Jobs {
    /// Runs `work` in a transaction of the usual connections.
    pub(super) async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Now, I, T>,
    ) -> Result<T> {
        self.write_to(&self.database, reach, operation, input, work).await
    }

    /// Runs `work` in a transaction with the moment that counts in it, which may begin long after the call.
    pub(super) async fn write_to<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        database: &Database,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Now, I, T>,
    ) -> Result<T> {
        let input = (input, work, self.time.clone(), self.policy);
        database.write(reach, operation, input, |tx, input| Box::pin(at_its_time(tx, input))).await
    }

    /// Runs `work` over all tenants, each of whose statements stands alone, with the moment that counts in it.
    pub(super) async fn write_singly<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Now, I, T>,
    ) -> Result<T> {
        let input = (input, work, self.time.clone(), self.policy);
        self.database
            .write_singly(operation, input, |tx, input| Box::pin(at_its_time(tx, input)))
            .await
    }
}

async fn at_its_time<I, T>(
    tx: &mut Tx<'_>,
    (input, work, time, policy): &(I, impl WorkAt<Now, I, T>, QueueTime, QueuePolicy),
) -> Result<T> {
    let at = time.now(tx).await?;
    work(tx, input, Now { at, policy: *policy }).await
}

impl Now {
    /// What jobs, whose rows are locked, have become, where the event may happen; stored.
    pub(super) async fn apply_all(
        self,
        tx: &mut Tx<'_>,
        events: Vec<(Job, Event)>,
    ) -> Result<Vec<Option<Job>>> {
        let apply = |(job, event): (Job, Event)| {
            let fence = job.fence;
            step(job, event, self.at, &self.policy).ok().map(|next| (next, fence))
        };
        let next: Vec<Option<(Job, Fence)>> = events.into_iter().map(apply).collect();
        let changed: Vec<_> = next.iter().flatten().collect();
        rows::update_all(tx, &changed).await?;
        Ok(next.into_iter().map(|next| next.map(|(job, _)| job)).collect())
    }

    /// The same for one job.
    pub(super) async fn apply(
        self,
        tx: &mut Tx<'_>,
        job: Job,
        event: Event,
    ) -> Result<Option<Job>> {
        Ok(self.apply_all(tx, vec![(job, event)]).await?.pop().flatten())
    }
}
