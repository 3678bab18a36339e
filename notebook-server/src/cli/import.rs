use std::{path::PathBuf, time::Duration};

use notebook_core::{
    JobId, NotebookId,
    model::{Notebook, Source},
};
use notebook_rag::archive::Imported;
use serde::Deserialize;

use super::{Outcome, client::Client, out};
use crate::config::Config;

/// How often unfinished sources are asked after.
const POLL: Duration = Duration::from_millis(200);

/// `notebook import`.
#[derive(clap::Args)]
pub(super) struct Import {
    /// An archive that `notebook export` wrote.
    file: PathBuf,
    /// Return when the notebook is there, before its sources can be asked about.
    #[arg(long)]
    no_wait: bool,
}

#[derive(Deserialize)]
struct Accepted {
    job: JobId,
}

#[derive(Deserialize)]
struct Sources {
    items: Vec<Source>,
}

impl Import {
    pub(super) async fn run(self, config: Config) -> Outcome {
        std::fs::metadata(&self.file)
            .map_err(|error| format!("{}: {error}", self.file.display()))?;
        let client = Client::connect(&config).await?;
        let result = tokio::select! {
            result = self.import(&client) => result,
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        };
        client.close().await;
        result
    }

    async fn import(&self, client: &Client) -> Outcome {
        let Accepted { job } = client.upload("/api/imports", &self.file).await?;
        let imported: Imported = serde_json::from_value(client.job(job).await?)?;
        let notebook: Notebook =
            client.get(&format!("/api/notebooks/{}", imported.notebook)).await?;
        if !self.no_wait {
            ready(client, notebook.id).await?;
        }
        let counts = imported.counts;
        out::line(format!(
            "Imported \"{}\": {} sources, {} conversations",
            notebook.name, counts.sources, counts.conversations
        ));
        Ok(())
    }
}

/// Waits until every source can be asked about, or has failed.
async fn ready(client: &Client, notebook: NotebookId) -> Outcome {
    loop {
        let path = format!("/api/notebooks/{notebook}/sources");
        let Sources { items } = client.get(&path).await?;
        if items.iter().all(|source| !source.stage.is_unfinished()) {
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
}
