//! A tape that is written.

use std::{fmt, sync::Arc};

use notebook_core::chat::ChatModel;
use parking_lot::Mutex;

use super::line::{Facts, Line, Page, VERSION};

/// Keeps what comes and what is shown, within a bound.
pub(in crate::chat) struct Written {
    state: Mutex<State>,
    #[cfg_attr(not(feature = "tools"), allow(dead_code, reason = "only a research asks for it"))]
    model: Arc<dyn ChatModel>,
    most: usize,
}

struct State {
    facts: Option<Box<Facts>>,
    lines: Vec<Line>,
    bytes: usize,
    cut: bool,
}

impl Written {
    /// Nothing yet; at most this many bytes.
    pub(in crate::chat) fn new(facts: Facts, model: Arc<dyn ChatModel>, most_bytes: usize) -> Self {
        let bytes = serde_json::to_vec(&facts).map_or(usize::MAX, |text| text.len());
        let cut = bytes > most_bytes;
        let facts = (!cut).then(|| Box::new(facts));
        let state = Mutex::new(State { facts, lines: Vec::new(), bytes, cut });
        Self { state, model, most: most_bytes }
    }

    /// The model of the answer, as it was before anything was written of it.
    #[cfg(feature = "tools")]
    pub(super) fn model(&self) -> Arc<dyn ChatModel> {
        Arc::clone(&self.model)
    }

    /// Another line. Where there is no room it is not even made.
    pub(super) fn add(&self, line: impl FnOnce() -> Line) {
        let state = &mut *self.state.lock();
        if state.cut {
            return;
        }
        let line = line();
        state.bytes = state.bytes.saturating_add(line.size());
        state.cut = state.bytes > self.most;
        if !state.cut {
            state.lines.push(line);
        }
    }

    /// What was written since this was called last.
    pub(in crate::chat) fn take(&self) -> Page {
        let state = &mut *self.state.lock();
        let (facts, lines) = (state.facts.take(), std::mem::take(&mut state.lines));
        Page { version: VERSION, facts, lines, cut: state.cut }
    }
}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Written").field("most", &self.most).finish_non_exhaustive()
    }
}
