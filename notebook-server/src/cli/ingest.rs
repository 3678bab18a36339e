use std::{collections::HashMap, path::PathBuf};

use futures::{StreamExt, stream};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use notebook_core::{
    NotebookId, SourceId,
    model::{Notebook, Page, Source, Stage},
};
use serde_json::json;

use super::{Outcome, client::Client, out};
use crate::config::Config;

/// Files sent at once: the server writes one to disk while it reads the next.
const UPLOADS: usize = 4;

/// `notebook ingest`.
#[derive(clap::Args)]
pub(super) struct Ingest {
    /// Files to add. Folders are read recursively.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The notebook's name; it is created when there is none.
    #[arg(long)]
    notebook: String,
    /// Return when the files can be asked about by keywords, before their vectors are made.
    #[arg(long)]
    no_wait: bool,
}

impl Ingest {
    pub(super) async fn run(self, config: Config) -> Outcome {
        let files = all_files(&self.files)?;
        if files.is_empty() {
            let named: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
            return Err(format!("there is no file in {}", named.join(", ")).into());
        }
        let client = Client::connect(&config).await?;
        let result = self.add(&client, files).await;
        client.close().await;
        result
    }

    async fn add(&self, client: &Client, files: Vec<PathBuf>) -> Outcome {
        let notebook = find_or_create(client, &self.notebook).await?;
        let mut events =
            Box::pin(client.events(&format!("/api/notebooks/{}/events", notebook.id)).await?);
        let bars = Bars::new(files.len());
        let mut failed = 0;
        let mut waiting = HashMap::new();
        let path = format!("/api/notebooks/{}/sources", notebook.id);
        let mut sent = stream::iter(files)
            .map(async |file| (client.upload::<Source>(&path, &file).await, file))
            .buffered(UPLOADS);
        while let Some((result, file)) = sent.next().await {
            match result {
                Ok(source) => {
                    waiting.insert(source.id, file);
                }
                Err(error) => {
                    failed += 1;
                    bars.say(&format!("✗ {}: {error}", file.display()));
                    bars.one_done();
                }
            }
        }
        // Changes that came while the files were sent are in the stream already, or are listed here.
        for source in client.get::<Sources>(&path).await?.items {
            failed += self.look(&source, &mut waiting, &bars);
        }
        while !waiting.is_empty() {
            let (name, data) = events
                .next()
                .await
                .ok_or("the server ended the stream; the files stay queued")??;
            if name == "source" {
                failed += self.look(&serde_json::from_value(data)?, &mut waiting, &bars);
            }
        }
        bars.finish();
        if failed > 0 {
            return Err(format!("{failed} of the files could not be added").into());
        }
        out::line(format!(
            "Added to \"{}\". Ask: notebook ask --notebook \"{0}\" \"…\"",
            notebook.name
        ));
        Ok(())
    }

    /// Takes note of a source; returns 1 when it failed.
    fn look(
        &self,
        source: &Source,
        waiting: &mut HashMap<SourceId, PathBuf>,
        bars: &Bars,
    ) -> usize {
        if !waiting.contains_key(&source.id) {
            return 0;
        }
        bars.show(source);
        let failed = source.stage == Stage::Failed;
        if failed || source.stage == Stage::Ready || (self.no_wait && source.keywords_ready) {
            let file = waiting.remove(&source.id).unwrap_or_default();
            match &source.failure {
                Some(failure) => bars.say(&format!("✗ {}: {}", file.display(), failure.message)),
                None => bars.say(&format!("✓ {} ({} chunks)", file.display(), source.chunks)),
            }
            bars.one_done();
        }
        usize::from(failed)
    }
}

#[derive(serde::Deserialize)]
struct Sources {
    items: Vec<Source>,
}

/// The notebook with this name, made if there is none.
pub(super) async fn find_or_create(
    client: &Client,
    name: &str,
) -> Result<Notebook, Box<dyn std::error::Error + Send + Sync>> {
    match find(client, name).await? {
        Some(notebook) => Ok(notebook),
        None => {
            client.post("/api/notebooks", &json!({ "id": NotebookId::new(), "name": name })).await
        }
    }
}

/// The newest notebook with this name.
pub(super) async fn find(
    client: &Client,
    name: &str,
) -> Result<Option<Notebook>, Box<dyn std::error::Error + Send + Sync>> {
    let mut after = String::new();
    loop {
        let page: Page<Notebook> =
            client.get(&format!("/api/notebooks?archived=true&limit=500{after}")).await?;
        if let Some(found) = page.items.into_iter().find(|notebook| notebook.name == name) {
            return Ok(Some(found));
        }
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => return Ok(None),
        }
    }
}

fn all_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, std::io::Error> {
    let mut files = Vec::new();
    let mut left: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = left.pop() {
        let about = |error: std::io::Error| {
            std::io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        };
        if path.is_dir() {
            let mut inside: Vec<PathBuf> = std::fs::read_dir(&path)
                .map_err(about)?
                .map(|entry| Ok(entry?.path()))
                .collect::<Result<_, std::io::Error>>()?;
            inside.sort_unstable_by(|a, b| b.cmp(a));
            left.extend(inside.into_iter().filter(|path| !path.is_symlink()));
        } else {
            std::fs::metadata(&path).map_err(about)?;
            files.push(path);
        }
    }
    Ok(files)
}

/// One bar for all files, one for the source that moves.
struct Bars {
    all: ProgressBar,
    current: ProgressBar,
}

impl Bars {
    fn new(files: usize) -> Self {
        let bars = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let all = bars.add(ProgressBar::new(files as u64));
        all.set_style(style("{wide_bar} {pos}/{len} files"));
        let current = bars.add(ProgressBar::new(0));
        current.set_style(style("{msg} {wide_bar} {pos}/{len}"));
        Self { all, current }
    }

    fn show(&self, source: &Source) {
        self.current.set_message(format!("{} {:?}", source.name, source.stage));
        self.current.set_length(source.progress.total);
        self.current.set_position(source.progress.done);
    }

    fn say(&self, text: &str) {
        if self.all.is_hidden() {
            out::note(text);
        } else {
            self.all.println(text);
        }
    }

    fn one_done(&self) {
        self.all.inc(1);
    }

    fn finish(&self) {
        self.current.finish_and_clear();
        self.all.finish_and_clear();
    }
}
