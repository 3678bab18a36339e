//! Settings of the providers of chat models.

use std::{collections::BTreeMap, path::PathBuf};

use notebook_core::{
    Secret,
    chat::{
        anthropic::AnthropicConfig,
        google::GoogleConfig,
        openai::{PRESETS, Preset},
    },
};
use serde::Deserialize;

use super::{Chat, KeySettings};

/// A server that speaks OpenAI's dialect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OpenAi {
    /// Up to and including `/v1`.
    pub base_url: String,
    /// Not needed by most local servers.
    pub api_key: Option<Secret>,
    /// Several keys by names of your own, used in the order of the names; in place of the one.
    pub api_keys: BTreeMap<String, Secret>,
    /// How they are used.
    pub keys: KeySettings,
    /// Model name.
    pub model: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Secret>,
    /// What the model can read, when the provider does not say.
    pub context_tokens: Option<u32>,
    /// Whether the model can use tools.
    pub tools: bool,
}

impl Default for OpenAi {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key: None,
            api_keys: BTreeMap::new(),
            keys: KeySettings::default(),
            model: None,
            headers: BTreeMap::new(),
            context_tokens: None,
            tools: true,
        }
    }
}

/// Ollama.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ollama {
    /// Without a path.
    pub base_url: String,
    /// Model name; the first installed one when absent.
    pub model: Option<String>,
}

impl Default for Ollama {
    fn default() -> Self {
        Self { base_url: "http://127.0.0.1:11434".to_owned(), model: None }
    }
}

/// Google Gemini.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Google {
    /// Up to and including `/v1beta`.
    pub base_url: String,
    /// From Google AI Studio.
    pub api_key: Option<Secret>,
    /// Several keys by names of your own, used in the order of the names; in place of the one.
    pub api_keys: BTreeMap<String, Secret>,
    /// How they are used.
    pub keys: KeySettings,
    /// Model name.
    pub model: String,
}

impl Default for Google {
    fn default() -> Self {
        Self {
            base_url: GoogleConfig::DEFAULT_BASE_URL.to_owned(),
            api_key: None,
            api_keys: BTreeMap::new(),
            keys: KeySettings::default(),
            model: "gemini-2.5-flash".to_owned(),
        }
    }
}

/// Anthropic's Claude, or a server that speaks its dialect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Anthropic {
    /// Up to and including `/v1`.
    pub base_url: String,
    /// From Anthropic's console.
    pub api_key: Option<Secret>,
    /// Model name.
    pub model: Option<String>,
    /// What the model can read.
    pub context_tokens: Option<u32>,
    /// Whether the model can use tools.
    pub tools: bool,
}

/// A deployment at Azure OpenAI.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Azure {
    /// The resource's address, such as `https://name.openai.azure.com`.
    pub endpoint: Option<String>,
    /// What the deployment is called.
    pub deployment: Option<String>,
    /// A dated version of the interface, such as `2024-10-21`; the address of all versions when absent.
    pub api_version: Option<String>,
    /// One of the resource's keys.
    pub api_key: Option<Secret>,
    /// The model that is deployed, such as `gpt-4.1`: by it tokens are counted.
    pub model: Option<String>,
    /// What the model can read.
    pub context_tokens: Option<u32>,
    /// Whether the model can use tools.
    pub tools: bool,
}

/// A known provider that speaks OpenAI's dialect.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresetServer {
    /// In place of the address that is known.
    pub base_url: Option<String>,
    /// The key, where one is needed.
    pub api_key: Option<Secret>,
    /// Model name.
    pub model: Option<String>,
    /// Further headers.
    pub headers: BTreeMap<String, Secret>,
    /// What the model can read.
    pub context_tokens: Option<u32>,
    /// Whether the model can use tools.
    pub tools: bool,
}

/// What a model's tokens cost, in US dollars for a million of them.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of prompts.
    pub prompt: f64,
    /// Of answers.
    pub completion: f64,
}

