//! The model that writes down recordings.

use std::sync::Arc;

use notebook_core::{
    Result,
    transcribe::{
        Transcriber,
        openai::{OpenAiTranscribeConfig, OpenAiTranscriber},
    },
};
use notebook_rag::{models::ModelPlaces, transcribe::whisper::LazyWhisper};

use crate::config::Config;

/// Values of `transcription.provider`.
pub(crate) const TRANSCRIPTION_PROVIDERS: &[&str] = &["auto", "none", "candle", "openai"];

/// The local model, as the hub calls it.
const LOCAL: &str = "Systran/faster-whisper-tiny.en";

/// The model that writes down recordings, if there is one, and why.
pub(crate) struct Listening {
    pub(crate) model: Option<Arc<dyn Transcriber>>,
    /// Whether it can be used as things are: the files of a local one may still be missing.
    pub(crate) is_ready: bool,
    pub(crate) reason: String,
}

/// Chooses the model. A local one is loaded when it is first needed. With `auto` it may be missing until then: recordings
/// fail, and say what to fetch.
///
/// # Errors
/// Those of a model that the configuration asks for by name.
pub(crate) fn transcriber(config: &Config) -> Result<Listening> {
    match config.transcription.provider.as_str() {
        "none" => Ok(Listening {
            model: None,
            is_ready: false,
            reason: "recordings are refused (transcription.provider is none)".to_owned(),
        }),
        "openai" => remote(config),
        provider => {
            let (name, model) = local(config);
            let (is_ready, reason) = match model.files() {
                Ok(_) => (true, format!("{name}, on this machine")),
                Err(error) if provider == "candle" => return Err(error),
                Err(error) => (false, format!("recordings are refused ({error})")),
            };
            Ok(Listening { model: Some(Arc::new(model)), is_ready, reason })
        }
    }
}

fn local(config: &Config) -> (&str, LazyWhisper) {
    let settings = &config.transcription;
    let name = settings.model.as_deref().unwrap_or(LOCAL);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let places = ModelPlaces::from_env();
    (name, LazyWhisper::new(name, places, settings.folder.as_deref(), threads))
}

fn remote(config: &Config) -> Result<Listening> {
    let server = &config.chat.openai;
    let model = config.transcription.model.clone().unwrap_or_default();
    let reason = format!("{model}, {}", server.base_url);
    let mut wanted = OpenAiTranscribeConfig::new(&server.base_url, model);
    wanted.api_key.clone_from(&server.api_key);
    wanted.headers =
        server.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let model = OpenAiTranscriber::new(super::http()?, wanted)?;
    Ok(Listening { model: Some(Arc::new(model)), is_ready: true, reason })
}
