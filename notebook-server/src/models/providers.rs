//! One bare model of each provider, from the configuration. Which of them answers is decided in [`chat`](super::chat), and what
//! stands around it too.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, sync::Arc, time::Duration};

use notebook_core::{
    Error, ErrorKind, Result, Secret,
    chat::{
        ChatModel, ChatModelInfo,
        anthropic::{AnthropicChat, AnthropicConfig},
        google::{GoogleChat, GoogleConfig},
        ollama::{OllamaChat, OllamaConfig},
        openai::{AzureConfig, OpenAiChat, OpenAiConfig, Preset},
        priced::{Price, PriceTable, Priced},
    },
    http::{BaseUrl, HttpClient, HttpRequest, Timeouts},
};
use notebook_rag::{
    chat::gguf::{GgufModel, GgufOptions},
    models::ModelPlaces,
};
use serde::Deserialize;

use super::tokenizers::Tokenizers;
use crate::config::{Chat, Config};

/// Values of `chat.provider`.
pub(crate) const CHAT_PROVIDERS: &[&str] = &[
    "auto",
    "openai",
    "anthropic",
    "azure",
    "google",
    "ollama",
    "nvidia",
    "groq",
    "openrouter",
    "deepseek",
    "mistral",
    "foundry-local",
    "llamacpp",
    "vllm",
    "lmstudio",
    "gguf",
    "extractive",
];

/// How long a provider may take to show that it is there.
pub(super) const PROBE: Duration = Duration::from_millis(700);
/// The local model that is looked for in the model cache.
const LOCAL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
/// The longest list of models that is read from Ollama, in bytes.
const LONGEST_LIST: usize = 4 << 20;

/// A remote model, without a call to its provider. Its tokens are counted by its tokenizer, where `chat.tokenizers` has it, and its
/// answers tell what they cost, where `chat.prices` has its price.
///
/// # Errors
/// `InvalidInput` that names the setting that is missing or wrong.
pub(super) fn make(
    config: &Chat,
    (http, tokenizers): (&HttpClient, &Tokenizers),
    provider: &str,
    model: Option<&str>,
) -> Result<Arc<dyn ChatModel>> {
    let http = http.clone();
    let bare: Arc<dyn ChatModel> = match provider {
        "openai" => Arc::new(OpenAiChat::new(http, openai(config, model)?)?),
        "anthropic" => Arc::new(AnthropicChat::new(http, anthropic(config, model)?)?),
        "azure" => Arc::new(OpenAiChat::new(http, azure(config, model)?.into_openai()?)?),
        "google" => Arc::new(GoogleChat::new(http, google(config, model)?)?),
        "ollama" => {
            let model = named(model, &config.ollama.model, "chat.ollama.model")?;
            Arc::new(OllamaChat::new(http, ollama_config(config, model))?)
        }
        other => match Preset::named(other) {
            Some(known) => Arc::new(OpenAiChat::new(http, preset(config, known, model)?)?),
            None => return Err(unknown(other)),
        },
    };
    Ok(Priced::around(tokenizers.around(bare), &prices(config)))
}

/// The prices of the configuration.
fn prices(config: &Chat) -> PriceTable {
    let rows = config.prices.iter().map(|(pattern, row)| {
        (pattern.clone(), Price { prompt: row.prompt, completion: row.completion })
    });
    PriceTable::new(rows)
}

/// What a model costs, where that is configured.
pub(crate) fn price(config: &Config, info: &ChatModelInfo) -> Option<Price> {
    prices(&config.chat).get(info).copied()
}

/// The model that is asked for, else that of the setting.
fn named<'a>(model: Option<&'a str>, setting: &'a Option<String>, name: &str) -> Result<&'a str> {
    let missing = || Error::invalid("choose model", name, "name the model to use");
    model.or(setting.as_deref()).ok_or_else(missing)
}

