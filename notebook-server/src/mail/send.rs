//! What sends: the handlers of the jobs.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use notebook_core::{
    Error, JobId, Result, Retry,
    mail::{Address, Message},
    queue::{
        JobError, Outcome,
        runner::{Ended, Handler, Work},
    },
};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{
    Invitation, Post, Reset,
    text::{self, Text},
};
use crate::access::Accounts;

/// What both need.
pub(super) struct Sender {
    pub(super) post: Arc<Post>,
    pub(super) accounts: Arc<Accounts>,
}

/// Sends links to set a password.
pub(super) struct Resets(pub(super) Sender);

/// Sends invitations.
pub(super) struct Invitations(pub(super) Sender);

#[async_trait]
impl Handler for Resets {
    async fn run(&self, work: Work) -> Ended {
        let sent = self.send(&work);
        end(work.stop.run_until_cancelled(sent).await, &work)
    }
}

#[async_trait]
impl Handler for Invitations {
    async fn run(&self, work: Work) -> Ended {
        let sent = self.send(&work);
        end(work.stop.run_until_cancelled(sent).await, &work)
    }
}

impl Resets {
    /// Whether there was somebody to send it to.
    async fn send(&self, work: &Work) -> Result<bool> {
        let Sender { post, accounts } = &self.0;
        let Reset { address } = payload(work)?;
        let found = accounts.auth.reset_to_send(&address, work.job.id).await?;
        let Some((user, token)) = found else { return Ok(false) };
        let link = format!("{}/#reset={}", post.origin, token.expose());
        let text = text::reset(post.language, &link);
        post.mailer.send(&message(work.job.id, &user.email, text)).await?;
        Ok(true)
    }
}

impl Invitations {
    /// Whether it was still open.
    async fn send(&self, work: &Work) -> Result<bool> {
        let Sender { post, accounts } = &self.0;
        let Invitation { invitation } = payload(work)?;
        let found = accounts.auth.invitation_to_send(&work.scope, invitation).await?;
        let Some((invited, token)) = found else { return Ok(false) };
        let link = format!("{}/#invitation={}", post.origin, token.expose());
        let text = text::invitation(post.language, &invited.workspace, &link);
        post.mailer.send(&message(work.job.id, &invited.invitation.email, text)).await?;
        Ok(true)
    }
}

fn payload<T: DeserializeOwned>(work: &Work) -> Result<T> {
    serde_json::from_value(work.job.payload.clone())
        .map_err(|error| Error::invalid("send mail", "payload", error.to_string()))
}

fn message(job: JobId, to: &str, Text { subject, text }: Text) -> Message {
    Message { id: job.to_string(), to: Address::new(to), subject, text }
}

/// What becomes of the job: what may pass is tried again, later each time; what is refused for good is dead at once.
fn end(sent: Option<Result<bool>>, work: &Work) -> Ended {
    match sent {
        None => Outcome::Released,
        Some(Ok(sent)) => Outcome::completed(json!({ "sent": sent })),
        Some(Err(error)) => {
            tracing::warn!(job = %work.job.id, kind = work.job.kind, %error, "mail could not be sent");
            let told = JobError { code: error.kind().code().to_owned(), message: error.to_string() };
            match error.retry_status() {
                Retry::Never => Outcome::Hopeless(told),
                Retry::Backoff => Outcome::Failed { error: told, not_before: Duration::ZERO },
                Retry::After(wait) => Outcome::Failed { error: told, not_before: wait },
            }
        }
    }
    .into()
}
