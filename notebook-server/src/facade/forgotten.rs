//! A conversation that is made for one answer and not to be kept.

use notebook_core::{TenantScope, model::Run};

use crate::app::App;

/// Deletes a conversation: when it is said, or when this is dropped, as it is when the client goes away in the middle.
pub(super) struct Forgotten(Option<(App, TenantScope, Run)>);

impl Forgotten {
    pub(super) fn new(app: &App, scope: &TenantScope, run: &Run) -> Self {
        Self(Some((app.clone(), scope.clone(), run.clone())))
    }

    /// Now, and waits until it is done.
    pub(super) async fn now(mut self) {
        if let Some((app, scope, run)) = self.0.take() {
            // In a task of its own: the client may be gone meanwhile.
            let _ = tokio::spawn(forget(app, scope, run)).await;
        }
    }
}

impl Drop for Forgotten {
    fn drop(&mut self) {
        if let Some((app, scope, run)) = self.0.take() {
            tokio::spawn(forget(app, scope, run));
        }
    }
}

/// What is still being written ends first: nobody reads it any more.
async fn forget(app: App, scope: TenantScope, run: Run) {
    let stopped = app.chat.stop(&scope, run.id).await.map(drop);
    let deleted = app.store.delete_conversation(&scope, run.conversation).await;
    let forgotten = app.models.layers().forget(&scope).await;
    for done in [stopped, deleted, forgotten] {
        if let Err(error) = done {
            tracing::warn!(run = %run.id, %error, "a conversation that was not to be kept may still be there");
        }
    }
}
