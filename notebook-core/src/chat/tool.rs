//! Tools in a prompt: what a model may ask for, what it asked for, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A tool that a model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Letters, digits, `_` and `-`; up to 64.
    pub name: String,
    /// What it does and when to use it, for the model.
    pub description: String,
    /// The JSON Schema of its arguments: that of an object.
    pub parameters: Value,
}

/// A model's request of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall {
    /// The provider's name of this call; made by the adapter where the provider has none. Unique within an answer.
    pub id: String,
    /// The tool, as the model wrote it: there may be none of that name.
    pub name: String,
    /// The arguments as the model wrote them: JSON as a rule, though nobody has checked it. `{}` where it wrote nothing.
    pub arguments: String,
}

/// Whether a model is to ask for tools.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// As it likes.
    #[default]
    Auto,
    /// It must not.
    None,
    /// It must ask for one of them.
    Required,
    /// It must ask for this one.
    Named(String),
}
