//! A model that is loaded when something is heard for the first time: most servers hear nothing for days.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result,
    transcribe::{Heard, Transcriber},
};
use tokio::sync::OnceCell;

use super::{MODEL_FILES, WINDOW, Whisper};
use crate::models::ModelPlaces;

/// A speech model on this machine that takes no memory before it is needed.
pub struct LazyWhisper {
    name: String,
    places: ModelPlaces,
    folder: Option<PathBuf>,
    threads: usize,
    model: OnceCell<Whisper>,
}

impl LazyWhisper {
    /// The model `name` (`ORG/NAME` or `NAME`), which lies in `folder`, or in one of the usual places. Where it is
    /// missing it is looked for again with the next recording.
    #[must_use]
    pub fn new(name: &str, places: ModelPlaces, folder: Option<&Path>, threads: usize) -> Self {
        let (name, folder) = (name.to_owned(), folder.map(Path::to_owned));
        Self { name, places, folder, threads, model: OnceCell::new() }
    }

    /// Where its files lie.
    ///
    /// # Errors
    /// `NotFound` when there are none, with the context `fix`; `InvalidInput` when the name is none of a model.
    pub fn files(&self) -> Result<PathBuf> {
        let found = self.places.folder(&self.name, self.folder.as_deref(), &MODEL_FILES);
        found.map_err(|error| {
            if error.kind() != ErrorKind::NotFound {
                return error;
            }
            let files = MODEL_FILES.map(|file| format!("--file {file}")).join(" ");
            Error::new(ErrorKind::NotFound, "load speech model")
                .with("model", &self.name)
                .with(
                    "fix",
                    format!(
                        "run `notebook models fetch {} {files}`, or name its folder in transcription.folder, or another transcription.provider",
                        self.name
                    ),
                )
                .caused_by(error)
        })
    }

    async fn load(&self) -> Result<Whisper> {
        let (folder, name, threads) = (self.files()?, self.name.clone(), self.threads);
        tokio::task::spawn_blocking(move || Whisper::load(&name, &folder, threads))
            .await
            .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))?
    }
}

#[async_trait]
impl Transcriber for LazyWhisper {
    fn model(&self) -> &str {
        &self.name
    }

    fn window(&self) -> usize {
        WINDOW
    }

    async fn transcribe(&self, samples: Vec<f32>, last: bool) -> Result<Heard> {
        self.model.get_or_try_init(|| self.load()).await?.transcribe(samples, last).await
    }
}
