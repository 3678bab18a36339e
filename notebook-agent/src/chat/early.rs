//! What an answer used that ended early: what is certain of it, as an estimate.

use notebook_core::{
    chat::{ChatModel, Tally},
    model::Usage,
};

use super::flow::Answer;

/// What is known of an answer's tokens before its end.
#[derive(Default)]
pub(super) struct Early {
    /// What the model has told so far.
    pub(super) told: Option<Usage>,
    /// Where the layer of prices notes what a call used that ended early.
    pub(super) tally: Option<Tally>,
    /// What calls before the last one used, of a research: tokens, millionths of a dollar.
    pub(super) before: Option<(u64, u64)>,
    /// The usage stands in the answer: nothing is to be estimated.
    pub(super) counted: bool,
}

impl Answer {
    /// Counts what was certainly used: the prompt, for the model has begun to answer it, and the text so far.
    pub(super) fn count_early(&mut self, model: &dyn ChatModel) {
        let early = std::mem::take(&mut self.early);
        if early.counted || self.text.is_empty() {
            return;
        }
        let used = early.tally.and_then(|tally| tally.used()).unwrap_or_else(|| {
            let written = model.count_tokens(&self.text).tokens as u64;
            Usage::so_far(early.told, self.usage.prompt_tokens, written)
        });
        let (tokens, cost) = early.before.unwrap_or_default();
        self.usage = Usage {
            prompt_tokens: used.prompt_tokens.saturating_add(tokens),
            cost_micros: match (used.cost_micros, cost) {
                (None, 0) => None,
                (known, cost) => Some(known.unwrap_or_default().saturating_add(cost)),
            },
            ..used
        };
    }
}
