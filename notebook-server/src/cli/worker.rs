use notebook_agent::mcp::Begin;
use notebook_core::Error;
use tokio_util::sync::CancellationToken;

use super::{Outcome, out};
use crate::{compose, config::Config, server};

/// `notebook worker`: does jobs beside servers that share a database.
pub(super) async fn run(config: Config) -> Outcome {
    if config.storage.postgres.is_none() {
        return Err(Error::invalid(
            "start worker",
            "storage.postgres",
            "name the database that the servers share; with SQLite the server does its jobs itself",
        )
        .into());
    }
    let ending = CancellationToken::new();
    server::end_on_signals(ending.clone())?;
    let running = compose::open(&config, Begin::AtOnce, ending.clone()).await?;
    out::line("worker is ready");
    ending.cancelled().await;
    running.shutdown().await;
    Ok(())
}
