//! BERT-family sentence embeddings on the CPU, from a folder of safetensors.
//!
//! Texts are packed end to end without padding, sorted by length into small batches, and run on a
//! few threads that belong to the model. The kernels are chosen at run time (`crate::kernels`).

pub(crate) mod bert;
pub(crate) mod head;
mod weights;

use std::path::Path;

use notebook_core::Result;

use self::bert::Bert;
use super::local::{Folder, LocalEmbedder, LocalOptions};

/// The files that a model's folder must hold.
pub const MODEL_FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

/// An embedder that needs nothing but this crate.
pub type CandleEmbedder = LocalEmbedder<Bert>;

impl CandleEmbedder {
    /// Loads the model in `folder`, calling it `name`. Reads the files and blocks meanwhile.
    ///
    /// # Errors
    /// `NotFound` when a file is missing, `Corrupt` when one is damaged or disagrees with the
    /// others, `Unsupported` when the model is of another kind; the context names file and field.
    pub fn load(name: &str, folder: &Path, options: &LocalOptions) -> Result<Self> {
        let mut folder = Folder::open(folder, options)?;
        let (file, bytes) = folder.weights("model.safetensors")?;
        let model = Bert::parse(&folder.settings, &file, &bytes)?;
        drop(bytes);
        Self::new(name, folder, model, options.threads())
    }
}
