//! Takes secrets out of what a model writes, while it is written.
//!
//! A [`Redactor`] reads a stream of pieces, however it is cut, and gives out the same text as for the whole at once.
//! It holds back at most the word that is being written, where a secret may have begun in it, and of a long one at most 2,304 bytes. Taken out are keys of
//! the common vendors, JSON web tokens, private keys, passwords in addresses and assignments, paths of home folders and
//! of the server's own, and canaries. The time is linear in the length of the text.
//!
//! What a passage of the sources says about **paths** may be said in the answer too. **Secrets** are taken out of the
//! answer's words even where a source has them; the citation's quote is not touched, for it is exact or it is none, and
//! its reader can open the source (decision 0019).
//!
//! ```
//! use notebook_agent::guard::redact::Redactor;
//!
//! let mut redactor = Redactor::default();
//! let mut text = redactor.push("Sign in with ghp_0123456789");
//! text += &redactor.push("abcdefABCDEF0123456789abcdef, they wrote.");
//! text += &redactor.finish();
//! assert_eq!(text, "Sign in with [redacted: API key], they wrote.");
//! assert_eq!(redactor.count(), 1);
//! ```

mod path;
mod pem;
mod rules;
mod split;
mod vendors;
mod word;

use std::{borrow::Cow, sync::Arc};

use pem::Pem;
pub use rules::RedactConfig;
use rules::Rules;
use split::{
    has_control, is_control, last_word, no_long_word, split_block, split_last_word, split_word,
};
use word::{Found, Kind};

/// The most bytes of a word that are looked at together.
const WINDOW: usize = 2_304;
/// How far into them something may begin to be found there.
const STEP: usize = 2_048;
/// How many bytes of whole words are looked at together; with the rest of a word they are seldom as many as a long word has.
const BLOCK: usize = 2_048;

/// The filter of one stream.
#[derive(Debug, Default)]
pub struct Redactor {
    rules: Arc<Rules>,
    /// The word that is being written.
    held: String,
    /// How much of it was given out already, for no secret can begin there.
    shown: usize,
    /// The last character of the word that was given out already.
    before: Option<char>,
    state: State,
    count: usize,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// The word before names a secret: what stands behind `=` is one.
    Named,
    /// What comes is the value of a secret.
    Value,
    /// What comes after `Bearer`.
    Bearer,
    /// In a word whose secret is longer than what is looked at together.
    Swallowing,
    /// In a private key.
    Pem(Pem),
}

