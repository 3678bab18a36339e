//! Private keys, as they stand in files: lines between `-----BEGIN … PRIVATE KEY-----` and its end.

pub(super) const BEGIN: &str = "-----BEGIN";
const END: &str = "-----END";
const CLOSE: &str = "KEY-----";
/// The most words of a key's name.
const NAME: usize = 6;
/// Words of a key are lines; shorter ones are its last, or other text.
const LINE: usize = 16;
/// The most bytes of white space that are held back.
const MOST_HELD: usize = 512;
/// Words at the beginning that may be its headers.
const HEADERS: usize = 4;

/// A key as it goes by.
#[derive(Debug, Default)]
pub(super) struct Pem {
    phase: Phase,
    words: usize,
    /// What is given out when it turns out to be none.
    held: String,
}

#[derive(Debug, Default, PartialEq)]
enum Phase {
    #[default]
    Name,
    Body,
    End,
}

pub(super) enum Step<'a> {
    More,
    /// It is a key: from here on nothing of it is given out.
    Opened,
    /// It is over; this comes after it.
    Closed(&'a str),
    /// It is none, or it is over: the word is not part of it.
    No,
}

impl Pem {
    pub(super) fn word<'a>(&mut self, word: &'a str) -> Step<'a> {
        self.words += 1;
        match self.phase {
            Phase::Name => self.name(word),
            Phase::Body => self.body(word),
            Phase::End => match word.find(CLOSE) {
                Some(at) => Step::Closed(word.get(at + CLOSE.len()..).unwrap_or_default()),
                None if self.words > NAME => Step::No,
                None => Step::More,
            },
        }
    }

    fn name<'a>(&mut self, word: &'a str) -> Step<'a> {
        if let Some(at) = word.find(CLOSE) {
            // Public ones and certificates are no secrets.
            if !self.held.contains("PRIVATE") {
                return Step::No;
            }
            self.phase = Phase::Body;
            self.words = 0;
            self.held.clear();
            let rest = word.get(at + CLOSE.len()..).unwrap_or_default();
            if rest.contains(END) {
                self.phase = Phase::End;
            }
            return Step::Opened;
        }
        if self.words > NAME {
            return Step::No;
        }
        self.held.push_str(word);
        Step::More
    }

    fn body<'a>(&mut self, word: &'a str) -> Step<'a> {
        if word.contains(END) {
            self.phase = Phase::End;
            self.words = 0;
            self.held.clear();
            return Step::More;
        }
        let header = self.words <= HEADERS && word.contains([':', ',']);
        let line = word.len() >= LINE
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+/=\\\"',".contains(&byte));
        if line || header {
            self.held.clear();
            return Step::More;
        }
        // One short word may be the last line.
        if self.held.trim().is_empty() && word.len() < 80 {
            self.held.push_str(word);
            return Step::More;
        }
        Step::No
    }

    /// White space within it.
    pub(super) fn space(&mut self, space: &str) {
        if self.phase != Phase::End {
            // Of white space without an end only the beginning is kept.
            let room = MOST_HELD.saturating_sub(self.held.len());
            self.held.extend(space.chars().take(room));
        }
    }

    /// A part of a line that is too long to be looked at.
    pub(super) fn swallow(&mut self) {
        self.held.clear();
        if self.phase == Phase::Name {
            self.phase = Phase::Body;
        }
    }

    /// What was held back and is none of the key.
    pub(super) fn released(self) -> String {
        self.held
    }
}
