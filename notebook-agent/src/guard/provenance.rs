//! Where a text is from.

use notebook_core::SourceId;
use serde::{Deserialize, Serialize};

/// Where untrusted text is from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A source of the notebook.
    Source(SourceId),
    /// What a tool returned, by its name.
    Tool(String),
    /// A page of the web, by its host.
    Web(String),
}

impl Origin {
    /// What this tool returned.
    #[must_use]
    pub fn tool(name: impl Into<String>) -> Self {
        Self::Tool(name.into())
    }

    /// A page of this host.
    #[must_use]
    pub fn web(host: impl Into<String>) -> Self {
        Self::Web(host.into())
    }
}
