//! The model that makes vectors.

use std::{path::PathBuf, sync::Arc};

use notebook_core::{
    Error, ErrorKind, Result, Secret,
    chat::layers::Pooled,
    embed::{
        BatchSize, Embedder, RemoteEmbedOptions,
        google::{GoogleEmbedConfig, GoogleEmbedder},
        layers::{EmbedKeyPool, EmbedStack},
        ollama::{OllamaEmbedConfig, OllamaEmbedder},
        openai::{OpenAiEmbedConfig, OpenAiEmbedder},
    },
    http::{BaseUrl, HttpClient},
};
use notebook_rag::{
    embed::{
        LocalOptions,
        candle::{self, CandleEmbedder},
        ort::{self, OrtEmbedder, OrtOptions},
    },
    models::{ModelPlaces, download::Wanted},
};

use super::{keys::keys_of, layers::Layers};
use crate::config::{Config, Embedding};

/// Values of `embedding.provider`.
pub(crate) const EMBEDDING_PROVIDERS: &[&str] =
    &["auto", "none", "candle", "ort", "openai", "ollama", "google"];

/// The local model.
const LOCAL: &str = "sentence-transformers/all-MiniLM-L6-v2";

/// The model that makes vectors, if there is one, and why.
pub(crate) struct Chosen {
    pub(crate) model: Option<EmbedStack>,
    pub(crate) reason: String,
}

impl Chosen {
    fn model(embedder: impl Embedder, why: &str) -> Self {
        let reason = format!("keywords and vectors ({}, {why})", embedder.space().model);
        Self { model: Some(EmbedStack::new(Arc::new(embedder))), reason }
    }
}

/// Chooses the model. With `auto`, a missing local model is no error: the search goes by keywords and says so.
///
/// # Errors
/// Those of a model that the configuration asks for by name.
pub(crate) async fn embedder(config: &Config, layers: &Layers) -> Result<Chosen> {
    let settings = &config.embedding;
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
        remote => connect(remote, config, layers).await,
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
    tokio::task::spawn_blocking(load)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "load model").caused_by(error))?
}

fn missing(setting: &str, fix: &str) -> Error {
    Error::invalid("choose embedding model", setting, fix)
}

/// A model of another process: with one key, or with each of several.
async fn connect(provider: &str, config: &Config, layers: &Layers) -> Result<Chosen> {
    let settings = &config.embedding;
    if settings.model.is_none() {
        return Err(missing("embedding.model", "name the model that the provider should use"));
    }
    let remote = Remote { provider, config, http: super::http()? };
    let (address, key) = match provider {
        "openai" => (&config.chat.openai.base_url, config.chat.openai.api_key.clone()),
        "ollama" => (&config.chat.ollama.base_url, None),
        _ => (&config.chat.google.base_url, config.chat.google.api_key.clone()),
    };
    let several = keys_of(&config.chat, provider);
    let model: Arc<dyn Embedder> = match several {
        None => remote.adapter(key, settings.dimensions).await?,
        Some((keys, rules)) => {
            let dimensions = remote.dimensions(keys.values()).await?;
            let mut pooled = Vec::with_capacity(keys.len());
            for key in keys.values() {
                let adapter = remote.adapter(Some(key.clone()), Some(dimensions)).await?;
                pooled.push(Pooled::new(key, adapter));
            }
            let (usage, clock) = (Arc::clone(&layers.usage), Arc::clone(&layers.clock));
            Arc::new(EmbedKeyPool::new(pooled, rules.policy()?, usage, clock)?)
        }
    };
    let is_local = BaseUrl::parse(address)?.is_loopback();
    let reason = format!("keywords and vectors ({}, {address})", model.space().model);
    let (named, batch) = ((provider, is_local), BatchSize::default());
    let stack = layers.around_embedder(&settings.resilience, named, model, batch)?;
    Ok(Chosen { model: Some(stack), reason })
}

struct Remote<'c> {
    provider: &'c str,
    config: &'c Config,
    http: HttpClient,
}

impl Remote<'_> {
    /// The model as it is called with a key. It is asked for its dimensions where they are not given.
    async fn adapter(
        &self,
        key: Option<Secret>,
        dimensions: Option<usize>,
    ) -> Result<Arc<dyn Embedder>> {
        let model = self.config.embedding.model.clone().unwrap_or_default();
        let http = self.http.clone();
        let with = |options: RemoteEmbedOptions| RemoteEmbedOptions { dimensions, ..options };
        Ok(match self.provider {
            "openai" => {
                let server = &self.config.chat.openai;
                let mut wanted = OpenAiEmbedConfig::new(&server.base_url, model);
                wanted.api_key = key;
                let headers = server.headers.iter();
                wanted.headers =
                    headers.map(|(name, value)| (name.clone(), value.clone())).collect();
                wanted.options = with(wanted.options);
                Arc::new(OpenAiEmbedder::connect(http, wanted).await?)
            }
            "ollama" => {
                let mut wanted = OllamaEmbedConfig::new(model);
                wanted.base_url.clone_from(&self.config.chat.ollama.base_url);
                wanted.options = with(wanted.options);
                Arc::new(OllamaEmbedder::connect(http, wanted).await?)
            }
            _ => {
                let key = key.ok_or_else(|| missing("chat.google.api_key", "set the key"))?;
                let mut wanted = GoogleEmbedConfig::new(model, key);
                wanted.base_url.clone_from(&self.config.chat.google.base_url);
                wanted.options = with(wanted.options);
                Arc::new(GoogleEmbedder::connect(http, wanted).await?)
            }
        })
    }

    /// The length of the vectors. Where it has to be asked for, a key without credit does not keep the server from starting.
    async fn dimensions(&self, keys: impl Iterator<Item = &Secret>) -> Result<usize> {
        if let Some(dimensions) = self.config.embedding.dimensions {
            return Ok(dimensions);
        }
        let mut refused = None;
        for key in keys {
            match self.adapter(Some(key.clone()), None).await {
                Ok(adapter) => return Ok(adapter.space().dimensions),
                Err(error) => match error.kind() {
                    ErrorKind::RateLimited | ErrorKind::Unauthorized => refused = Some(error),
                    _ => return Err(error),
                },
            }
        }
        Err(refused.unwrap_or_else(|| Error::new(ErrorKind::Internal, "choose embedding model")))
    }
}
