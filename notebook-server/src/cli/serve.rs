use std::net::SocketAddr;

use notebook_agent::mcp::Begin;
use tokio_util::sync::CancellationToken;

use super::{Outcome, out};
use crate::{compose, config::Config, routes, server};

/// `notebook serve`.
#[derive(clap::Args)]
pub(super) struct Serve {
    /// Port; 0 for any free one.
    #[arg(long)]
    port: Option<u16>,
}

impl Serve {
    pub(super) async fn run(self, mut config: Config) -> Outcome {
        config.server.port = self.port.unwrap_or(config.server.port);
        let listener =
            server::listen(SocketAddr::new(config.server.bind, config.server.port)).await?;
        let address = listener.local_addr()?;
        let ending = CancellationToken::new();
        server::end_on_signals(ending.clone())?;
        let running = compose::open(&config, Begin::AtOnce, ending.clone()).await?;
        running.announce(address)?;
        let status = &running.app.status;
        tracing::info!(
            model = status.chat.label,
            reason = status.chat.reason,
            "answers come from this model"
        );
        tracing::info!(reason = status.embedding_reason, "embedding");
        out::line(format!("notebook is ready at http://{address}"));
        out::line(format!("  answers: {} ({})", status.chat.label, status.chat.reason));
        out::line(format!("  search:  {}", status.embedding_reason));
        if let Some(last) = &status.rerank {
            out::line(format!("  rerank:  {} ({})", last.model, last.place));
        }
        let head = config.limits.head();
        server::serve(listener, routes::server(running.app.clone()), head, ending).await;
        running.shutdown().await;
        Ok(())
    }
}
