//! The model that answers.

use std::sync::Arc;

use notebook_agent::chat::ModelSource;
use notebook_core::{
    Error, Result, TenantScope, chat::ChatModel, http::HttpClient, model::ModelSettings,
};
use notebook_rag::extractive::ExtractiveModel;

use super::layers::Layers;
use super::providers::{PROBE, gguf, local_file, make, ollama};
use super::tokenizers::Tokenizers;
use crate::{
    config::{Chat, Config},
    status::ChatStatus,
};

/// The models that answer.
pub struct Models {
    config: Chat,
    http: HttpClient,
    tokenizers: Tokenizers,
    default: Arc<dyn ChatModel>,
    /// Answers without a model: there whatever else is.
    extractive: Arc<ExtractiveModel>,
    /// Those that stand in for another, in their order.
    fallback: Vec<Arc<dyn ChatModel>>,
    layers: Arc<Layers>,
    reason: String,
}

/// Chooses the default model.
///
/// # Errors
/// Those of a provider that the configuration asks for by name.
pub(crate) async fn chat(config: &Config, layers: Arc<Layers>) -> Result<Arc<Models>> {
    let http = super::http()?;
    let config = config.chat.clone();
    let tokenizers = Tokenizers::load(&config).await?;
    let with = (&http, &tokenizers);
    let extractive = Arc::new(ExtractiveModel::default());
    let remote = |provider: &str, model: Option<&str>| {
        layers.keyed(&config, provider, |config| make(config, with, provider, model))
    };
    let mut fallback = Vec::new();
    for entry in &config.fallback {
        let (provider, model) = match entry.split_once('/') {
            Some((provider, model)) => (provider, Some(model)),
            None => (entry.as_str(), None),
        };
        fallback.push(match provider {
            "extractive" => extractive.clone() as Arc<dyn ChatModel>,
            "gguf" => gguf(&config, local_file(&config)?).await?,
            "ollama" if model.is_none() => ollama(&config, with).await?,
            named => remote(named, model)?,
        });
    }
    let (default, reason) = match config.provider.as_str() {
        "auto" => choose(&config, with, &extractive, &remote).await?,
        "extractive" => {
            (extractive.clone() as Arc<dyn ChatModel>, "chat.provider is extractive".to_owned())
        }
        "ollama" => (ollama(&config, with).await?, "chat.provider is ollama".to_owned()),
        "gguf" => (gguf(&config, local_file(&config)?).await?, "chat.provider is gguf".to_owned()),
        named => (remote(named, None)?, format!("chat.provider is {named}")),
    };
    Ok(Arc::new(Models { config, http, tokenizers, default, extractive, fallback, layers, reason }))
}

/// A configured provider, else Ollama if it answers, else a local file, else quotes.
async fn choose(
    config: &Chat,
    with: (&HttpClient, &Tokenizers),
    extractive: &Arc<ExtractiveModel>,
    remote: &impl Fn(&str, Option<&str>) -> Result<Arc<dyn ChatModel>>,
) -> Result<(Arc<dyn ChatModel>, String)> {
    if let Some((provider, setting)) = configured(config) {
        return Ok((remote(&provider, None)?, format!("{setting} is set")));
    }
    let found = tokio::time::timeout(PROBE, ollama(config, with)).await;
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

/// The first remote provider that has all it needs, and the setting that shows it.
fn configured(config: &Chat) -> Option<(String, String)> {
    let own = [
        ("openai", "chat.openai.model", config.openai.model.is_some()),
        (
            "anthropic",
            "chat.anthropic.model",
            config.anthropic.model.is_some() && config.anthropic.api_key.is_some(),
        ),
        (
            "azure",
            "chat.azure.deployment",
            config.azure.endpoint.is_some() && config.azure.deployment.is_some(),
        ),
        (
            "google",
            "chat.google.api_key",
            config.google.api_key.is_some() || !config.google.api_keys.is_empty(),
        ),
    ];
    let own = own.into_iter().find(|(.., set)| *set);
    let own = own.map(|(provider, setting, _)| (provider.to_owned(), setting.to_owned()));
    own.or_else(|| {
        let (name, _) = config.presets.iter().find(|(_, server)| server.model.is_some())?;
        Some((name.clone(), format!("chat.presets.{name}.model")))
    })
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

    /// What stands around the models.
    pub(crate) fn layers(&self) -> &Layers {
        &self.layers
    }

    /// The models of the configuration: the default one, and those that stand in for another.
    pub(crate) fn configured(&self) -> impl Iterator<Item = String> {
        std::iter::once(&self.default).chain(&self.fallback).map(|model| model.info().label())
    }

    /// The model that answers where nothing else is asked for, without anything around it.
    pub(crate) fn default_model(&self) -> Arc<dyn ChatModel> {
        self.default.clone()
    }
}

impl ModelSource for Models {
    fn model(&self, scope: &TenantScope, settings: &ModelSettings) -> Result<Arc<dyn ChatModel>> {
        self.layers.around(scope, self.bare(settings)?, &self.fallback)
    }
}

impl Models {
    fn bare(&self, settings: &ModelSettings) -> Result<Arc<dyn ChatModel>> {
        let info = self.default.info();
        let provider = settings.provider.as_deref().unwrap_or(&info.provider);
        let same_model = settings.model.as_ref().is_none_or(|model| *model == info.model);
        if provider == info.provider && same_model {
            return Ok(self.default.clone());
        }
        match provider {
            "extractive" => Ok(self.extractive.clone()),
            "gguf" => Err(Error::invalid(
                "choose model",
                "settings.provider",
                "a model file is loaded at start: set chat.provider to gguf and start again",
            )),
            other => self.layers.keyed(&self.config, other, |config| {
                make(config, (&self.http, &self.tokenizers), other, settings.model.as_deref())
            }),
        }
    }
}
