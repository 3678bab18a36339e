//! The model that makes vectors.

use std::sync::Arc;

use notebook_core::{
    Error, Result,
    embed::{
        Embedder, RemoteEmbedOptions,
        google::{GoogleEmbedConfig, GoogleEmbedder},
        ollama::{OllamaEmbedConfig, OllamaEmbedder},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
};
use notebook_rag::{
    embed::candle::{CandleEmbedder, CandleOptions, MODEL_FILES},
    models::ModelPlaces,
};

use crate::config::{Config, Embedding};

/// Values of `embedding.provider`.
pub(crate) const EMBEDDING_PROVIDERS: &[&str] =
    &["auto", "none", "candle", "openai", "ollama", "google"];

/// The local model.
const LOCAL: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// The model that makes vectors, if there is one, and why.
pub(crate) struct Chosen {
    pub(crate) model: Option<Arc<dyn Embedder>>,
    pub(crate) reason: String,
}

impl Chosen {
    fn model(embedder: impl Embedder, why: &str) -> Self {
        let reason = format!("keywords and vectors ({}, {why})", embedder.space().model);
        Self { model: Some(Arc::new(embedder)), reason }
    }
}

/// Chooses the model. With `auto`, a missing local model is no error: the search goes by keywords and says so.
///
/// # Errors
/// Those of a model that the configuration asks for by name.
pub(crate) async fn embedder(settings: &Embedding, config: &Config) -> Result<Chosen> {
    match settings.provider.as_str() {
        "none" => Ok(Chosen {
            model: None,
            reason: "keywords only (embedding.provider is none)".to_owned(),
        }),
        "auto" => Ok(match local(settings).await {
            Ok(embedder) => Chosen::model(embedder, "on this machine"),
            Err(error) => Chosen { model: None, reason: format!("keywords only ({error})") },
        }),
        "candle" => Ok(Chosen::model(local(settings).await?, "on this machine")),
        remote => connect(remote, settings, config).await,
    }
}

async fn local(settings: &Embedding) -> Result<CandleEmbedder> {
    let name = settings.model.clone().unwrap_or_else(|| LOCAL.to_owned());
    let folder = ModelPlaces::from_env().folder(&name, settings.folder.as_deref(), &MODEL_FILES)?;
    // Reading 90 MB of weights is no work for an async thread.
    tokio::task::spawn_blocking(move || {
        CandleEmbedder::load(&name, &folder, &CandleOptions::default())
    })
    .await
    .map_err(|error| {
        Error::new(notebook_core::ErrorKind::Internal, "load model").caused_by(error)
    })?
}

async fn connect(provider: &str, settings: &Embedding, config: &Config) -> Result<Chosen> {
    let model = settings.model.clone().ok_or_else(|| {
        Error::invalid(
            "choose embedding model",
            "embedding.model",
            "name the model that the provider should use",
        )
    })?;
    let http = super::http()?;
    let with = |options: RemoteEmbedOptions| RemoteEmbedOptions {
        dimensions: settings.dimensions,
        ..options
    };
    match provider {
        "openai" => {
            let server = &config.chat.openai;
            let mut wanted = OpenAiEmbedConfig::new(&server.base_url, model);
            wanted.api_key.clone_from(&server.api_key);
            wanted.headers =
                server.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            wanted.options = with(wanted.options);
            Ok(Chosen::model(OpenAiEmbedder::connect(http, wanted).await?, &server.base_url))
        }
        "ollama" => {
            let mut wanted = OllamaEmbedConfig::new(model);
            wanted.base_url.clone_from(&config.chat.ollama.base_url);
            wanted.options = with(wanted.options);
            Ok(Chosen::model(
                OllamaEmbedder::connect(http, wanted).await?,
                &config.chat.ollama.base_url,
            ))
        }
        _ => {
            let server = &config.chat.google;
            let key = server.api_key.clone().ok_or_else(|| {
                Error::invalid("choose embedding model", "chat.google.api_key", "set the key")
            })?;
            let mut wanted = GoogleEmbedConfig::new(model, key);
            wanted.base_url.clone_from(&server.base_url);
            wanted.options = with(wanted.options);
            Ok(Chosen::model(GoogleEmbedder::connect(http, wanted).await?, &server.base_url))
        }
    }
}
