//! Recognises the model's word for "the passages do not answer" before a reader sees it.

use crate::context::NOT_IN_SOURCES;

/// Holds back the beginning of a stream as long as it may be the sentinel.
#[derive(Debug, Default)]
pub(super) struct AbstainFilter {
    held: String,
    state: State,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Undecided,
    Answering,
    Abstained,
}

/// What models put around the sentinel.
const WRAPPING: [char; 6] = ['`', '*', '"', '“', '[', ' '];

impl AbstainFilter {
    /// Returns the text that is known to be the answer's.
    pub(super) fn push(&mut self, delta: &str) -> String {
        match self.state {
            State::Answering => return delta.to_owned(),
            State::Abstained => return String::new(),
            State::Undecided => self.held.push_str(delta),
        }
        let body = self.held.trim_start().trim_start_matches(WRAPPING);
        if body.starts_with(NOT_IN_SOURCES) {
            self.state = State::Abstained;
            self.held.clear();
            String::new()
        } else if NOT_IN_SOURCES.starts_with(body) {
            String::new()
        } else {
            self.state = State::Answering;
            std::mem::take(&mut self.held)
        }
    }

    /// Ends the stream and returns what was held back.
    pub(super) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    pub(super) const fn abstained(&self) -> bool {
        matches!(self.state, State::Abstained)
    }
}
