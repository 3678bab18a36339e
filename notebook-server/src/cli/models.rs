//! `notebook models fetch`: a model from the hub into its cache on this machine.

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use notebook_rag::models::{
    ModelPlaces,
    download::{Hub, Progress, Wanted, download},
};

use super::{Outcome, out};
use crate::{config::Config, models};

/// Fetch models that run on this machine.
#[derive(Args)]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch a model from the hub (HF_ENDPOINT, HF_TOKEN) into its cache (HF_HUB_CACHE), where it is then found.
    Fetch(Fetch),
}

#[derive(Args)]
struct Fetch {
    /// ORG/NAME as the hub calls it; the configured embedding model when absent.
    model: Option<String>,
    /// A file of the model, such as a GGUF; may be given more than once. The files of an embedding model when absent.
    #[arg(long = "file")]
    files: Vec<String>,
    /// Branch, tag or commit.
    #[arg(long, default_value = "main")]
    revision: String,
}

impl Models {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let Command::Fetch(fetch) = self.command;
        let name = fetch.model.unwrap_or_else(|| models::local_embedding_model(&config.embedding));
        let files: Vec<Wanted<'_>> = if fetch.files.is_empty() {
            models::embedding_files(&config.embedding)
        } else {
            fetch.files.iter().map(|path| Wanted { path, required: true }).collect()
        };
        let hub = Hub { revision: fetch.revision, ..Hub::from_env() };
        let http = models::http()?;
        let bar = Bar::new();
        let folder = download(&http, &ModelPlaces::from_env(), &hub, &name, &files, &|progress| {
            bar.show(progress);
        })
        .await;
        bar.0.finish_and_clear();
        out::line(format!("{name} is in {}", folder?.display()));
        Ok(())
    }
}

/// The file that is being fetched.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new(0);
        let template = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Self(bar)
    }

    fn show(&self, progress: Progress<'_>) {
        if self.0.message() != progress.path {
            self.0.set_message(progress.path.to_owned());
            self.0.reset();
        }
        if let Some(total) = progress.total {
            self.0.set_length(total);
        }
        self.0.set_position(progress.bytes);
    }
}
