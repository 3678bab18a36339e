//! Whisper on this machine's processors: speech models from files in CTranslate2's form.
//!
//! The files are `model.bin`, `config.json` and `tokenizer.json`, as conversions for faster-whisper hold them. A window is
//! thirty seconds. The decoder is greedy, with the rules for time marks of the original; where it loses its way or is
//! unsure it tries again less greedily. Where it still says the same without end, what it said before is kept, and what comes after is
//! heard anew.

mod decode;
mod file;
mod lazy;
mod mel;
mod net;
mod sense;
mod silence;
mod tokens;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use notebook_core::{
    Error, ErrorKind, Result,
    transcribe::{Heard, SAMPLE_RATE, Transcriber, duration},
};

use decode::Listener;
pub use lazy::LazyWhisper;

/// The files of a model.
pub const MODEL_FILES: [&str; 2] = ["model.bin", "tokenizer.json"];

/// Seconds that the model hears at once.
const WINDOW_SECONDS: usize = 30;
const WINDOW: usize = WINDOW_SECONDS * SAMPLE_RATE;

/// A speech model on this machine.
#[derive(Clone)]
pub struct Whisper {
    name: String,
    listener: Arc<Listener>,
}

impl Whisper {
    /// Reads the model in `folder`. `threads` work on it at once.
    ///
    /// # Errors
    /// `NotFound` or `Corrupt`, naming the file.
    pub fn load(name: &str, folder: &Path, threads: usize) -> Result<Self> {
        let listener = Arc::new(Listener::load(folder, threads.max(1))?);
        Ok(Self { name: name.to_owned(), listener })
    }
}

#[async_trait]
impl Transcriber for Whisper {
    fn model(&self) -> &str {
        &self.name
    }

    fn window(&self) -> usize {
        WINDOW
    }

    async fn transcribe(&self, mut samples: Vec<f32>, last: bool) -> Result<Heard> {
        let last = last && samples.len() <= WINDOW;
        samples.truncate(WINDOW);
        let lead = silence::lead(&samples);
        samples.drain(..lead);
        if samples.is_empty() {
            return Ok(Heard { segments: Vec::new(), consumed: lead });
        }
        let listener = Arc::clone(&self.listener);
        let mut heard =
            tokio::task::spawn_blocking(move || listener.hear(&samples, last)).await.map_err(
                |error| Error::new(ErrorKind::Internal, "transcribe").caused_by(error),
            )??;
        for segment in &mut heard.segments {
            segment.start += duration(lead);
            segment.end += duration(lead);
        }
        heard.consumed += lead;
        Ok(heard)
    }
}
