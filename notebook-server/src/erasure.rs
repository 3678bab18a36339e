//! Deleting a workspace: nobody acts in it from the moment that it is closed, then a job removes what is in it from every
//! place.
//!
//! The job is the installation's, for a workspace's own jobs go with it. What says that there is something to remove is the
//! workspace's closed row, so a job that is lost is made again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_auth::{ClosedTenants, installation};
use notebook_core::{
    Clock, Error, ErrorKind, Result, Retry, TenantId, TenantScope, Timestamp,
    identity::audit::{Actor, NewEntry},
    queue::{
        JobError, NewJob, Outcome, Queue,
        runner::{Ended, Handler, HandlerRule, Handlers, Work},
    },
    store::Store,
};
use notebook_rag::ingest::Ingest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::{deletion::wait, models::Models, reserve::Reserve};

/// The kind of the job.
const ERASE: &str = "workspace.delete";
/// How many rows go in a transaction.
const TOGETHER: usize = 500;
/// For workers to hear that they are to end.
const SOON: Duration = Duration::from_millis(300);
const LATER: Duration = Duration::from_secs(5);
/// A request that was let in before the workspace was closed may store something after it: so long it is waited until it is
/// looked for the last time.
const QUIET: Duration = Duration::from_secs(10);

/// What removes workspaces.
#[derive(Clone)]
pub(crate) struct Erasure {
    pub(crate) tenants: ClosedTenants,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) bell: Arc<Notify>,
    pub(crate) ingest: Ingest,
    /// Which may keep answers.
    pub(crate) models: Arc<Models>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) reserve: Reserve,
}

/// The job's input.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Payload {
    workspace: TenantId,
}

/// What was removed in one go, as the audit log has it.
#[derive(Debug, Serialize)]
struct Removed {
    rows: BTreeMap<&'static str, u64>,
    files: usize,
}

/// What comes of a look.
enum Look {
    /// Nothing is left, and nothing was when it was looked before.
    Clean,
    /// It is to be looked again.
    Again(Duration),
    /// The workspace stands: nothing is to be removed.
    Stands,
}

impl Erasure {
    /// Stores the job that removes what is left of a closed workspace. While there is one, there is no other.
    ///
    /// # Errors
    /// Those of the queue.
    pub(crate) async fn begin(&self, workspace: TenantId) -> Result<()> {
        let unique_key = Some(format!("{ERASE}:{workspace}"));
        let job = NewJob { unique_key, ..NewJob::new(ERASE, json!(Payload { workspace })) };
        self.queue.insert(&installation(), vec![job]).await?;
        self.bell.notify_one();
        Ok(())
    }

    /// The same for workspaces that were just closed. Where it cannot be stored, the closed row sees to it.
    pub(crate) async fn begin_all(&self, workspaces: &[TenantId]) {
        for workspace in workspaces {
            if let Err(error) = self.begin(*workspace).await {
                warn!(%workspace, %error, "a closed workspace waits to be removed");
            }
        }
    }

    /// Sees to it that each closed workspace has a job, and that this process's indexes hold nothing of any that is gone.
    ///
    /// # Errors
    /// Those of the store, the queue and the indexes.
    pub(crate) async fn look_after(&self) -> Result<()> {
        for workspace in self.tenants.all().await? {
            self.begin(workspace).await?;
        }
        for workspace in self.ingest.followed() {
            if let Some(scope) = self.tenants.scope(workspace).await? {
                info!(%workspace, "a workspace is gone: the indexes forget it");
                self.ingest.forget_tenant(&scope).await?;
            }
        }
        for kept in self.models.layers().tenants() {
            if let Some(scope) = self.tenants.scope(kept.tenant()).await? {
                self.models.layers().forget(&scope).await?;
            }
        }
        Ok(())
    }

    /// What does the job.
    pub(crate) fn handlers(&self) -> Handlers {
        let rule = HandlerRule { slots: Some(1), ..HandlerRule::default() };
        Handlers::new().with(ERASE, rule, self.clone())
    }

    /// Slots that a runner needs for it.
    pub(crate) const fn slots() -> usize {
        1
    }

    /// The same handlers, which do nothing for workspaces that are gone.
    pub(crate) fn guard(&self, handlers: Handlers) -> Handlers {
        handlers.within(|inner| Arc::new(ForLiving { inner, erasure: self.clone() }))
    }

