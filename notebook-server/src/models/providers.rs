//! One bare model of each provider, from the configuration. Which of them answers is decided in [`chat`](super::chat), and what
//! stands around it too.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result,
    chat::{
        ChatModel,
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
    },
    http::{BaseUrl, HttpClient, HttpRequest, Timeouts},
};
use notebook_rag::{
    chat::gguf::{GgufModel, GgufOptions},
    models::ModelPlaces,
};
use serde::Deserialize;

use crate::config::Chat;

/// Values of `chat.provider`.
pub(crate) const CHAT_PROVIDERS: &[&str] =
    &["auto", "openai", "ollama", "google", "gguf", "extractive"];

/// How long a provider may take to show that it is there.
pub(super) const PROBE: Duration = Duration::from_millis(700);
/// The local model that is looked for in the model cache.
const LOCAL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// The longest list of models that is read from Ollama, in bytes.
const LONGEST_LIST: usize = 4 << 20;

/// A remote model, without a call to its provider.
///
/// # Errors
/// `InvalidInput` that names the setting that is missing or wrong.
pub(super) fn make(
    config: &Chat,
    http: &HttpClient,
    provider: &str,
    model: Option<&str>,
) -> Result<Arc<dyn ChatModel>> {
    match provider {
        "openai" => {
            let server = &config.openai;
            let model = model.or(server.model.as_deref()).ok_or_else(|| {
                Error::invalid("choose model", "chat.openai.model", "name the model to use")
            })?;
            let mut wanted = OpenAiConfig::new(&server.base_url, model);
            wanted.api_key.clone_from(&server.api_key);
            wanted.headers =
                server.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            wanted.context_tokens = server.context_tokens;
            Ok(Arc::new(OpenAiChat::new(http.clone(), wanted)?))
        }
        "google" => {
            let server = &config.google;
            let key = server.api_key.clone().ok_or_else(|| {
                Error::invalid("choose model", "chat.google.api_key", "set the key")
            })?;
            let mut wanted = GoogleConfig::new(model.unwrap_or(&server.model), key);
            wanted.base_url.clone_from(&server.base_url);
            Ok(Arc::new(GoogleChat::new(http.clone(), wanted)?))
        }
        "ollama" => {
            let model = model.or(config.ollama.model.as_deref()).ok_or_else(|| {
                let fix = "name the model that Ollama should use";
                Error::invalid("choose model", "settings.model", fix)
            })?;
            let mut wanted = OllamaConfig::new(model);
            wanted.base_url.clone_from(&config.ollama.base_url);
            Ok(Arc::new(OllamaChat::new(http.clone(), wanted)?))
        }
        other => Err(unknown(other)),
    }
}

/// Ollama's model of the configuration, else the first that is installed; its window is asked for.
pub(super) async fn ollama(config: &Chat, http: &HttpClient) -> Result<Arc<dyn ChatModel>> {
    let name = match &config.ollama.model {
        Some(name) => name.clone(),
        None => first_installed(config, http).await?,
    };
    let mut wanted = OllamaConfig::new(name);
    wanted.base_url.clone_from(&config.ollama.base_url);
    Ok(Arc::new(OllamaChat::connect(http.clone(), wanted).await?))
}

#[derive(Deserialize)]
struct Installed {
    models: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

async fn first_installed(config: &Chat, http: &HttpClient) -> Result<String> {
    let url = BaseUrl::parse(&config.ollama.base_url)?.join("api/tags");
    let call = HttpRequest::get("list models", url, Timeouts { first_byte: PROBE, idle: PROBE });
    let list: Installed = http.send(call).await?.json(LONGEST_LIST).await?;
    list.models.into_iter().next().map(|model| model.name).ok_or_else(|| {
        Error::new(ErrorKind::NotFound, "choose model")
            .with("what", "model at Ollama")
            .with("fix", "install one: ollama pull llama3.2")
    })
}

/// The GGUF file that would be loaded.
pub(super) fn local_file(config: &Chat) -> Result<PathBuf> {
    ModelPlaces::from_env().file(LOCAL_FILE, None, config.gguf.path.as_deref())
}

/// Loads a model file.
pub(super) async fn gguf(config: &Chat, file: PathBuf) -> Result<Arc<dyn ChatModel>> {
    let context_tokens = NonZeroUsize::new(config.gguf.context_tokens as usize);
    let options = GgufOptions { context_tokens, ..GgufOptions::default() };
    let model = tokio::task::spawn_blocking(move || GgufModel::load(&file, &options))
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))??;
    Ok(Arc::new(model))
}

fn unknown(provider: &str) -> Error {
    Error::invalid("choose model", "provider", format!("use one of: {}", CHAT_PROVIDERS.join(", ")))
        .with("provider", provider.to_owned())
}
