//! What a call used that ended before its answer was whole.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::Usage;

/// Told by the layer that [knows prices](super::priced): what a call certainly used of which the model told nothing, because
/// nobody listened to the end. It is an estimate, and says so.
///
/// Whoever makes a call puts one into its [`CallOptions`](super::CallOptions), and looks into it when the answer's stream is
/// gone.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Option<Usage>>>);

impl Tally {
    /// What was used. None where the answer was whole, or had not begun.
    #[must_use]
    pub fn used(&self) -> Option<Usage> {
        *self.0.lock()
    }

    pub(super) fn note(&self, used: Usage) {
        *self.0.lock() = Some(used);
    }
}

/// The same one.
impl PartialEq for Tally {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Tally {}

impl Usage {
    /// What an answer used that ended early: what the model told until then, and at least the `prompt` and what was `written`
    /// as somebody counted them. An estimate, without a cost.
    #[must_use]
    pub fn so_far(told: Option<Self>, prompt: u64, written: u64) -> Self {
        let told = told.unwrap_or_default();
        Self {
            // A model that tells of its prompt tells all of it.
            prompt_tokens: if told.prompt_tokens > 0 { told.prompt_tokens } else { prompt },
            completion_tokens: told.completion_tokens.max(written),
            exact: false,
            cost_micros: None,
        }
    }
}
