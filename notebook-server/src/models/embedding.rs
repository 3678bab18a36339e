//! The model that makes vectors.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use notebook_core::{
    Error, Result, Secret,
    embed::{
        Embedder, RemoteEmbedOptions,
        google::{GoogleEmbedConfig, GoogleEmbedder},
        ollama::{OllamaEmbedConfig, OllamaEmbedder},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
};
use notebook_rag::{
    embed::{
        LocalOptions,
        candle::{self, CandleEmbedder},
        ort::{self, OrtEmbedder, OrtOptions},
    },
    models::{ModelPlaces, download::Wanted},
};

use crate::config::{Config, Embedding};

/// Values of `embedding.provider`.
pub(crate) const EMBEDDING_PROVIDERS: &[&str] =
    &["auto", "none", "candle", "ort", "openai", "ollama", "google"];

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
        "ort" => Ok(Chosen::model(onnxruntime(settings).await?, "on this machine, by onnxruntime")),
        remote => connect(remote, settings, config).await,
    }
}

async fn local(settings: &Embedding) -> Result<CandleEmbedder> {
    let (name, folder) = model_folder(settings, &candle::MODEL_FILES)?;
    loaded(move || CandleEmbedder::load(&name, &folder, &LocalOptions::default())).await
}

async fn onnxruntime(settings: &Embedding) -> Result<OrtEmbedder> {
    let (name, folder) = model_folder(settings, &ort::MODEL_FILES)?;
    let options = OrtOptions { library: settings.onnxruntime.clone(), ..OrtOptions::default() };
    loaded(move || OrtEmbedder::load(&name, &folder, &options)).await
}

/// The name of the model that runs on this machine.
pub(crate) fn local_embedding_model(settings: &Embedding) -> String {
    settings.model.clone().unwrap_or_else(|| LOCAL.to_owned())
}

/// What to fetch of it from the hub.
pub(crate) fn embedding_files(settings: &Embedding) -> Vec<Wanted<'static>> {
    let required: &[&str] = if settings.provider == "ort" {
        &["config.json", "tokenizer.json", "onnx/model.onnx"]
    } else {
        &candle::MODEL_FILES
    };
    let required = required.iter().map(|path| Wanted { path, required: true });
    // Without these the vector of a text is the mean of its tokens, of which 256 are read.
    let optional = ["1_Pooling/config.json", "sentence_bert_config.json"];
    required.chain(optional.map(|path| Wanted { path, required: false })).collect()
}

/// The model's name and the folder of its files.
fn model_folder(settings: &Embedding, files: &[&str]) -> Result<(String, PathBuf)> {
    let name = local_embedding_model(settings);
    let folder = ModelPlaces::from_env().folder(&name, settings.folder.as_deref(), files)?;
    Ok((name, folder))
}

/// Reading 90 MB of weights is no work for an async thread.
async fn loaded<T: Send + 'static>(load: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(load).await.map_err(|error| {
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
            wanted.api_key = first_key(&server.api_key, &server.api_keys);
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
            let key = first_key(&server.api_key, &server.api_keys).ok_or_else(|| {
                Error::invalid("choose embedding model", "chat.google.api_key", "set the key")
            })?;
            let mut wanted = GoogleEmbedConfig::new(model, key);
            wanted.base_url.clone_from(&server.base_url);
            wanted.options = with(wanted.options);
            Ok(Chosen::model(GoogleEmbedder::connect(http, wanted).await?, &server.base_url))
        }
    }
}

/// Of several keys the first: calls for vectors are not counted with those for answers.
fn first_key(one: &Option<Secret>, several: &BTreeMap<String, Secret>) -> Option<Secret> {
    one.clone().or_else(|| several.values().next().cloned())
}
