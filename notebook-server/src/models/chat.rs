//! The model that answers.

use std::{num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use notebook_agent::chat::ModelSource;
use notebook_core::{
    Error, ErrorKind, Result,
    chat::{
        ChatModel,
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{OpenAiChat, OpenAiConfig},
    },
    http::{BaseUrl, HttpClient, HttpRequest, Timeouts},
    model::ModelSettings,
};
use notebook_rag::{
    chat::gguf::{GgufModel, GgufOptions},
    extractive::ExtractiveModel,
    models::ModelPlaces,
};
use serde::Deserialize;

use crate::{
    config::{Chat, Config},
    status::ChatStatus,
};

/// Values of `chat.provider`.
pub(crate) const CHAT_PROVIDERS: &[&str] =
    &["auto", "openai", "ollama", "google", "gguf", "extractive"];

/// How long a provider may take to show that it is there.
const PROBE: Duration = Duration::from_millis(700);
/// The local model that is looked for in the model cache.
const LOCAL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// The longest list of models that is read from Ollama, in bytes.
const LONGEST_LIST: usize = 4 << 20;

/// The models that answer.
pub struct Models {
    config: Chat,
    http: HttpClient,
    default: Arc<dyn ChatModel>,
    /// Answers without a model: there whatever else is.
    extractive: Arc<ExtractiveModel>,
    reason: String,
}

/// Chooses the default model.
///
/// # Errors
/// Those of a provider that the configuration asks for by name.
pub(crate) async fn chat(config: &Config) -> Result<Arc<Models>> {
    let http = super::http()?;
    let config = config.chat.clone();
    let extractive = Arc::new(ExtractiveModel::default());
    let (default, reason) = match config.provider.as_str() {
        "auto" => choose(&config, &http, &extractive).await?,
        "extractive" => {
            (extractive.clone() as Arc<dyn ChatModel>, "chat.provider is extractive".to_owned())
        }
        "ollama" => (ollama(&config, &http, None).await?, "chat.provider is ollama".to_owned()),
        "gguf" => (gguf(&config, local_file(&config)?).await?, "chat.provider is gguf".to_owned()),
        named => (remote(&config, &http, named, None)?, format!("chat.provider is {named}")),
    };
    Ok(Arc::new(Models { config, http, default, extractive, reason }))
}

/// A configured provider, else Ollama if it answers, else a local file, else quotes.
async fn choose(
    config: &Chat,
    http: &HttpClient,
    extractive: &Arc<ExtractiveModel>,
) -> Result<(Arc<dyn ChatModel>, String)> {
    if config.openai.model.is_some() {
        return Ok((remote(config, http, "openai", None)?, "chat.openai.model is set".to_owned()));
    }
    if config.google.api_key.is_some() {
        return Ok((
            remote(config, http, "google", None)?,
            "chat.google.api_key is set".to_owned(),
        ));
    }
    let found = tokio::time::timeout(PROBE, ollama(config, http, None)).await;
    if let Ok(Ok(model)) = found {
        return Ok((model, format!("Ollama answers at {}", config.ollama.base_url)));
    }
    match local_file(config) {
        Ok(file) => {
            let shown = file.display().to_string();
            Ok((gguf(config, file).await?, format!("found {shown}")))
        }
        Err(_) => Ok((
            extractive.clone(),
            "no provider is configured, Ollama does not answer and there is no GGUF file: answers are quotes"
                .to_owned(),
        )),
    }
}

fn remote(
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
        other => Err(unknown(other)),
    }
}

async fn ollama(
    config: &Chat,
    http: &HttpClient,
    model: Option<&str>,
) -> Result<Arc<dyn ChatModel>> {
    let name = match model.or(config.ollama.model.as_deref()) {
        Some(name) => name.to_owned(),
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

fn local_file(config: &Chat) -> Result<PathBuf> {
    ModelPlaces::from_env().file(LOCAL_FILE, None, config.gguf.path.as_deref())
}

async fn gguf(config: &Chat, file: PathBuf) -> Result<Arc<dyn ChatModel>> {
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

impl Models {
    /// What is said about the default model.
    pub(crate) fn status(&self) -> ChatStatus {
        let info = self.default.info();
        ChatStatus {
            label: info.label(),
            provider: info.provider.clone(),
            model: info.model.clone(),
            local: info.local,
            reason: self.reason.clone(),
        }
    }

    /// The model that answers where nothing else is asked for.
    pub(crate) fn default_model(&self) -> Arc<dyn ChatModel> {
        self.default.clone()
    }
}

impl ModelSource for Models {
    fn model(&self, settings: &ModelSettings) -> Result<Arc<dyn ChatModel>> {
        let info = self.default.info();
        let provider = settings.provider.as_deref().unwrap_or(&info.provider);
        let same_model = settings.model.as_ref().is_none_or(|model| *model == info.model);
        if provider == info.provider && same_model {
            return Ok(self.default.clone());
        }
        match provider {
            "extractive" => Ok(self.extractive.clone()),
            "ollama" => {
                let model =
                    settings.model.as_ref().or(self.config.ollama.model.as_ref()).ok_or_else(
                        || {
                            Error::invalid(
                                "choose model",
                                "settings.model",
                                "name the model that Ollama should use",
                            )
                        },
                    )?;
                let mut wanted = OllamaConfig::new(model);
                wanted.base_url.clone_from(&self.config.ollama.base_url);
                Ok(Arc::new(OllamaChat::new(self.http.clone(), wanted)?))
            }
            "gguf" => Err(Error::invalid(
                "choose model",
                "settings.provider",
                "a model file is loaded at start: set chat.provider to gguf and start again",
            )),
            other => remote(&self.config, &self.http, other, settings.model.as_deref()),
        }
    }
}
