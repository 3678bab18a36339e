//! The model that writes down recordings.

use std::sync::Arc;

use notebook_core::{
    Error, ErrorKind, Result,
    transcribe::{
        Transcriber,
        openai::{OpenAiTranscribeConfig, OpenAiTranscriber},
    },
};
use notebook_rag::{
    models::ModelPlaces,
    transcribe::whisper::{MODEL_FILES, Whisper},
};

use crate::config::Config;

/// Values of `transcription.provider`.
pub(crate) const TRANSCRIPTION_PROVIDERS: &[&str] = &["auto", "none", "candle", "openai"];

/// The local model, as the hub calls it.
const LOCAL: &str = "Systran/faster-whisper-tiny.en";

/// The model that writes down recordings, if there is one, and why.
pub(crate) struct Listening {
    pub(crate) model: Option<Arc<dyn Transcriber>>,
    pub(crate) reason: String,
}

/// Chooses the model. With `auto`, a missing local model is no error: recordings are refused, and told why.
///
/// # Errors
/// Those of a model that the configuration asks for by name.
pub(crate) async fn transcriber(config: &Config) -> Result<Listening> {
    match config.transcription.provider.as_str() {
        "none" => Ok(Listening {
            model: None,
            reason: "recordings are refused (transcription.provider is none)".to_owned(),
        }),
        "auto" => Ok(match local(config).await {
            Ok(model) => model,
            Err(error) => {
                Listening { model: None, reason: format!("recordings are refused ({error})") }
            }
        }),
        "candle" => local(config).await,
        _ => remote(config),
    }
}

async fn local(config: &Config) -> Result<Listening> {
    let settings = &config.transcription;
    let name = settings.model.clone().unwrap_or_else(|| LOCAL.to_owned());
    let folder = ModelPlaces::from_env().folder(&name, settings.folder.as_deref(), &MODEL_FILES)?;
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(8);
    let label = name.clone();
    let model = tokio::task::spawn_blocking(move || Whisper::load(&label, &folder, threads))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))??;
    Ok(Listening { model: Some(Arc::new(model)), reason: format!("{name}, on this machine") })
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
    Ok(Listening { model: Some(Arc::new(model)), reason })
}
