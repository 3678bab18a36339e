use serde::{Deserialize, Serialize};

use crate::{SourceId, document::Span};

/// A place in an answer, and the exact words of a source that support it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Citation {
    /// The number shown to the reader, from 1; the same passage keeps its number in one answer.
    pub number: u32,
    /// Where the mark stands in the answer: byte offset into its text.
    pub at: usize,
    /// The same place in UTF-16 code units, for browsers.
    pub at_utf16: usize,
    /// The cited source.
    pub source: SourceId,
    /// The supporting words in the source's canonical text, in bytes.
    pub span: Span,
    /// The page that the words start on, from 1, when the format has pages.
    pub page: Option<u32>,
    /// Exactly the canonical text at `span`.
    pub quote: String,
}

/// Tokens and money spent on an answer.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: u64,
    /// Tokens generated.
    pub completion_tokens: u64,
    /// Whether the counts come from the provider or its own tokenizer, not from an estimate.
    pub exact: bool,
    /// Cost in millionths of a US dollar, when prices are configured.
    pub cost_micros: Option<u64>,
}

/// How passages were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RetrievalMode {
    /// Keywords only, because there is no embedding model or its stage did not finish.
    Keyword,
    /// Vectors only.
    Vector,
    /// Keywords and vectors, fused by rank.
    Hybrid,
}

/// How long one stage took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StageTiming {
    /// Name of the stage, such as `vector_search`: as text, for stages come and go with the versions.
    #[cfg_attr(feature = "openapi", schema(value_type = super::AnswerStage))]
    pub stage: String,
    /// Wall time in microseconds.
    pub micros: u64,
    /// Whether the stage met its deadline; its part of the result is missing if not.
    pub finished: bool,
}

/// Something that a reader of an answer should know beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnswerWarning {
    /// Stable snake-case code.
    pub code: String,
    /// A sentence for a person.
    pub message: String,
}