impl Redactor {
    /// A filter for one answer that is made from these passages. `marker` is the request's own
    /// ([`Marker`](super::provenance::Marker)), which no answer has a reason to say.
    #[must_use]
    pub fn new<'a>(
        config: &RedactConfig,
        marker: Option<&str>,
        passages: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let rules = Rules::new(config, marker, passages);
        Self { rules: Arc::new(rules), ..Self::default() }
    }

    /// How many secrets were taken out.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Takes the next piece, and gives out what is certain.
    pub fn push(&mut self, piece: &str) -> String {
        // As in answers, control characters are no text; between the letters of a secret they would hide it.
        let piece: Cow<'_, str> = if has_control(piece) {
            Cow::Owned(piece.chars().filter(|c| !is_control(*c)).collect())
        } else {
            Cow::Borrowed(piece)
        };
        let mut out = String::new();
        let Some((whole, rest)) = split_last_word(&piece) else {
            self.held.push_str(&piece);
            self.shorten(&mut out);
            self.show(&mut out);
            return out;
        };
        out.reserve(self.held.len() + piece.len());
        if self.held.is_empty() && self.before.is_none() {
            self.region(whole, &mut out);
            self.held.push_str(rest);
        } else {
            let mut joined = std::mem::take(&mut self.held);
            joined.push_str(whole);
            self.region(&joined, &mut out);
            // Its room is used again; nothing is held after white space.
            joined.clear();
            joined.push_str(rest);
            self.held = joined;
        }
        self.shorten(&mut out);
        self.show(&mut out);
        out
    }

    /// Gives out what there is of a word in which no secret can have begun, so that an answer does not lag behind.
    fn show(&mut self, out: &mut String) {
        let plain = matches!(self.state, State::Idle | State::Named) && self.before.is_none();
        if plain && word::is_plain_so_far(&self.held, &self.rules.canary_words) {
            out.push_str(self.held.get(self.shown..).unwrap_or_default());
            self.shown = self.held.len();
        }
    }

    /// Gives out the rest of what a part of it was shown of before.
    fn give(&mut self, text: &str, out: &mut String) {
        let shown = std::mem::take(&mut self.shown);
        out.push_str(text.get(shown..).unwrap_or_default());
    }

    /// Ends the stream, and gives out what was held back.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() || self.before.is_some() {
            self.whole_word(&held, &mut out);
        }
        if let State::Pem(pem) = std::mem::take(&mut self.state) {
            out.push_str(&pem.released());
        }
        out
    }

    /// Whole words and the white space after them.
    fn region(&mut self, region: &str, out: &mut String) {
        let mut rest = region;
        while !rest.is_empty() {
            let (block, tail) = split_block(rest);
            rest = tail;
            self.block(block, out);
        }
    }

    fn block(&mut self, block: &str, out: &mut String) {
        let idle = matches!(self.state, State::Idle) && self.before.is_none();
        let places = word::suspects(block, &self.rules).filter(|_| idle && no_long_word(block));
        let Some(mut places) = places else { return self.words(block, out) };
        places.sort_unstable();
        // What stands between words to be looked at is given out as it is.
        let mut at = 0;
        for place in places {
            if place < at {
                continue;
            }
            let head = block.get(at..place).unwrap_or_default();
            let start = at + head.len() - last_word(head).len();
            if start > at {
                self.give(block.get(at..start).unwrap_or_default(), out);
                at = start;
            }
            // A word may say what the next one is.
            while at <= place || !matches!(self.state, State::Idle) {
                let words = block.get(at..).unwrap_or_default();
                let (word, space, tail) = split_word(words);
                self.word_and_space(word, space, out);
                at = block.len() - tail.len();
                if tail.is_empty() {
                    return;
                }
            }
        }
        self.give(block.get(at..).unwrap_or_default(), out);
    }

    fn words(&mut self, mut words: &str, out: &mut String) {
        while !words.is_empty() {
            let (word, space, tail) = split_word(words);
            words = tail;
            self.word_and_space(word, space, out);
        }
    }

    fn word_and_space(&mut self, word: &str, space: &str, out: &mut String) {
        if self.passes(word) {
            self.give(word, out);
            out.push_str(space);
            return;
        }
        if !word.is_empty() || self.before.is_some() {
            self.whole_word(word, out);
        }
        match &mut self.state {
            State::Pem(pem) => pem.space(space),
            _ => out.push_str(space),
        }
    }

    /// Whether whole words can be given out as they are: nothing before says what they are, and nothing in them has a
    /// secret's beginning. It depends on each word alone, not on where the stream is cut.
    fn passes(&self, words: &str) -> bool {
        matches!(self.state, State::Idle)
            && self.before.is_none()
            && !word::is_suspect(words, &self.rules)
            && no_long_word(words)
    }

    /// The rest of a word, of which a beginning may have been given out.
    fn whole_word(&mut self, word: &str, out: &mut String) {
        self.held.push_str(word);
        self.shorten(out);
        let rest = std::mem::take(&mut self.held);
        let before = self.before.take();
        let mut given = String::with_capacity(rest.len());
        if matches!(self.state, State::Swallowing) {
            self.state = State::Idle;
            self.word(skip_token(&rest), None, &mut given);
        } else {
            self.word(&rest, before, &mut given);
        }
        self.give(&given, out);
    }

    /// Gives out the beginning of a word that is too long to be held. Where it is cut depends on the word alone.
    fn shorten(&mut self, out: &mut String) {
        if self.held.len() < WINDOW {
            return;
        }
        let held = std::mem::take(&mut self.held);
        let mut rest = held.as_str();
        while rest.len() >= WINDOW {
            if matches!(self.state, State::Swallowing) {
                rest = skip_token(rest);
                if rest.is_empty() {
                    return;
                }
                // What follows stands by itself, as it does where the word ends before.
                self.before = None;
                self.state = State::Idle;
                continue;
            }
            let window = rest.get(..rest.floor_char_boundary(WINDOW)).unwrap_or_default();
            let step = rest.floor_char_boundary(STEP);
            let mut given = String::with_capacity(window.len());
            let cut = self.long_word(window, step, &mut given);
            let shown = self.shown;
            self.give(&given, out);
            self.shown = shown.saturating_sub(cut);
            let (gone, tail) = rest.split_at_checked(cut).unwrap_or((rest, ""));
            self.before = gone.chars().next_back();
            rest = tail;
        }
        rest.clone_into(&mut self.held);
    }

    /// A part of a long word: gives out what begins before `step`, and says how much that was.
    fn long_word(&mut self, window: &str, step: usize, out: &mut String) -> usize {
        if let State::Pem(pem) = &mut self.state {
            // One line of a key without line breaks.
            pem.swallow();
            return step;
        }
        self.state = State::Idle;
        let found = word::find(window, self.before, &self.rules);
        let mut at = 0;
        for Found { range, kind } in found.into_iter().filter(|found| found.range.start < step) {
            out.push_str(window.get(at..range.start).unwrap_or_default());
            self.replace(kind, out);
            at = range.end;
            if at == window.len() {
                self.state = State::Swallowing;
            }
        }
        out.push_str(window.get(at..step.max(at)).unwrap_or_default());
        at.max(step)
    }

    fn word(&mut self, word: &str, before: Option<char>, out: &mut String) {
        match std::mem::take(&mut self.state) {
            State::Pem(pem) => return self.pem(pem, word, out),
            State::Named if word::is_separator(word) => {
                self.state = State::Value;
                out.push_str(word);
                return;
            }
            State::Value => {
                if let Some(range) = word::spoken_value(word) {
                    out.push_str(word.get(..range.start).unwrap_or_default());
                    self.replace(Kind::Password, out);
                    out.push_str(word.get(range.end..).unwrap_or_default());
                    return;
                }
                // `password: is: x`, `password: Bearer x`: the next word may be it.
            }
            State::Bearer => {
                if let Some(range) = word::bearer_value(word) {
                    out.push_str(word.get(..range.start).unwrap_or_default());
                    self.replace(Kind::Token, out);
                    out.push_str(word.get(range.end..).unwrap_or_default());
                    return;
                }
            }
            _ => {}
        }
        if let Some(at) = word.find(pem::BEGIN) {
            let (head, begin) = word.split_at(at);
            self.plain_word(head, before, out);
            return self.pem(Pem::default(), begin, out);
        }
        self.plain_word(word, before, out);
        self.state = match word::names(word) {
            Some(word::Names::Secret) => State::Named,
            Some(word::Names::SecretWithSeparator) => State::Value,
            Some(word::Names::Bearer) => State::Bearer,
            None => State::Idle,
        };
    }

    fn plain_word(&mut self, word: &str, before: Option<char>, out: &mut String) {
        let stripped = word::stripped(word);
        let in_stripped = word::find(&stripped, before, &self.rules);
        if in_stripped.is_empty() {
            out.push_str(word);
            return;
        }
        // What hides in a word comes off with the secret that it hides.
        let mut at = 0;
        for Found { range, kind } in in_stripped {
            out.push_str(stripped.get(at..range.start).unwrap_or_default());
            self.replace(kind, out);
            at = range.end;
        }
        out.push_str(stripped.get(at..).unwrap_or_default());
    }

    fn pem(&mut self, mut pem: Pem, word: &str, out: &mut String) {
        match pem.word(word) {
            pem::Step::More => self.state = State::Pem(pem),
            pem::Step::Opened => {
                self.replace(Kind::PrivateKey, out);
                self.state = State::Pem(pem);
            }
            pem::Step::Closed(rest) => {
                let rest = rest.to_owned();
                self.plain_word(&rest, Some('-'), out);
            }
            pem::Step::No => {
                out.push_str(&pem.released());
                self.plain_word(word, None, out);
            }
        }
    }

    fn replace(&mut self, kind: Kind, out: &mut String) {
        self.count += 1;
        out.push_str(kind.replacement());
    }
}

/// A whole text without secrets, for logs and messages that a model's or a provider's words may get into.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut redactor = Redactor::default();
    let mut out = redactor.push(text);
    out.push_str(&redactor.finish());
    out
}

/// What comes after the rest of a token.
fn skip_token(text: &str) -> &str {
    text.trim_start_matches(word::is_token)
}

#[cfg(test)]
#[path = "../tests/redact.rs"]
mod tests;
