//! Looks after what was begun and is not done: sources, answers, deletions (of whole workspaces too) and deliveries whose
//! jobs died with their workers.

use std::{sync::Arc, time::Duration};

use notebook_agent::chat::Chat;
use notebook_core::{Result, TenantScope, Tenants, webhook::WebhookStore};
use notebook_rag::ingest::Ingest;
use tokio_util::sync::CancellationToken;

use crate::{deletion::Deletion, erasure::Erasure, models::Models, retention};

/// How often it is looked.
const ROUND: Duration = Duration::from_secs(30);

/// What there is to look after.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) ingest: Ingest,
    pub(crate) chat: Chat,
    pub(crate) deletion: Deletion,
    pub(crate) webhooks: Arc<dyn WebhookStore>,
    /// Which may keep answers.
    pub(crate) models: Arc<Models>,
    /// Where there are accounts.
    pub(crate) erasure: Option<Erasure>,
}

impl Reconciler {
    /// Looks at all tenants once, at the start, when deliveries are looked at too.
    ///
    /// # Errors
    /// The first of the stores': a server that cannot do this does not start.
    pub(crate) async fn round(&self, tenants: &dyn Tenants) -> Result<()> {
        self.look_at_closed().await?;
        let mut last = None;
        loop {
            let some = tenants.after(last).await?;
            let Some(end) = some.last() else { return Ok(()) };
            last = Some(end.tenant());
            for scope in some {
                self.look(&scope).await?;
                self.webhooks.resume(&scope, retention::RESUMED).await?;
            }
        }
    }

    /// Looks again and again, for as long as the server runs.
    pub(crate) async fn go_on(self, tenants: Arc<dyn Tenants>, ending: CancellationToken) {
        while ending.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
            let round = self.round_of_many(&*tenants);
            if ending.run_until_cancelled(round).await.is_none() {
                return;
            }
        }
    }

    /// Who fails does not keep the others from being looked at.
    async fn round_of_many(&self, tenants: &dyn Tenants) {
        if let Err(error) = self.look_at_closed().await {
            not_done(&error);
        }
        let mut last = None;
        loop {
            let some = match tenants.after(last).await {
                Ok(some) => some,
                Err(error) => return not_done(&error),
            };
            let Some(end) = some.last() else { return };
            last = Some(end.tenant());
            for scope in some {
                if let Err(error) = self.look(&scope).await {
                    not_done(&error);
                }
            }
        }
    }

    /// Workspaces that are deleted are no tenants any more, and answers that are kept end.
    async fn look_at_closed(&self) -> Result<()> {
        self.models.layers().sweep().await?;
        match &self.erasure {
            Some(erasure) => erasure.look_after().await,
            None => Ok(()),
        }
    }

    async fn look(&self, scope: &TenantScope) -> Result<()> {
        self.ingest.look_after(scope).await?;
        self.deletion.look_after(scope).await?;
        let closed = self.chat.look_after(scope).await?;
        if closed > 0 {
            tracing::warn!(closed, "answers that nobody works on were closed");
        }
        Ok(())
    }
}

fn not_done(error: &notebook_core::Error) {
    tracing::warn!(%error, "what is unfinished could not be looked after; it is tried again");
}
