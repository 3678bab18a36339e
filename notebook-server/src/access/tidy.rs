//! Forgets sessions that were over long ago.

use std::{sync::Arc, time::Duration};

use notebook_core::{Result, identity::Identity};
use tokio_util::sync::CancellationToken;

/// How often it is looked.
const ROUND: Duration = Duration::from_secs(60 * 60);
/// How long a session that is over is kept: late uses of its tokens are noticed as long.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many are forgotten in a transaction.
const TOGETHER: usize = 1_000;

/// As long as the server runs; any number of servers may.
pub(super) async fn go_on(identity: Arc<dyn Identity>, server: CancellationToken) {
    while server.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
        if let Err(error) = round(&*identity).await {
            tracing::warn!(%error, "old sessions could not be forgotten; it is tried again");
        }
    }
}

async fn round(identity: &dyn Identity) -> Result<()> {
    let before = identity.now().await?.before(KEPT);
    while identity.forget_sessions(before, TOGETHER).await? == TOGETHER {}
    Ok(())
}