/// Where the `tokenizer.json` of a model is: one of the two.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerFile {
    /// The file itself.
    pub file: Option<PathBuf>,
    /// A model of a hub, `ORG/NAME`, of which it was fetched.
    pub hub: Option<String>,
}

impl Default for Anthropic {
    fn default() -> Self {
        Self {
            base_url: AnthropicConfig::DEFAULT_BASE_URL.to_owned(),
            api_key: None,
            model: None,
            context_tokens: None,
            tools: true,
        }
    }
}

impl Default for Azure {
    fn default() -> Self {
        Self {
            endpoint: None,
            deployment: None,
            api_version: None,
            api_key: None,
            model: None,
            context_tokens: None,
            tools: true,
        }
    }
}

impl Default for PresetServer {
    fn default() -> Self {
        Self {
            base_url: None,
            api_key: None,
            model: None,
            headers: BTreeMap::new(),
            context_tokens: None,
            tools: true,
        }
    }
}

impl PresetServer {
    /// Where it is.
    pub(crate) fn address<'a>(&'a self, preset: &'a Preset) -> &'a str {
        self.base_url.as_deref().unwrap_or(preset.base_url)
    }
}

/// The names of `chat.presets`: OpenAI itself has a section of its own.
pub(crate) fn preset_names() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.name).filter(|name| *name != "openai")
}

/// What is wrong with the providers' settings, as sentences.
pub(super) fn errors(chat: &Chat) -> Vec<String> {
    let mut errors = Vec::new();
    let mut need = |good: bool, error: String| {
        if !good {
            errors.push(error);
        }
    };
    let address = |url: &str| url.starts_with("http://") || url.starts_with("https://");
    let mut urls = vec![("chat.anthropic.base_url".to_owned(), chat.anthropic.base_url.as_str())];
    urls.extend(chat.azure.endpoint.as_deref().map(|url| ("chat.azure.endpoint".to_owned(), url)));
    for (name, server) in &chat.presets {
        let known: Vec<&str> = preset_names().collect();
        let why = format!("chat.presets.{name} is not known; known are: {}", known.join(", "));
        need(known.contains(&name.as_str()), why);
        let url = server.base_url.as_deref();
        urls.extend(url.map(|url| (format!("chat.presets.{name}.base_url"), url)));
    }
    for (name, url) in urls {
        need(address(url), format!("{name} must begin with http:// or https://"));
    }
    for (pattern, place) in &chat.tokenizers {
        need(
            place.file.is_some() != place.hub.is_some(),
            format!("chat.tokenizers.{pattern:?} must have either file or hub"),
        );
        need(
            pattern.contains(['/', '*']),
            format!("chat.tokenizers.{pattern:?} must be a pattern such as \"groq/llama-3*\""),
        );
    }
    for (pattern, price) in &chat.prices {
        let good = |usd: f64| usd.is_finite() && (0.0..=1e6).contains(&usd);
        need(
            good(price.prompt) && good(price.completion),
            format!("chat.prices.{pattern:?} must be US dollars for a million tokens, from 0 on"),
        );
        need(
            pattern.contains(['/', '*']),
            format!("chat.prices.{pattern:?} must be a pattern such as \"openai/gpt-4.1*\""),
        );
    }
    errors.extend(missing(chat));
    errors
}

