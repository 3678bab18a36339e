use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the work on an answer whose time is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AnswerStage {
    /// Bringing the indexes up to the store.
    CatchUp,
    /// Keyword search.
    KeywordSearch,
    /// Embedding of the question.
    EmbedQuestion,
    /// Vector search.
    VectorSearch,
    /// Reading of the passages.
    LoadPassages,
    /// Judging of the passages by a model that reads them with the question.
    Rerank,
    /// Building of the prompt.
    Context,
    /// All that a research did before its answer is written.
    Research,
    /// Until the model's first word.
    FirstToken,
    /// Until the model's last word. It stays the last.
    Generate,
}

impl AnswerStage {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; 10] = [
        Self::CatchUp,
        Self::KeywordSearch,
        Self::EmbedQuestion,
        Self::VectorSearch,
        Self::LoadPassages,
        Self::Rerank,
        Self::Context,
        Self::Research,
        Self::FirstToken,
        Self::Generate,
    ];

    /// The stable snake-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CatchUp => "catch_up",
            Self::KeywordSearch => "keyword_search",
            Self::EmbedQuestion => "embed_question",
            Self::VectorSearch => "vector_search",
            Self::LoadPassages => "load_passages",
            Self::Rerank => "rerank",
            Self::Context => "context",
            Self::Research => "research",
            Self::FirstToken => "first_token",
            Self::Generate => "generate",
        }
    }
}

impl fmt::Display for AnswerStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// H8: whoever translates the stages has the whole list.
    #[test]
    fn h8_all_stages_are_listed_under_the_name_that_is_sent() {
        for (place, stage) in AnswerStage::ALL.into_iter().enumerate() {
            assert_eq!(stage as usize, place);
            assert_eq!(serde_json::to_value(stage).unwrap(), stage.name());
        }
        assert_eq!(AnswerStage::Generate as usize + 1, AnswerStage::ALL.len());
    }
}
