//! `notebook models`: a model from the hub into its cache on this machine, and how the keys of providers are used.

use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use notebook_core::{Clock as _, clock::SystemClock, key_usage::sql::SqlKeyUsage};
use notebook_rag::models::{
    ModelPlaces,
    download::{Hub, Progress, Wanted, download},
};

use super::{Outcome, out};
use crate::{compose, config::Config, models};

/// Fetch models that run on this machine, and see how the keys of providers are used.
#[derive(Args)]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch a model from the hub (HF_ENDPOINT, HF_TOKEN) into its cache (HF_HUB_CACHE), where it is then found.
    Fetch(Fetch),
    /// Show how often the keys of providers that have several were called today, on all servers.
    Keys,
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
        match self.command {
            Command::Fetch(fetch) => fetch.run(config).await,
            Command::Keys => keys(&config).await,
        }
    }
}

async fn keys(config: &Config) -> Outcome {
    let store = compose::open_rows(config).await?;
    let usage = SqlKeyUsage::new(&store);
    let states = models::key_states(&config.chat, &usage, SystemClock.now()).await;
    store.close().await?;
    let states = states?;
    if states.is_empty() {
        out::line("no provider has several keys (chat.openai.api_keys, chat.google.api_keys)");
    }
    for key in states {
        let most = key.daily_calls.map_or_else(String::new, |most| format!(" of {most}"));
        let rests = match key.resting_millis {
            0 => String::new(),
            millis => format!(", rests for {} s", millis.div_ceil(1_000)),
        };
        out::line(format!("{} {}: {}{most} calls today{rests}", key.provider, key.name, key.used));
    }
    Ok(())
}

impl Fetch {
    async fn run(self, config: Config) -> Outcome {
        let fetch = self;
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
