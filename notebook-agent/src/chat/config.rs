use std::time::Duration;

use notebook_core::model::ModelSettings;
use serde::{Deserialize, Serialize};

use super::GuardConfig;

/// Limits and defaults of the chat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChatConfig {
    /// Used where neither the message nor its notebook says something.
    pub defaults: ModelSettings,
    /// The most bytes of a question.
    pub question_bytes: usize,
    /// The most tokens of a prompt, if the model can read as many.
    pub context_tokens: usize,
    /// The most tokens of an answer, unless the settings say otherwise.
    pub answer_tokens: u32,
    /// The most bytes of an answer, whatever a provider sends.
    pub answer_bytes: usize,
    /// Whether the messages that a prompt has no room for are summed up by the model, which costs a call more, or left out.
    pub summarise: bool,
    /// Passages asked from retrieval.
    pub passages: usize,
    /// How long retrieval may take.
    pub retrieval_deadline: Duration,
    /// How long a whole answer may take.
    pub run_deadline: Duration,
    /// Answers produced at once.
    pub concurrent_runs: usize,
    /// Answers that may wait for their turn; further ones are refused.
    pub waiting_runs: usize,
    /// What is looked for in questions, and taken out of answers.
    pub guard: GuardConfig,
}

impl ChatConfig {
    /// Answers of a tenant that may be in the making or wait at once.
    pub(super) const fn open_runs(&self) -> usize {
        self.concurrent_runs.saturating_add(self.waiting_runs)
    }
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self {
            defaults: ModelSettings::default(),
            question_bytes: 32 * 1024,
            context_tokens: 8_000,
            answer_tokens: 1_024,
            answer_bytes: 256 * 1024,
            summarise: false,
            passages: 12,
            retrieval_deadline: Duration::from_secs(10),
            run_deadline: Duration::from_secs(600),
            concurrent_runs: 128,
            waiting_runs: 256,
            guard: GuardConfig::default(),
        }
    }
}