    /// Removes what there is, and looks what is left.
    async fn remove(&self, workspace: TenantId, closed_at: Timestamp) -> Result<Look> {
        let Some(scope) = self.tenants.scope(workspace).await? else { return Ok(Look::Stands) };
        // What still works would store more.
        if self.queue.clear(&scope).await? > 0 {
            return Ok(Look::Again(SOON));
        }
        let rows = self.store.remains(&scope).await?;
        while self.store.erase(&scope, TOGETHER).await? > 0 {}
        self.models.layers().forget(&scope).await?;
        let files = self.ingest.erase_tenant(&scope).await?;
        let left = self.left(&scope).await?;
        if !left.is_empty() {
            return Err(Error::new(ErrorKind::Unavailable, "delete workspace")
                .retry(Retry::Backoff)
                .with("left", left.join(", ")));
        }
        if !rows.is_empty() || files > 0 {
            let removed = Removed { rows, files };
            self.log("workspace.emptied", workspace, &json!(removed)).await?;
            return Ok(Look::Again(QUIET));
        }
        let quiet = self.clock.now().since(closed_at);
        Ok(if quiet < QUIET { Look::Again(QUIET - quiet) } else { Look::Clean })
    }

    async fn left(&self, scope: &TenantScope) -> Result<Vec<String>> {
        let rows = self.store.remains(scope).await?;
        let mut left: Vec<String> = rows.into_keys().map(str::to_owned).collect();
        left.extend(self.ingest.remains(scope).await?);
        Ok(left)
    }

    async fn log(
        &self,
        action: &str,
        workspace: TenantId,
        detail: &serde_json::Value,
    ) -> Result<()> {
        let entry = NewEntry::new(Actor::System, action).about(workspace).with(detail);
        self.tenants.0.append(&installation(), vec![entry]).await.map(drop)
    }

    /// Removes the last rows, with the receipt. Of a workspace whose rows are gone only something late was removed.
    async fn finish(&self, workspace: TenantId) -> Result<serde_json::Value> {
        let receipt = json!({ "left": [], "removed_at": self.clock.now() });
        let entry = NewEntry::new(Actor::System, "workspace.deleted");
        let entry = entry.about(workspace).with(&receipt);
        match self.tenants.0.erase_workspace(workspace, entry).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            erased => erased?,
        }
        Ok(receipt)
    }
}

#[async_trait]
impl Handler for Erasure {
    async fn run(&self, work: Work) -> Ended {
        let Ok(Payload { workspace }) = serde_json::from_value(work.job.payload.clone()) else {
            let message = "The job's input is not that of a workspace's deletion.";
            return hopeless("payload", message).into();
        };
        let removing = async {
            match self.remove(workspace, work.job.created_at).await? {
                Look::Clean => self.finish(workspace).await.map(Outcome::completed),
                Look::Again(after) => Ok(Outcome::Snoozed(after)),
                Look::Stands => {
                    Ok(hopeless("conflict", "The workspace stands: nothing of it is removed."))
                }
            }
        };
        let done = tokio::select! {
            done = removing => done,
            () = work.stop.cancelled() => return Outcome::Released.into(),
        };
        let outcome = done.unwrap_or_else(|error| {
            warn!(%workspace, %error, "a workspace could not be removed; it is tried again");
            Outcome::Snoozed(wait(&error, &self.reserve))
        });
        outcome.into()
    }
}

fn hopeless(code: &str, message: &str) -> Outcome {
    Outcome::Hopeless(JobError { code: code.into(), message: message.into() })
}

/// Does the jobs of workspaces that are there. One of a workspace that is gone was stored by somebody who had begun before: it
/// does nothing, and what came with it is removed.
struct ForLiving {
    inner: Arc<dyn Handler>,
    erasure: Erasure,
}

#[async_trait]
impl Handler for ForLiving {
    async fn run(&self, work: Work) -> Ended {
        let tenant = work.scope.tenant();
        match self.erasure.tenants.scope(tenant).await {
            Ok(None) => self.inner.run(work).await,
            Ok(Some(_)) => match self.erasure.begin(tenant).await {
                Ok(()) => Outcome::Cancelled.into(),
                Err(_) => Outcome::Snoozed(LATER).into(),
            },
            Err(error) => {
                warn!(job = %work.job.id, %error, "whether a job's workspace is there is not known");
                Outcome::Snoozed(LATER).into()
            }
        }
    }
}
