//! Azure OpenAI: the same dialect at other addresses, with its own header for the key.

use super::{Dialect, KeyHeader, Listing, OpenAiConfig};
use crate::{
    Error, Result, Secret,
    http::{BaseUrl, Timeouts},
};

/// A model that is deployed at Azure.
#[derive(Debug, Clone)]
pub struct AzureConfig {
    /// The resource's address, such as `https://name.openai.azure.com`.
    pub endpoint: String,
    /// What the deployment is called.
    pub deployment: String,
    /// The dated version of the interface, such as `2024-10-21`. Without one the address of all versions is used (`/openai/v1`).
    pub api_version: Option<String>,
    /// One of the resource's keys.
    pub api_key: Option<Secret>,
    /// The model of OpenAI that is deployed, such as `gpt-4.1`: by it tokens are counted.
    pub model: Option<String>,
    /// The model's context window, when known.
    pub context_tokens: Option<u32>,
    /// Whether the model can be offered tools.
    pub tools: bool,
    /// How long to wait.
    pub timeouts: Timeouts,
}

impl AzureConfig {
    /// A deployment at the address of all versions.
    #[must_use]
    pub fn new(
        endpoint: impl Into<String>,
        deployment: impl Into<String>,
        api_key: Secret,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            deployment: deployment.into(),
            api_version: None,
            api_key: Some(api_key),
            model: None,
            context_tokens: None,
            tools: true,
            timeouts: Timeouts::default(),
        }
    }

    /// The settings for [`OpenAiChat`](super::OpenAiChat), for a provider called `azure`.
    ///
    /// # Errors
    /// `InvalidInput` that names a wrong setting.
    pub fn into_openai(self) -> Result<OpenAiConfig> {
        const OPERATION: &str = "configure model";
        let endpoint = BaseUrl::parse(&self.endpoint)?;
        let plain = |text: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !text.is_empty() && !text.starts_with('.') && text.chars().all(known)
        };
        if !plain(&self.deployment) {
            let fix = "give the deployment's name: letters, digits, -, _ and .";
            return Err(Error::invalid(OPERATION, "deployment", fix));
        }
        if self.api_version.as_deref().is_some_and(|version| !plain(version)) {
            let fix = "give a version such as 2024-10-21, or none";
            return Err(Error::invalid(OPERATION, "api_version", fix));
        }
        let (base_url, query, list) = match &self.api_version {
            Some(version) => (
                endpoint.join(&format!("openai/deployments/{}", self.deployment)),
                Some(format!("api-version={version}")),
                endpoint.join(&format!("openai/models?api-version={version}")),
            ),
            None => (endpoint.join("openai/v1"), None, endpoint.join("openai/v1/models")),
        };
        Ok(OpenAiConfig {
            api_key: self.api_key,
            key_header: KeyHeader::ApiKey,
            provider: "azure".into(),
            context_tokens: self.context_tokens,
            tools: self.tools,
            // Only the newer address knows it at all of its models.
            dialect: Dialect { max_completion_tokens: query.is_none(), ..Dialect::default() },
            query,
            // The list has models, and not what deployments are called.
            listing: Listing::Reachable(list),
            tokenizer: self.model,
            timeouts: self.timeouts,
            ..OpenAiConfig::new(base_url, self.deployment)
        })
    }
}
