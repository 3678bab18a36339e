use std::time::Duration;

use super::{FusionConfig, RelevanceConfig};

/// How retrieval works, for all questions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetrieveConfig {
    /// How many hits of each search are fused: 1 to 1,000. 300 chunks find as much as 100 whole
    /// documents do; more was measured to gain nothing.
    pub depth: usize,
    /// How the two rankings become one.
    pub fusion: FusionConfig,
    /// When passages count as saying something about the question.
    pub relevance: RelevanceConfig,
    /// How long each stage may take.
    pub limits: StageLimits,
}

impl Default for RetrieveConfig {
    fn default() -> Self {
        Self {
            depth: 300,
            fusion: FusionConfig::default(),
            relevance: RelevanceConfig::default(),
            limits: StageLimits::default(),
        }
    }
}

/// The longest that each stage may take. A stage that takes longer is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLimits {
    /// Bringing the indexes up to the store, where they follow it.
    pub catch_up: Duration,
    /// Keyword search.
    pub keyword: Duration,
    /// Embedding the question, which may wait behind the embedding of sources.
    pub embed: Duration,
    /// Vector search.
    pub vector: Duration,
    /// Reading the chunks from the store.
    pub load: Duration,
    /// Judging the passages, where a model does. They stay in fused order when it takes longer.
    pub rerank: Duration,
}

impl Default for StageLimits {
    fn default() -> Self {
        Self {
            catch_up: Duration::from_secs(3),
            keyword: Duration::from_secs(2),
            embed: Duration::from_secs(5),
            vector: Duration::from_secs(2),
            load: Duration::from_secs(5),
            rerank: Duration::from_secs(2),
        }
    }
}