/// What the provider that is asked for by name lacks.
fn missing(chat: &Chat) -> Vec<String> {
    let setting =
        |there: bool, name: String, why: &str| (!there).then(|| format!("{name} is needed: {why}"));
    const MODEL: &str = "name the model to use";
    const KEY: &str = "set the provider's key";
    match chat.provider.as_str() {
        "anthropic" => {
            let model = chat.anthropic.model.is_some();
            setting(model, "chat.anthropic.model".to_owned(), MODEL).into_iter().collect()
        }
        "azure" => [
            setting(
                chat.azure.endpoint.is_some(),
                "chat.azure.endpoint".to_owned(),
                "give the resource's address, such as https://name.openai.azure.com",
            ),
            setting(
                chat.azure.deployment.is_some(),
                "chat.azure.deployment".to_owned(),
                "name the deployment to use",
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
        name if preset_names().any(|known| known == name) => {
            let server = chat.presets.get(name);
            let model = server.is_some_and(|server| server.model.is_some());
            let keyless = Preset::named(name).is_some_and(|preset| !preset.needs_key);
            let key = keyless || server.is_some_and(|server| server.api_key.is_some());
            [
                setting(model, format!("chat.presets.{name}.model"), MODEL),
                setting(key, format!("chat.presets.{name}.api_key"), KEY),
            ]
            .into_iter()
            .flatten()
            .collect()
        }
        _ => Vec::new(),
    }
}

/// What is called with a secret: the setting, the address, and whether there is one.
pub(super) fn secret_calls(chat: &Chat) -> Vec<(String, Option<&str>, bool)> {
    let (anthropic, azure) = (&chat.anthropic, &chat.azure);
    let mut calls = vec![
        (
            "chat.anthropic.base_url".to_owned(),
            Some(anthropic.base_url.as_str()),
            anthropic.api_key.is_some(),
        ),
        ("chat.azure.endpoint".to_owned(), azure.endpoint.as_deref(), azure.api_key.is_some()),
    ];
    for (name, server) in &chat.presets {
        let secret = server.api_key.is_some() || !server.headers.is_empty();
        calls.push((format!("chat.presets.{name}.base_url"), server.base_url.as_deref(), secret));
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors_of(toml: &str) -> Vec<String> {
        let chat = figment::Figment::from(
            <figment::providers::Toml as figment::providers::Format>::string(toml),
        );
        errors(&chat.extract().unwrap())
    }

    /// C1: what a provider lacks is told by name, and unknown names with the list.
    #[test]
    fn c1_providers_are_checked_by_field() {
        for (toml, expected) in [
            ("provider = \"anthropic\"", vec!["chat.anthropic.model"]),
            ("provider = \"azure\"", vec!["chat.azure.endpoint", "chat.azure.deployment"]),
            ("provider = \"groq\"", vec!["chat.presets.groq.model", "chat.presets.groq.api_key"]),
            ("provider = \"vllm\"", vec!["chat.presets.vllm.model"]),
            ("provider = \"vllm\"\npresets.vllm.model = \"m\"", vec![]),
            (
                "presets.skynet.model = \"m\"",
                vec!["chat.presets.skynet is not known; known are: nvidia, groq"],
            ),
            ("presets.groq.base_url = \"api\"", vec!["chat.presets.groq.base_url"]),
            ("azure.endpoint = \"name\"", vec!["chat.azure.endpoint must begin"]),
            (
                "prices.\"openai/x\" = { prompt = -1, completion = 2 }",
                vec!["chat.prices.\"openai/x\" must be US"],
            ),
            (
                "prices.gpt = { prompt = 1, completion = 2 }",
                vec!["chat.prices.\"gpt\" must be a pattern"],
            ),
            ("prices.\"openai/gpt-4.1*\" = { prompt = 2, completion = 8.5 }", vec![]),
            ("tokenizers.\"groq/llama*\".file = \"tokenizer.json\"", vec![]),
            ("tokenizers.\"groq/llama*\".hub = \"org/name\"", vec![]),
            (
                "tokenizers.llama = { file = \"a\", hub = \"org/name\" }",
                vec![
                    "chat.tokenizers.\"llama\" must have either file or hub",
                    "chat.tokenizers.\"llama\" must be a pattern",
                ],
            ),
            ("tokenizers.\"a/b\" = {}", vec!["chat.tokenizers.\"a/b\" must have either"]),
        ] {
            let errors = errors_of(toml);
            assert_eq!(errors.len(), expected.len(), "{toml}: {errors:?}");
            for (error, begin) in errors.iter().zip(expected) {
                assert!(error.starts_with(begin), "{toml}: {error}");
            }
        }
    }
}
