//! What writes down recordings.

use std::path::PathBuf;

use serde::Deserialize;

/// What writes down recordings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Transcription {
    /// `auto` (a local model where there is one), `none`, or one of the providers compiled in.
    pub provider: String,
    /// Model name for `openai`, or the name of a folder of model files for `candle`.
    pub model: Option<String>,
    /// Folder with `model.bin` and `tokenizer.json`, in CTranslate2's form, for `candle`.
    pub folder: Option<PathBuf>,
}

impl Default for Transcription {
    fn default() -> Self {
        Self { provider: "auto".to_owned(), model: None, folder: None }
    }
}