fn headers(headers: &BTreeMap<String, Secret>) -> Vec<(String, Secret)> {
    headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn openai(config: &Chat, model: Option<&str>) -> Result<OpenAiConfig> {
    let server = &config.openai;
    let model = named(model, &server.model, "chat.openai.model")?;
    Ok(OpenAiConfig {
        api_key: server.api_key.clone(),
        headers: headers(&server.headers),
        context_tokens: server.context_tokens,
        tools: server.tools,
        ..OpenAiConfig::new(&server.base_url, model)
    })
}

fn preset(config: &Chat, preset: &Preset, model: Option<&str>) -> Result<OpenAiConfig> {
    let name = preset.name;
    let server = config.presets.get(name).cloned().unwrap_or_default();
    let model = named(model, &server.model, &format!("chat.presets.{name}.model"))?;
    if preset.needs_key && server.api_key.is_none() {
        let setting = format!("chat.presets.{name}.api_key");
        return Err(Error::invalid("choose model", &setting, "set the provider's key"));
    }
    Ok(OpenAiConfig {
        provider: name.to_owned(),
        api_key: server.api_key.clone(),
        headers: headers(&server.headers),
        context_tokens: server.context_tokens,
        tools: server.tools,
        dialect: preset.dialect,
        ..OpenAiConfig::new(server.address(preset), model)
    })
}

fn anthropic(config: &Chat, model: Option<&str>) -> Result<AnthropicConfig> {
    let server = &config.anthropic;
    Ok(AnthropicConfig {
        base_url: server.base_url.clone(),
        model: named(model, &server.model, "chat.anthropic.model")?.to_owned(),
        api_key: server.api_key.clone(),
        max_tokens: config.answer_tokens.max(1),
        context_tokens: server.context_tokens,
        tools: server.tools,
        timeouts: Timeouts::default(),
    })
}

/// A notebook's model is a deployment here.
fn azure(config: &Chat, model: Option<&str>) -> Result<AzureConfig> {
    let server = &config.azure;
    let endpoint = server.endpoint.clone().ok_or_else(|| {
        let fix = "give the resource's address, such as https://name.openai.azure.com";
        Error::invalid("choose model", "chat.azure.endpoint", fix)
    })?;
    let deployment = named(model, &server.deployment, "chat.azure.deployment")?.to_owned();
    // Only of the deployment in the settings it is known what is deployed.
    let known = server.deployment.as_ref() == Some(&deployment);
    Ok(AzureConfig {
        endpoint,
        deployment,
        api_version: server.api_version.clone(),
        api_key: server.api_key.clone(),
        model: server.model.clone().filter(|_| known),
        context_tokens: server.context_tokens,
        tools: server.tools,
        timeouts: Timeouts::default(),
    })
}

fn google(config: &Chat, model: Option<&str>) -> Result<GoogleConfig> {
    let server = &config.google;
    let key = server
        .api_key
        .clone()
        .ok_or_else(|| Error::invalid("choose model", "chat.google.api_key", "set the key"))?;
    let base_url = server.base_url.clone();
    Ok(GoogleConfig { base_url, ..GoogleConfig::new(model.unwrap_or(&server.model), key) })
}

fn ollama_config(config: &Chat, model: &str) -> OllamaConfig {
    OllamaConfig { base_url: config.ollama.base_url.clone(), ..OllamaConfig::new(model) }
}

/// Ollama's model of the configuration, else the first that is installed; its window is asked for.
pub(super) async fn ollama(
    config: &Chat,
    (http, tokenizers): (&HttpClient, &Tokenizers),
) -> Result<Arc<dyn ChatModel>> {
    let name = match &config.ollama.model {
        Some(name) => name.clone(),
        None => first_installed(config, http).await?,
    };
    let model = OllamaChat::connect(http.clone(), ollama_config(config, &name)).await?;
    Ok(Priced::around(tokenizers.around(Arc::new(model)), &prices(config)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::preset_names, models::http};

    fn made(toml: &str, provider: &str, model: Option<&str>) -> Result<Arc<dyn ChatModel>> {
        let toml = <figment::providers::Toml as figment::providers::Format>::string(toml);
        let config: Chat = figment::Figment::from(toml).extract().unwrap();
        make(&config, (&http().unwrap(), &Tokenizers::default()), provider, model)
    }

    /// C1: each name of the list makes a model, or says which setting it lacks.
    #[test]
    fn c1_every_provider_is_made_from_its_settings() {
        let presets: Vec<&str> = preset_names().collect();
        assert!(presets.iter().all(|name| CHAT_PROVIDERS.contains(name)), "{presets:?}");
        for (provider, toml, label) in [
            ("openai", "openai.model = \"m\"", "openai/m"),
            ("anthropic", "anthropic = { model = \"c\", api_key = \"k\" }", "anthropic/c"),
            (
                "azure",
                "azure = { endpoint = \"https://x.openai.azure.com\", deployment = \"d\", api_key = \"k\" }",
                "azure/d",
            ),
            ("google", "google.api_key = \"k\"", "google/gemini-2.5-flash"),
            ("ollama", "ollama.model = \"o\"", "ollama/o"),
            ("groq", "presets.groq = { model = \"l\", api_key = \"k\" }", "groq/l"),
            ("lmstudio", "presets.lmstudio.model = \"q\"", "lmstudio/q"),
        ] {
            let model = made(toml, provider, None).unwrap();
            assert_eq!(model.info().label(), label);
            assert!(model.info().tools);
            let other = made(toml, provider, Some("other")).unwrap();
            assert_eq!(other.info().model, "other");
        }
        for (provider, field) in [
            ("openai", "chat.openai.model"),
            ("anthropic", "chat.anthropic.model"),
            ("azure", "chat.azure.endpoint"),
            ("google", "chat.google.api_key"),
            ("ollama", "chat.ollama.model"),
            ("vllm", "chat.presets.vllm.model"),
        ] {
            let error = made("", provider, None).err().unwrap();
            assert_eq!(error.context("field"), Some(field), "{provider}");
        }
        let error = made("", "groq", Some("m")).err().unwrap();
        assert_eq!(error.context("field"), Some("chat.presets.groq.api_key"));
        let error = made("", "skynet", None).err().unwrap();
        assert!(error.context("fix").unwrap().contains("openrouter"));
        // A model that has no tools says so.
        let without = made("presets.vllm = { model = \"m\", tools = false }", "vllm", None);
        assert!(!without.unwrap().info().tools);
    }

    /// The public addresses are those that the adapters append to.
    #[test]
    fn c1_default_addresses_are_those_of_the_adapters() {
        let chat = Chat::default();
        assert_eq!(chat.google.base_url, GoogleConfig::DEFAULT_BASE_URL);
        assert_eq!(chat.anthropic.base_url, AnthropicConfig::DEFAULT_BASE_URL);
        assert_eq!(Preset::named("openai").unwrap().base_url, chat.openai.base_url);
    }
}
