use serde::{Deserialize, Serialize};

use crate::{Error, NotebookId, Result, Timestamp};

/// A project: sources, conversations about them, and the artefacts made from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Notebook {
    /// Made by the client, so that creating it twice creates it once.
    pub id: NotebookId,
    /// What the user calls it: 1 to 200 characters.
    pub name: String,
    /// Whether the name was given by the user (and must not be replaced by a generated one).
    pub named_by_user: bool,
    /// Hidden from the default list, otherwise whole.
    pub archived: bool,
    /// How answers are made here.
    pub settings: NotebookSettings,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it, or something in it, last changed.
    pub updated_at: Timestamp,
}

impl Notebook {
    /// The name of a notebook until its first question names it.
    pub const UNNAMED: &str = "Untitled notebook";
}

/// How answers are made in a notebook.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct NotebookSettings {
    /// Model and sampling; what is `None` comes from the server's configuration.
    pub model: ModelSettings,
    /// Whether the model may answer from general knowledge when the sources do not say.
    pub allow_general_knowledge: bool,
    /// Names of the tools that research may use here; all that only read when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Names of the MCP servers whose tools research may use here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mcp_servers: Vec<String>,
}

/// Model and sampling parameters. A message's settings override its notebook's, which
/// override the server's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ModelSettings {
    /// Name of a configured provider.
    pub provider: Option<String>,
    /// Model name as the provider knows it.
    pub model: Option<String>,
    /// 0 to 2.
    pub temperature: Option<f32>,
    /// Over 0, up to 1.
    pub top_p: Option<f32>,
    /// The most tokens to generate.
    pub max_tokens: Option<u32>,
    /// Added after the system's own instructions.
    pub system_prompt: Option<String>,
}

impl ModelSettings {
    /// Checks the ranges.
    ///
    /// # Errors
    /// `InvalidInput` naming the field and its range.
    pub fn validate(&self) -> Result<()> {
        const OPERATION: &str = "check model settings";
        if self.temperature.is_some_and(|t| !(0.0..=2.0).contains(&t)) {
            return Err(Error::invalid(OPERATION, "temperature", "use a number from 0 to 2"));
        }
        if self.top_p.is_some_and(|p| !(p > 0.0 && p <= 1.0)) {
            return Err(Error::invalid(OPERATION, "top_p", "use a number over 0, up to 1"));
        }
        if self.max_tokens.is_some_and(|n| n == 0 || n > 32_768) {
            return Err(Error::invalid(OPERATION, "max_tokens", "use 1 to 32,768"));
        }
        if self.system_prompt.as_ref().is_some_and(|text| text.len() > 16 * 1024) {
            return Err(Error::invalid(OPERATION, "system_prompt", "use at most 16 KiB"));
        }
        Ok(())
    }

    /// These settings where they say something, else `fallback`'s.
    #[must_use]
    pub fn or(&self, fallback: &Self) -> Self {
        Self {
            provider: self.provider.clone().or_else(|| fallback.provider.clone()),
            model: self.model.clone().or_else(|| fallback.model.clone()),
            temperature: self.temperature.or(fallback.temperature),
            top_p: self.top_p.or(fallback.top_p),
            max_tokens: self.max_tokens.or(fallback.max_tokens),
            system_prompt: self.system_prompt.clone().or_else(|| fallback.system_prompt.clone()),
        }
    }
}
