use std::{path::PathBuf, sync::Arc};

use indicatif::ProgressBar;
use notebook_core::{clock::SystemClock, key_usage::memory::MemoryKeyUsage};
use notebook_rag::eval::{self, EvalConfig};

use super::{Outcome, out};
use crate::{config::Config, models};

/// `notebook eval`.
#[derive(clap::Args)]
pub(super) struct Eval {
    /// Folder with corpus.jsonl, queries.jsonl and qrels/test.tsv.
    dataset: PathBuf,
}

impl Eval {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let uncounted = Arc::new(MemoryKeyUsage::new());
        let layers = models::layers(&config, uncounted, Arc::new(SystemClock)).await?;
        let chosen = models::embedder(&config, &layers).await?;
        if chosen.model.is_none() {
            out::note(format!("search: {}", chosen.reason));
        }
        let embedder = chosen.model.map(|stack| stack.model);
        let bar = ProgressBar::new(0);
        let reranking = models::reranking(&config, &layers).await?;
        let settings = EvalConfig::default();
        let report = eval::run(&self.dataset, embedder, reranking, settings, &|progress| {
            bar.set_length(progress.total as u64);
            bar.set_position(progress.done as u64);
        })
        .await?;
        bar.finish_and_clear();
        out::line(report);
        Ok(())
    }
}
