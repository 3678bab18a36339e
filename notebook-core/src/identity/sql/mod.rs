//! Users, workspaces, sessions and audit logs in SQL: beside the tables of a [`SqlStore`], in one SQLite file or in
//! PostgreSQL.

mod accounts;
mod audit;
mod closing;
mod invitations;
mod links;
mod passwords;
mod sessions;
mod statement;
mod workspaces;

use futures::future::BoxFuture;

use super::{audit::AuditKeys, session::SessionPolicy};
use crate::{
    Result, Timestamp,
    queue::sql::QueueTime as StoreTime,
    sql::{Database, Reach, Tx, WorkAt},
    store::sql::SqlStore,
};

/// What a call does in its transaction, and what it depends on beside the rows.
trait Work<I, T>:
    for<'t> Fn(&'t mut Tx<'_>, &'t I, Now<'t>) -> BoxFuture<'t, Result<T>> + Send + Sync + 'static
{
}

impl<I, T, W> Work<I, T> for W where
    W: for<'t> Fn(&'t mut Tx<'_>, &'t I, Now<'t>) -> BoxFuture<'t, Result<T>>
        + Send
        + Sync
        + 'static
{
}

/// All ports of [`identity`](super) in a database.
#[derive(Clone)]
pub struct SqlIdentity {
    database: Database,
    time: StoreTime,
    policy: SessionPolicy,
    keys: Option<AuditKeys>,
}

impl SqlIdentity {
    /// The users and sessions that lie beside a store's tables.
    #[must_use]
    pub fn new(store: &SqlStore, time: StoreTime, policy: SessionPolicy) -> Self {
        Self { database: store.database().clone(), time, policy, keys: None }
    }

    /// The same with keys of the audit log, for the entries to come.
    #[must_use]
    pub fn with_audit_keys(self, keys: AuditKeys) -> Self {
        Self { keys: Some(keys), ..self }
    }

    /// Runs `work` over the whole installation: for what is done before a workspace is known, or to users.
    async fn write<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        self.write_in(Reach::Installation, operation, input, work).await
    }

    /// The same on one snapshot, for what changes nothing.
    async fn read<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Timestamp, I, T>,
    ) -> Result<T> {
        self.read_in(Reach::Installation, operation, input, work).await
    }

    /// Runs `work` in a transaction with the moment that counts in it, which may begin long after the call.
    async fn write_in<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl Work<I, T>,
    ) -> Result<T> {
        let input = (input, work, self.time.clone(), self.policy, self.keys.clone());
        self.database
            .write(reach, operation, input, |tx, (input, work, time, policy, keys)| {
                Box::pin(async move {
                    let at = time.now(tx).await?;
                    work(tx, input, Now { at, policy: *policy, keys: keys.as_ref() }).await
                })
            })
            .await
    }

    /// The same on one snapshot, for what changes nothing.
    async fn read_in<I: Send + Sync + 'static, T: Send + 'static>(
        &self,
        reach: impl Into<Reach> + Send,
        operation: &'static str,
        input: I,
        work: impl WorkAt<Timestamp, I, T>,
    ) -> Result<T> {
        let input = (input, work, self.time.clone());
        self.database
            .read(reach, operation, input, |tx, (input, work, time)| {
                Box::pin(async move {
                    let at = time.now(tx).await?;
                    work(tx, input, at).await
                })
            })
            .await
    }
}

impl std::fmt::Debug for SqlIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlIdentity").field("database", &self.database).finish_non_exhaustive()
    }
}

/// What decisions depend on beside the rows.
#[derive(Clone, Copy)]
struct Now<'k> {
    at: Timestamp,
    policy: SessionPolicy,
    /// What hashes of the audit log are made with.
    keys: Option<&'k AuditKeys>,
}
