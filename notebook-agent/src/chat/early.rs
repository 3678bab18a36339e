//! What an answer used that ended early: what is certain of it, as an estimate.

#[cfg(feature = "tools")]
use notebook_core::Result;
use notebook_core::{
    chat::{ChatModel, Tally},
    model::Usage,
};

use super::flow::Answer;
#[cfg(feature = "tools")]
use crate::graph::Spent;

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
    /// Counts what was certainly used: the prompt, for the model has begun to answer it, and the text so far; of a research, the calls
    /// before. None where nothing is known to have been used.
    pub(super) fn count_early(&mut self, model: &dyn ChatModel) -> Option<Usage> {
        let early = std::mem::take(&mut self.early);
        if early.counted {
            return Some(self.usage);
        }
        let has_begun = !self.text.is_empty() || early.told.is_some();
        let used = match early.tally.and_then(|tally| tally.used()) {
            Some(used) => used,
            None if has_begun => {
                let written = model.count_tokens(&self.text).tokens as u64;
                Usage::so_far(early.told, self.usage.prompt_tokens, written)
            }
            None => early.before.map(|_| Usage::default())?,
        };
        let (tokens, cost) = early.before.unwrap_or_default();
        self.usage = Usage {
            prompt_tokens: used.prompt_tokens.saturating_add(tokens),
            cost_micros: match (used.cost_micros, cost) {
                (None, 0) => None,
                (known, cost) => Some(known.unwrap_or_default().saturating_add(cost)),
            },
            ..used
        };
        Some(self.usage)
    }
}

/// What a research used that nobody works on, as its checkpoint says. The engine does not tell prompts from answers.
#[cfg(feature = "tools")]
pub(super) fn of_checkpoint(body: &[u8]) -> Result<Option<Usage>> {
    let Spent { tokens, cost_micros, .. } = Spent::of_checkpoint(body)?;
    let cost_micros = (cost_micros > 0).then_some(cost_micros);
    let usage = Usage { prompt_tokens: tokens, cost_micros, ..Usage::default() };
    Ok((tokens > 0).then_some(usage))
}
